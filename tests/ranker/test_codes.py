import threading

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from ranker.codebook import Codebook, sample_for
from ranker.codes import Codes, Pool

DIMENSION = 96
MIXING = np.random.default_rng(0).standard_normal((DIMENSION, DIMENSION)) * np.linspace(1, 0.1, DIMENSION)


def drawn(rows: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((rows, DIMENSION)) @ MIXING.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


VECTORS, QUERIES = drawn(4096, 1), drawn(10, 2)
CODEBOOK = Codebook.learned(VECTORS, len(VECTORS), seed=1)
CODES, ROWS = Codes.packed(CODEBOOK, CODEBOOK.encode(VECTORS))
SLOTS, TIMES = np.zeros(len(CODES), np.int32), np.full(len(CODES), -1)
SLOTS[ROWS], TIMES[ROWS] = np.arange(4096), np.arange(4096)


def found(
    keep: int, visits: int = 100, *, after_ms: int = 0, allowed: NDArray[np.bool_] | None = None
) -> Pool:
    pool = Pool.of(len(QUERIES), keep)
    CODES.scan(CODEBOOK.ask(QUERIES, visits), SLOTS, TIMES, after_ms, allowed, pool)
    return pool


def test_every_row_that_is_no_filling_is_met_once() -> None:
    for slots in found(4096).best():
        assert sorted(slots.tolist()) == list(range(4096))


def test_estimates_are_near_the_cosines() -> None:
    pool = found(4096)
    pool.best()
    exact = np.take_along_axis(QUERIES @ VECTORS.T, pool.slots[:, :4096], axis=1)
    off = pool.scores[:, :4096] - exact
    assert abs(off.mean()) < 0.002
    assert off.std() < 0.3 * exact.std()


def test_the_best_estimates_are_kept_and_no_others() -> None:
    every, few = found(4096), found(50)
    every.best()
    for query, slots in enumerate(few.best()):
        least = np.sort(every.scores[query, :4096])[-50]
        assert 50 <= len(slots) <= 100
        assert few.scores[query, : len(slots)].min() <= least
        assert set(every.slots[query, :4096][every.scores[query, :4096] >= least]) <= set(slots.tolist())


def test_the_kernel_adds_what_numpy_adds() -> None:
    """The estimate written out: nearness to the centroid, and the weights of the bits that are set."""
    asked, encoded = CODEBOOK.ask(QUERIES, 100), CODEBOOK.encode(VECTORS)
    bits = np.unpackbits(encoded.words.view(np.uint8), axis=1, bitorder="little").astype(bool)
    planes = np.unpackbits(
        np.ascontiguousarray(asked.planes.swapaxes(1, 2)).view(np.uint8), axis=2, bitorder="little"
    )
    weights = (planes[:, 1:] * 2 ** np.arange(planes.shape[1] - 1)[:, None]).sum(axis=1)
    near = np.zeros((len(QUERIES), len(CODEBOOK.centroids)))
    np.put_along_axis(near, asked.lists, asked.near, axis=1)
    pool = found(4096)
    pool.best()
    for query in range(len(QUERIES)):
        total = ((bits ^ planes[query, 0].astype(bool)) * weights[query]).sum(axis=1)
        expected = near[query, encoded.lists] + encoded.scales * (
            asked.offsets[query] + asked.steps[query] * total
        )
        np.testing.assert_allclose(pool.scores[query, :4096], expected[pool.slots[query, :4096]], atol=1e-5)


def test_the_spread_is_that_of_cosines_about_the_nearness_of_their_lists() -> None:
    asked, lists = CODEBOOK.ask(QUERIES, 100), CODEBOOK.encode(VECTORS).lists
    off = VECTORS - CODEBOOK.centroids[lists].astype(np.float32)
    np.testing.assert_allclose(asked.spread, (QUERIES @ off.T).std(axis=1), rtol=0.2)


def test_lists_that_are_passed_over_hold_nothing_that_beats_the_least() -> None:
    asked, every, pool = CODEBOOK.ask(QUERIES, 100), found(4096), Pool.of(len(QUERIES), 4096)
    pool.least[:] = asked.near[:, 0] + 2 * asked.spread
    assert (asked.near[:, -1] + 4 * asked.spread < pool.least).sum() > 5
    CODES.scan(asked, SLOTS, TIMES, 0, None, pool)
    np.testing.assert_array_equal(pool.filled, (every.scores[:, :4096] > pool.least[:, None]).sum(axis=1))
    assert pool.filled.sum() > 100


def test_rows_that_are_old_or_not_allowed_do_not_answer() -> None:
    for slots in found(4096, after_ms=1000, allowed=np.arange(4096) % 7 == 3).best():
        assert sorted(slots.tolist()) == [slot for slot in range(1000, 4096) if slot % 7 == 3]


def test_many_equal_vectors_do_not_fill_a_pool_for_good() -> None:
    codes, rows = Codes.packed(CODEBOOK, CODEBOOK.encode(np.repeat(VECTORS[:1], 1000, axis=0)))
    pool = Pool.of(1, 20)
    times = np.full(len(codes), -1)
    times[rows] = 0
    codes.scan(CODEBOOK.ask(VECTORS[:1], 100), np.arange(len(codes), dtype=np.int32), times, 0, None, pool)
    assert 20 <= len(pool.best()[0]) <= 40


def test_codes_are_read_back_as_they_were_written() -> None:
    encoded, back = CODEBOOK.encode(VECTORS), CODES.encoded(ROWS)
    for written, read in zip(encoded, back, strict=True):
        np.testing.assert_array_equal(written, read)


def test_the_same_vectors_give_the_same_codes() -> None:
    again = Codebook.learned(VECTORS, len(VECTORS), seed=1)
    np.testing.assert_array_equal(Codes.packed(again, again.encode(VECTORS))[0].words, CODES.words)


def test_axes_that_differ_more_get_more_bits() -> None:
    spread = np.linspace(3, 0.01, 96)
    vectors = (np.random.default_rng(3).standard_normal((2000, 96)) * spread).astype(np.float32)
    bits = Codebook.learned(vectors, 100, seed=1).bits
    assert (np.diff(bits) <= 0).all()
    assert bits[0] > bits[-1]
    assert bits.sum() == 128


@pytest.mark.parametrize("posts", [1, 300, 1_000_000])
def test_a_codebook_is_learned_of_no_more_than_there_is(posts: int) -> None:
    assert 1 <= sample_for(posts) <= min(posts, 65_536)


def test_encoding_keeps_to_one_processor_in_whatever_thread_it_runs() -> None:
    used: list[int] = []

    def encode() -> None:
        CODEBOOK.encode(VECTORS[:10])
        used.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=encode)
    thread.start()
    thread.join()
    assert used == [1]
