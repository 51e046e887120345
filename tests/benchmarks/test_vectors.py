"""Drawn vectors lie as the real ones do; of those, the figures are what `benchmarks.vectors` prints."""

import numpy as np

from benchmarks import vectors

REAL_COSINES_OF_16000 = {1: 0.571, 3: 0.507, 10: 0.449, 30: 0.399, 100: 0.341}
REAL_INTRINSIC_DIMENSION = 27.5


def test_drawn_vectors_are_unit_rows_that_follow_from_the_seed() -> None:
    first, again = (vectors.drawn(np.random.default_rng(3), 500) for _ in range(2))
    assert first.shape == (500, vectors.DIMENSION)
    assert first.dtype == np.float32
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    assert (first == again).all()


def test_neighbours_are_as_near_as_those_of_real_posts() -> None:
    made = vectors.drawn(np.random.default_rng(3), 16_000)
    *cosines, dimension = vectors.nearness(made)[1, 1]
    for rank, cosine in zip((1, 3, 10, 30, 100), cosines, strict=False):
        assert abs(cosine - REAL_COSINES_OF_16000[rank]) < 0.05
    assert 0.7 < np.exp(5 * dimension) / REAL_INTRINSIC_DIMENSION < 1.5


def test_what_is_stored_is_small() -> None:
    assert (vectors._FILE).stat().st_size < 200_000
