import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranker.sources.best import most, newest_first, tally
from tests.ranker.network import Town

pairs = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), unique_by=lambda pair: pair[0])


@given(pairs, st.integers(1, 10))
def test_the_highest_scores_come_first(pairs: list[tuple[int, int]], limit: int) -> None:
    slots = np.array([slot for slot, _ in pairs], np.int32)
    scores = np.array([score for _, score in pairs], np.float64)
    best = most(slots, scores, limit)
    assert best.score.tolist() == sorted(scores.tolist(), reverse=True)[:limit]


def test_of_equal_scores_the_newest_slot_comes_first() -> None:
    assert most(np.array([3, 9, 5], np.int32), np.ones(3), 3).slot.tolist() == [9, 5, 3]


def test_equal_scores_at_the_limit_are_cut_in_their_order() -> None:
    many = most(np.arange(100, dtype=np.int32), np.ones(100), 10)
    assert many.slot.tolist() == list(range(99, 89, -1))


def test_a_tally_sums_the_weights_of_each_post_and_passes_over_none() -> None:
    slots, sums = tally(np.array([4, -1, 2, 4], np.int32), np.array([1.0, 9.0, 2.0, 3.0]))
    assert (slots.tolist(), sums.tolist()) == ([2, 4], [2.0, 4.0])


def test_newest_first_passes_over_none() -> None:
    town = Town()
    old, new = town.post("old", age_h=5), town.post("new", age_h=1)
    assert newest_first(town.state, np.array([old, -1, new], np.int32), 5).slot.tolist() == [new, old]
