from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.sources.best import most, most_new, newest
from tests.ranker.network import Town

pairs = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), unique_by=lambda pair: pair[0])


@settings(deadline=None)
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


def test_the_newest_come_first_and_none_is_passed_over() -> None:
    town = Town()
    old, new = town.post("old", age_h=5), town.post("new", age_h=1)
    slots = np.array([old, -1, new], np.int32)
    assert most(slots, newest(town.state, slots), 5).slot.tolist() == [new, old]


@settings(deadline=None)
@given(pairs, st.sets(st.integers(0, 20)), st.integers(1, 12), st.integers(1, 12))
def test_what_was_met_gives_way_as_if_it_were_left_out_first(
    pairs: list[tuple[int, int]], met: set[int], size: int, limit: int
) -> None:
    slots = np.array([slot for slot, _ in pairs], np.int32)
    scores = np.array([score for _, score in pairs], np.float64)
    query = replace(Town().query(size=size), seen=np.array(sorted(met), np.int32))
    new = ~np.isin(slots, query.seen)
    left = new if new.sum() >= size else np.ones(len(slots), np.bool_)
    expected, found = most(slots[left], scores[left], limit), most_new(query, slots, scores, limit)
    assert (found.slot.tolist(), found.score.tolist()) == (expected.slot.tolist(), expected.score.tolist())


@settings(deadline=None)
@given(pairs, st.integers(1, 25))
def test_the_best_are_those_of_a_full_sort(pairs: list[tuple[int, int]], limit: int) -> None:
    slots = np.array([slot for slot, _ in pairs], np.int32)
    scores = np.array([score for _, score in pairs], np.float64)
    assert most(slots, scores, limit).slot.tolist() == slots[np.lexsort((-slots, -scores))][:limit].tolist()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 200), st.integers(1, 3), st.booleans())
def test_of_many_with_repeats_the_best_are_those_of_a_full_sort(
    seed: int, limit: int, met: int, times: int, spread: bool
) -> None:
    rng = np.random.default_rng(seed)
    score_of = rng.standard_exponential(400) ** 8 if spread else rng.integers(0, 9, 400).astype(np.float64)
    slots = rng.integers(-1, 400, 900).astype(np.int32)
    seen = rng.choice(400, met, replace=False).astype(np.int32)
    query = replace(Town().query(size=1), seen=np.sort(seen))
    new = np.setdiff1d(slots, np.append(seen, np.int32(-1)))
    expected = new[np.lexsort((-new, -score_of[new]))][:limit]
    found = most_new(query, slots, score_of[slots], limit, times)
    assert found.slot.tolist() == expected.tolist()
    assert found.score.tolist() == score_of[expected].astype(np.float32).tolist()
