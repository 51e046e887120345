import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranker.dots import LANES, cosines, nearest, widened


def stored(rows: int, dimension: int, seed: int = 0) -> NDArray[np.float16]:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16)


@given(dimension=st.integers(1, 400), rows=st.integers(1, 20), seed=st.integers(0, 9))
def test_cosines_are_those_of_numpy_in_any_dimension(dimension: int, rows: int, seed: int) -> None:
    vectors = stored(rows, dimension, seed)
    slots = np.random.default_rng(seed).integers(0, rows, 30).astype(np.int32)
    queries = stored(3, dimension, seed + 1).astype(np.float32)
    expected = vectors[slots].astype(np.float64) @ queries.T.astype(np.float64)
    np.testing.assert_allclose(cosines(vectors, slots, queries), expected, atol=2e-6)


@pytest.mark.parametrize("dimension", [384, 100])
def test_a_pair_has_the_same_bits_whatever_else_is_in_the_call(dimension: int) -> None:
    vectors, queries = stored(500, dimension), stored(5, dimension, 1).astype(np.float32)
    together = cosines(vectors, np.arange(500, dtype=np.int32), queries)
    for slot, query in [(0, 0), (7, 4), (255, 2), (499, 3)]:
        alone = cosines(vectors, np.array([slot], np.int32), queries[query : query + 1])
        assert alone[0, 0].tobytes() == together[slot, query].tobytes()


def test_a_zero_row_is_unknown_and_not_zero() -> None:
    vectors = np.zeros((2, 64), np.float16)
    vectors[1, 3] = 1
    found = cosines(vectors, np.array([0, 1], np.int32), np.eye(64, dtype=np.float32)[:2])
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [0, 0]


def test_arrays_that_can_not_be_written_are_read() -> None:
    vectors, slots, queries = stored(3, 64), np.arange(3, dtype=np.int32), np.eye(64, dtype=np.float32)
    for array in (vectors, slots, queries):
        array.setflags(write=False)
    np.testing.assert_array_equal(cosines(vectors, slots, queries), vectors.astype(np.float32))


@pytest.mark.parametrize("dimension", [384, 100])
def test_widened_rows_are_those_of_numpy_bit_for_bit(dimension: int) -> None:
    vectors, slots = stored(50, dimension), np.array([7, 49, 0, 7], np.int32)
    vectors[7, :3] = (0, -0.0, 6e-8)
    assert widened(vectors, slots).tobytes() == vectors[slots].astype(np.float32).tobytes()
    assert widened(vectors, slots[:0]).shape == (0, dimension)


def test_widening_is_exact_for_every_finite_half() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    rows = halves[np.isfinite(halves)].reshape(-1, 512)
    wide = widened(rows, np.arange(len(rows), dtype=np.int32))
    assert wide.tobytes() == rows.astype(np.float32).tobytes()


@settings(deadline=None)  # it compiles
@given(others=st.integers(1, 9), first=st.integers(0, 8), blocks=st.integers(1, 4), seed=st.integers(0, 9))
def test_the_nearest_of_some_rows_has_the_greatest_of_their_cosines(
    others: int, first: int, blocks: int, seed: int
) -> None:
    vectors = stored(others + 1, blocks * LANES, seed)
    wide, tile = vectors.astype(np.float32), np.empty((1, 4), np.float32)
    each = cosines(vectors, np.arange(first, others, dtype=np.int32), wide[others:])
    assert nearest(wide[others:], wide, first, others, tile) == max(each, default=-1)


@pytest.mark.parametrize("slot", [-1, 3])
def test_a_slot_outside_the_column_is_an_error(slot: int) -> None:
    with pytest.raises(IndexError, match="within 3 vectors"):
        cosines(stored(3, 8), np.array([slot], np.int32), np.eye(8, dtype=np.float32))
    with pytest.raises(IndexError, match="within 3 vectors"):
        widened(stored(3, 8), np.array([slot], np.int32))
