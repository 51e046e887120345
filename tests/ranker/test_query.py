import numpy as np
import pytest

from ranker.events import KINDS, STRENGTH_OF
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


def looked_at(town: Town) -> list[str]:
    return [town.state.post_ids.names[slot] for slot in town.query().history]


def test_what_was_passed_by_is_no_history_where_stays_are_told(town: Town) -> None:
    town.did("vera", "impression", "a", "b", "c")
    town.did("vera", "dwell", "a", dwell_ms=300)
    assert looked_at(town) == ["a"]


def test_what_came_before_the_first_stay_remains(town: Town) -> None:
    town.did("vera", "impression", "a", "b", "c")
    town.did("vera", "dwell", "b", dwell_ms=300)
    assert looked_at(town) == ["a", "b"]


def test_few_stays_say_nothing_of_the_rest(town: Town) -> None:
    names = [f"more{i}" for i in range(40)]
    town.posts(*names)
    town.did("vera", "impression", *names)
    town.did("vera", "dwell", names[0], dwell_ms=20_000)
    assert len(looked_at(town)) == 40


def test_reactions_are_the_sums_of_what_the_viewers_events_say_of_each_post(town: Town) -> None:
    rng, kinds = np.random.default_rng(4), [kind.name for kind in KINDS.values() if not kind.hides]
    for post in rng.choice(["a", "b", "c"], 60):
        town.did("vera", "impression", post)
        town.did("vera", rng.choice(kinds), post)
    query, viewer = town.query(), town.state.user_ids.slot("vera")
    post, kind = (field[viewer] for field in (town.state.users.event_post, town.state.users.event_kind))
    said = np.array([STRENGTH_OF[kind[post == slot]].sum() for slot in query.history])
    assert query.reactions == pytest.approx(np.sign(said) * np.clip(np.abs(said), 1, 3))
    assert query.reactions.any()
