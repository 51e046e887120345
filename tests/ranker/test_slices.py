import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranker.compaction import Compactor
from ranker.slice import SliceSettings
from ranker.slices import Slices

DIMENSION = 64
SETTINGS = SliceSettings(slice_posts=4096, merged_posts=4096, exact_posts=1024)
DAY_MS = 86_400_000


def clustered(rows: int, seed: int = 0) -> NDArray[np.float16]:
    """Unit rows around 40 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, DIMENSION))
    vectors = centres[rng.integers(0, 40, rows)] + rng.standard_normal((rows, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16)


def numbers(*slots: int) -> NDArray[np.int32]:
    return np.array(slots, np.int32)


def indexed(column: NDArray[np.float16], settings: SliceSettings = SETTINGS) -> Slices:
    """All rows of the column, a second apart."""
    slices = Slices(DIMENSION, settings, lambda: column)
    slices.add(np.arange(len(column), dtype=np.int32), 1000 * np.arange(len(column)))
    return slices


def compressed(column: NDArray[np.float16]) -> Slices:
    slices = indexed(column)
    slices.seal()
    slices.compact()
    return slices


def nearest(column: NDArray[np.float16], queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The oracle: every cosine, by NumPy."""
    return np.argsort(-(queries @ column.astype(np.float32).T), axis=1, kind="stable")[:, :k]


def recall(found: NDArray[np.int32], truth: NDArray[np.int64]) -> float:
    return float(np.mean([np.isin(true, some).mean() for some, true in zip(found, truth, strict=True)]))


COLUMN = clustered(8192)
QUERIES = clustered(20, seed=1).astype(np.float32)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
TRUTH = nearest(COLUMN, QUERIES, 100)


@pytest.fixture(scope="module")
def unchanged() -> Slices:
    """Two compressed slices; do not change them."""
    return compressed(COLUMN)


def test_slices_that_are_not_compacted_find_all_that_is_nearest() -> None:
    assert recall(indexed(COLUMN).search(QUERIES, 100).slots, TRUTH) == 1


def test_compressed_slices_find_nearly_all_that_is_nearest(unchanged: Slices) -> None:
    assert [part.form for part in unchanged.describe()] == ["compressed", "compressed", "open"]
    assert recall(unchanged.search(QUERIES, 100).slots, TRUTH) >= 0.95


def test_the_same_posts_give_the_same_compressed_slices(unchanged: Slices) -> None:
    again = compressed(COLUMN).search(QUERIES, 100)
    np.testing.assert_array_equal(again.slots, unchanged.search(QUERIES, 100).slots)


def test_a_query_is_answered_alike_alone_and_in_a_batch(unchanged: Slices) -> None:
    batch = unchanged.search(QUERIES, 50)
    for i in range(len(QUERIES)):
        alone = unchanged.search(QUERIES[i : i + 1], 50)
        assert alone.slots.tobytes() == batch.slots[i].tobytes()
        assert alone.cosines.tobytes() == batch.cosines[i].tobytes()


def test_compaction_changes_no_bit_of_a_cosine(unchanged: Slices) -> None:
    exact, close = indexed(COLUMN).search(QUERIES[:1], 20), unchanged.search(QUERIES[:1], 20)
    expected = dict(zip(exact.slots[0].tolist(), exact.cosines[0].tolist(), strict=True))
    shared = [i for i, slot in enumerate(close.slots[0].tolist()) if slot in expected]
    assert len(shared) > 10
    assert all(close.cosines[0, i] == expected[int(close.slots[0, i])] for i in shared)


def test_an_empty_index_finds_nothing() -> None:
    slots, cosines = Slices(DIMENSION, SETTINGS, lambda: COLUMN).search(QUERIES, 3)
    assert (slots == -1).all()
    assert np.isnan(cosines).all()


def test_a_search_for_more_than_there_is_gives_all_best_first_and_padding() -> None:
    slots, cosines = indexed(COLUMN[:3]).search(QUERIES[:1], 5)
    np.testing.assert_array_equal(slots[0], [*nearest(COLUMN[:3], QUERIES[:1], 3)[0], -1, -1])
    assert (np.diff(cosines[0, :3]) <= 0).all()
    assert np.isnan(cosines[0, 3:]).all()


@pytest.mark.parametrize("make", [indexed, compressed])
def test_a_removed_post_is_not_found(make: Callable[[NDArray[np.float16]], Slices]) -> None:
    slices = make(COLUMN)
    gone = slices.search(QUERIES, 100).slots[0]
    slices.remove(gone)
    assert not np.isin(slices.search(QUERIES, 100).slots, gone).any()
    assert len(slices) == len(COLUMN) - 100


@pytest.mark.parametrize("make", [indexed, compressed])
def test_a_post_put_again_answers_by_its_new_vector_only(
    make: Callable[[NDArray[np.float16]], Slices],
) -> None:
    column = COLUMN.copy()
    slices = make(column)
    old, column[5] = column[5:6].astype(np.float32), -column[5]
    slices.add(numbers(5), np.array([DAY_MS]))
    assert slices.search(-old, 1).slots.tolist() == [[5]]
    assert 5 not in slices.search(old, 100).slots
    assert len(slices) == len(column)


def test_a_post_that_is_twice_in_a_batch_is_found_once_with_its_last_time() -> None:
    slices = Slices(DIMENSION, SETTINGS, lambda: COLUMN)
    slices.add(numbers(4, 4), np.array([1, 2]))
    assert slices.search(QUERIES[:1], 2, after_ms=2).slots.tolist() == [[4, -1]]
    assert len(slices) == 1


def test_a_post_whose_vector_was_cleared_is_not_found() -> None:
    column = COLUMN[:3].copy()
    slices = indexed(column)
    column[1] = 0
    assert set(slices.search(QUERIES[:1], 3).slots[0].tolist()) == {0, 2, -1}


@pytest.mark.parametrize("share", [0.5, 0.1, 0.001])
def test_a_mask_does_not_starve_the_answer(unchanged: Slices, share: float) -> None:
    allowed = np.random.default_rng(3).random(len(COLUMN)) < share
    found = unchanged.search(QUERIES, 50, allowed=allowed).slots
    assert allowed[found[found >= 0]].all()
    assert (found >= 0).sum(axis=1).tolist() == [min(50, allowed.sum())] * len(QUERIES)
    kept = np.flatnonzero(allowed)
    assert recall(found, kept[nearest(COLUMN[kept], QUERIES, 50)]) >= 0.95


def test_a_mask_that_leaves_only_far_posts_still_fills_the_answer(unchanged: Slices) -> None:
    far = np.zeros(len(COLUMN), np.bool_)
    far[nearest(COLUMN, -QUERIES[:1], 4400)[0]] = True
    found = unchanged.search(QUERIES[:1], 2000, allowed=far).slots[0]
    assert (found >= 0).all()
    assert far[found].all()


@pytest.mark.parametrize("make", [indexed, compressed])
def test_posts_older_than_asked_are_left_out(make: Callable[[NDArray[np.float16]], Slices]) -> None:
    found = make(COLUMN).search(QUERIES, 200, after_ms=1000 * 3000).slots
    assert found.min() >= 3000
    assert recall(found[:, :50], 3000 + nearest(COLUMN[3000:], QUERIES, 50)) >= 0.95


@pytest.mark.parametrize("make", [indexed, compressed])
def test_new_slots_are_followed(make: Callable[[NDArray[np.float16]], Slices]) -> None:
    column = COLUMN.copy()
    slices = make(column)
    before = slices.search(QUERIES, 100)
    column[:-1000] = COLUMN[1000:]
    column[-1000:] = 0
    slices.renumber(np.maximum(np.arange(len(column), dtype=np.int32) - 1000, -1))
    after = slices.search(QUERIES, 100)
    stayed = before.slots >= 1000
    assert len(slices) == len(column) - 1000
    assert np.isin(before.slots[stayed] - 1000, after.slots).all()
    slices.remove(numbers(*after.slots[0]))
    assert not np.isin(slices.search(QUERIES[:1], 100).slots, after.slots[0]).any()


def test_small_neighbours_become_one_slice() -> None:
    slices = Slices(DIMENSION, SETTINGS, lambda: COLUMN)
    for start in range(0, 900, 300):
        slices.add(np.arange(start, start + 300, dtype=np.int32), np.full(300, start))
        slices.seal()
    slices.compact()
    assert [(part.form, part.posts) for part in slices.describe()] == [("exact", 900), ("open", 0)]
    assert recall(slices.search(QUERIES, 100).slots, nearest(COLUMN[:900], QUERIES, 100)) == 1


def test_a_slice_that_lost_most_posts_is_cleared_of_them() -> None:
    slices = compressed(COLUMN)
    slices.remove(np.arange(3000, dtype=np.int32))
    assert slices.compact_pending()
    slices.compact()
    assert [part.rows for part in slices.describe()] == [1096, 4096, 0]
    assert slices.search(QUERIES, 100).slots.min() >= 3000


def test_rebuilding_orders_posts_by_time() -> None:
    slices = indexed(COLUMN)
    slices.rebuild(np.arange(8192, dtype=np.int32), 1000 * np.arange(8192)[::-1])
    assert [part.newest_ms for part in slices.describe()[:2]] == [4095_000, 8191_000]
    assert recall(slices.search(QUERIES, 100).slots, TRUTH) == 1


def test_searches_go_on_while_slices_are_swapped() -> None:
    slices = indexed(COLUMN)
    compactor = Compactor(slices, nullcontext, interval_s=0.01)
    compactor.start()
    recalls = []
    while slices.compact_pending():
        recalls.append(recall(slices.search(QUERIES, 100).slots, TRUTH))
    compactor.stop()
    assert min(recalls) >= 0.95
    assert [part.form for part in slices.describe()] == ["compressed", "compressed", "open"]


def test_what_is_removed_and_put_while_a_slice_is_compacted_stays_so() -> None:
    column, lock = COLUMN.copy(), threading.Lock()
    slices = indexed(column)
    compactor = Compactor(slices, lambda: lock, interval_s=0.01)
    compactor.start()
    for slot in range(0, 4000, 100):
        with lock:
            column[slot] = -column[slot]
            slices.add(numbers(slot), np.array([DAY_MS]))
            slices.remove(numbers(slot + 1))
    while slices.compact_pending():
        pass
    compactor.stop()
    assert len(slices) == 8192 - 40
    every = slices.search(QUERIES[:1], 8192, allowed=np.arange(8192) % 100 <= 1).slots[0]
    assert sorted(every[every >= 0] % 100) == [0] * 82 + [1] * 42


def between_locks(moment: int, change: Callable[[], None]) -> Callable[[], AbstractContextManager[None]]:
    """A lock that nobody contends, before whose given taking the writer makes a change."""
    takings = count()

    def reading() -> AbstractContextManager[None]:
        if next(takings) == moment:
            change()
        return nullcontext()

    return reading


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_new_slots_are_followed_in_the_middle_of_compaction(moment: int) -> None:
    column = COLUMN[:4096].copy()
    slices = indexed(column)

    def shift() -> None:
        column[:-1000], column[-1000:] = COLUMN[1000:4096], 0
        slices.renumber(np.maximum(np.arange(4096, dtype=np.int32) - 1000, -1))

    assert slices.compact_next(between_locks(moment, shift))
    assert slices.describe()[0].form == "compressed"
    found = slices.search(QUERIES, 100).slots
    assert recall(found, nearest(column[:3096], QUERIES, 100)) >= 0.95


def test_what_was_rebuilt_in_the_middle_of_compaction_is_as_it_was_rebuilt() -> None:
    slices = indexed(COLUMN[:4096])
    slices.compact_next(between_locks(3, lambda: slices.rebuild(numbers(7), np.array([DAY_MS]))))
    assert len(slices) == 1
    assert slices.search(QUERIES[:1], 2).slots.tolist() == [[7, -1]]


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "seal", "compact"]), st.integers(0, 40)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.integers(1, 50))
def test_any_changes_leave_what_a_dictionary_would_hold(changes: list[tuple[str, int]], k: int) -> None:
    slices = Slices(DIMENSION, SliceSettings(slice_posts=5), lambda: COLUMN)
    oracle: dict[int, int] = {}
    for time_ms, (change, slot) in enumerate(changes):
        if change == "add":
            slices.add(numbers(slot), np.array([time_ms]))
            oracle[slot] = time_ms
        elif change == "remove":
            slices.remove(numbers(slot))
            oracle.pop(slot, None)
        elif change == "compact":
            slices.compact()
        elif change == "seal":
            slices.seal()
    held = np.array(sorted(oracle), np.int32)
    expected = held[nearest(COLUMN[held], QUERIES[:1], k)[0]] if oracle else held
    found = slices.search(QUERIES[:1], k).slots[0]
    assert len(slices) == len(oracle)
    np.testing.assert_array_equal(found[found >= 0], expected)


@pytest.mark.parametrize("make", [indexed, compressed])
def test_an_index_that_was_loaded_finds_the_same(make: Callable[[NDArray[np.float16]], Slices]) -> None:
    slices, again = make(COLUMN), Slices(DIMENSION, SETTINGS, lambda: COLUMN)
    again.load(dict(slices.arrays()))
    assert again.describe() == slices.describe()
    for one, other in zip(again.search(QUERIES, 100), slices.search(QUERIES, 100), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_index_that_was_loaded_goes_on() -> None:
    slices = Slices(DIMENSION, SETTINGS, lambda: COLUMN)
    slices.load(dict(compressed(COLUMN[:-5]).arrays()))
    slices.remove(numbers(0, 1))
    slices.add(np.arange(len(COLUMN) - 5, len(COLUMN), dtype=np.int32), np.arange(5))
    assert len(slices) == len(COLUMN) - 2
    assert slices.search(COLUMN[-1:].astype(np.float32), 1).slots.tolist() == [[len(COLUMN) - 1]]


def test_of_equally_near_posts_the_first_by_slot_are_found_however_they_came() -> None:
    same = np.repeat(COLUMN[:1], 9, axis=0)
    slices = Slices(DIMENSION, SETTINGS, lambda: same)
    slices.add(numbers(*range(8, -1, -1)), np.arange(9))
    assert slices.search(QUERIES[:1], 4).slots.tolist() == [[0, 1, 2, 3]]
