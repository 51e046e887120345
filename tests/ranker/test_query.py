import numpy as np
import pytest

from ranker.state import NONE
from tests.ranker.network import Town, toward


@pytest.fixture
def town() -> Town:
    town = Town()
    town.posts("a", "b", "c", vector=toward(0), language="de", topics=["Tea"])
    return town


def test_an_unknown_viewer_is_a_newcomer(town: Town) -> None:
    query = town.query("nobody")
    assert query.viewer == NONE
    for field in ("follows", "shut_out", "mutes", "hidden", "seen", "served", "liked", "reads", "interests"):
        assert len(getattr(query, field)) == 0
    assert query.age_ms == 0
    assert not query.given.any()


def test_building_it_makes_nobody_known(town: Town) -> None:
    before = town.state.fingerprint()
    town.query("nobody", community_id="nowhere", near_id="nothing")
    assert town.state.fingerprint() == before


def test_it_is_a_value_that_later_entries_do_not_change(town: Town) -> None:
    town.relate("vera", "follow", "ben")
    query = town.query()
    town.relate("vera", "follow", "cleo")
    town.did("vera", "like", "a")
    assert len(query.follows) == 1
    assert len(query.liked) == 0


def test_what_was_liked_comes_newest_first(town: Town) -> None:
    town.did("vera", "like", "b", "a", "c")
    assert town.names(town.query().liked) == ["c", "a", "b"]


def test_blocks_count_in_both_directions(town: Town) -> None:
    town.relate("vera", "block", "ana")
    town.relate("ben", "block", "vera")
    names = town.state.user_ids.names
    assert {names[slot] for slot in town.query().shut_out} == {"ana", "ben"}


def test_languages_named_go_before_those_of_what_was_liked(town: Town) -> None:
    town.did("vera", "like", "a")
    german = town.state.language_ids.slot("de")
    assert town.query().reads.tolist() == [german]
    town.user("vera", languages=["fr-CA"])
    assert town.query().reads.tolist() == [town.state.language_ids.slot("fr")]


def test_seen_posts_are_left_out_when_they_may_come_again(town: Town) -> None:
    town.did("vera", "impression", "a")
    town.served("vera", "b")
    assert (len(town.query().seen), len(town.query().served)) == (1, 1)
    again = town.query(include_seen=True)
    assert (len(again.seen), len(again.served)) == (0, 0)


def test_wishes_are_folded_as_posts_are(town: Town) -> None:
    town.prefer("vera", muted_words=["CAFÉ!", "  "], topics_more=["TEA"])
    query = town.query()
    assert query.muted_words == (b" cafe ",)
    assert query.topics_more.tolist() == [town.state.topic_ids.slot("tea")]


def test_interests_are_unit_vectors_strongest_first(town: Town) -> None:
    town.post("other", vector=toward(3))
    town.did("vera", "like", "a", "b", "other")
    query = town.query()
    assert np.linalg.norm(query.interests, axis=1) == pytest.approx([1, 1], abs=1e-3)
    assert query.interests[0, 0] == pytest.approx(1, abs=1e-3)
    assert query.interest_weights.tolist() == sorted(query.interest_weights.tolist(), reverse=True)
