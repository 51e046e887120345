import numpy as np
import pytest
from feedrank.v1 import types_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.sources import interests
from ranker.state.columns import Array
from tests.ranker.network import Town, toward


@pytest.fixture
def town() -> Town:
    """Posts along three axes; Vera likes much of the first and some of the second."""
    town = Town()
    for axis in range(3):
        for i in range(4):
            town.post(f"{axis}{i}", vector=toward(axis, 7, i / 20))
    town.did("vera", "like", "00", "01", "10")
    return town


def test_it_brings_what_is_near_to_each_interest_first(town: Town) -> None:
    names = town.names(interests(town.query(), town.view, 8).slot)
    assert {name[0] for name in names} == {"0", "1"}


def test_every_interest_has_its_share(town: Town) -> None:
    names = town.names(interests(town.query(), town.view, 4).slot)
    assert {name[0] for name in names} == {"0", "1"}


def test_the_scores_fall(town: Town) -> None:
    scores = interests(town.query(), town.view, 8).score.tolist()
    assert scores == sorted(scores, reverse=True)


def test_a_deleted_post_is_not_found(town: Town) -> None:
    town.delete("00")
    assert "00" not in town.names(interests(town.query(), town.view, 8).slot)


def test_one_of_whom_nothing_is_known_gets_nothing(town: Town) -> None:
    assert not len(interests(town.query("nobody"), town.view, 8).slot)


def test_posts_past_the_age_of_a_timeline_take_no_place(town: Town) -> None:
    for i in range(20):
        town.post(f"old{i}", "ben", age_h=31 * 24 + i, vector=toward(0).tolist())
    names = town.names(interests(town.query(), town.view, 8).slot)
    assert names
    assert not [name for name in names if name.startswith("old")]


def test_posts_in_languages_that_the_viewer_did_not_choose_take_no_place(town: Town) -> None:
    town.prefer("vera", languages=["fr"])
    for i in range(5):
        town.post(f"far{i}", language="fr", vector=toward(0, 5, 0.5))
        town.post(f"near{i}", language="de", vector=toward(0))
    names = town.names(interests(town.query(), town.view, 2).slot)
    assert names
    assert not [name for name in names if name.startswith("near")]


def test_posts_made_with_ai_take_no_place_where_the_viewer_wants_none(town: Town) -> None:
    town.prefer("vera", ai_level=types_pb2.AI_LEVEL_NONE)
    for i in range(20):
        town.post(f"made{i}", provenance=types_pb2.PROVENANCE_AI_GENERATED, vector=toward(0))
    names = town.names(interests(town.query(), town.view, 4).slot)
    assert names
    assert not [name for name in names if name.startswith("made")]


def in_numpy(slots: Array, scores: Array, met: Array, enough: int, share: int, limit: int) -> Array:
    """What is merged of the rows of several interests, each best first, by sorting all."""
    new = (slots >= 0) & ~np.isin(slots, met)
    kept = new if len(np.unique(slots[new])) >= enough else slots >= 0
    kept = kept & (np.cumsum(kept, axis=1) <= share)
    best_first = np.argsort(-scores[kept], kind="stable")
    _, first = np.unique(slots[kept][best_first], return_index=True)
    best = best_first[np.sort(first)[:limit]]
    return np.stack([slots[kept][best], scores[kept][best]])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 25), st.integers(1, 12), st.integers(1, 20))
def test_interests_are_merged_as_if_all_were_sorted(seed: int, met: int, share: int, limit: int) -> None:
    rng, merged = np.random.default_rng(seed), interests.__globals__["_merged"]
    slots = np.stack([rng.permutation(30)[:12] for _ in range(3)]).astype(np.int32)
    scores = -np.sort(rng.integers(-4, 0, slots.shape) * -0.25, axis=1).astype(np.float32)
    slots[1, 8:], scores[1, 8:] = -1, np.nan
    seen, shown = np.arange(met, dtype=np.int32), np.arange(25, 27, dtype=np.int32)
    found = np.stack(merged(slots, scores, seen, shown, 6, share, limit))
    expected = in_numpy(slots, scores, np.append(seen, shown), 6, share, limit)
    assert found.tolist() == expected.tolist()
