"""What accounts without standing do: all of it for themselves, nothing for others."""

import numpy as np
import pytest

from ranker import entries
from ranker.state import rings
from ranker.state.standing import Norm
from tests.ranker.network import HOUR, NOW, Town, toward

DAY = 24 * HOUR
USUAL = Norm(age_ms=7 * DAY, authors=0, at_ms=NOW)


@pytest.fixture
def town() -> Town:
    """Ana's post, old Otto, and a network where an account counts after a week."""
    town = Town()
    town.post("p", vector=toward(0).tolist(), community_id="garden", language="en")
    otto = town.user("otto", age_h=24 * 30)
    town.state.users.heard_ms[otto] = NOW - 30 * DAY
    town.state.norm = USUAL
    return town


def likes(town: Town) -> float:
    """Of the post, by the counter that never fades."""
    return float(town.state.posts.counter[0, 3, -1])


@pytest.mark.parametrize("kind", ["like", "reply", "share", "impression", "hide", "report", "block"])
def test_what_a_newcomer_does_changes_nothing_in_the_eyes_of_others(town: Town, kind: str) -> None:
    town.did("new", kind, "p")
    state, post = town.state, town.state.post_ids.slot("p")
    assert not state.posts.counter.any()
    assert not state.users.received.any()
    assert state.posts.heat[post] == 0
    assert state.posts.engager_count[post] == state.posts.opposer_count[post] == 0
    for places in (state.communities, state.languages):
        assert not np.concatenate([places.hot_count, places.shown, places.engaged]).any()


def test_what_a_newcomer_does_counts_for_the_newcomer(town: Town) -> None:
    town.did("new", "like", "p")
    users, new = town.state.users, town.state.user_ids.slot("new")
    assert users.given[new].any()
    assert rings.newest(users.liked, users.liked_count, new).tolist() == [0]
    assert users.interest_weight[new][0] > 0


def test_what_a_newcomer_reports_is_hidden_from_the_newcomer(town: Town) -> None:
    town.did("new", "report", "p")
    assert town.state.users.hidden[town.state.user_ids.slot("new")].tolist() == [0]


def test_what_somebody_known_does_counts_for_others(town: Town) -> None:
    town.did("otto", "like", "p")
    assert likes(town) == 1
    assert town.state.posts.engager_count[0] == 1


def test_an_undo_takes_back_what_was_added_and_no_more(town: Town) -> None:
    town.did("otto", "like", "p")
    town.did("new", "like", "p")
    town.state.norm = Norm(at_ms=NOW)  # by now the newcomer counts
    town.did("new", "like", "p", undo=True)
    assert likes(town) == 1
    town.state.norm = USUAL._replace(age_ms=400 * DAY)  # and now nobody does
    town.did("otto", "like", "p", undo=True)
    assert likes(town) == 0


def test_a_newcomer_counts_after_meeting_a_few_authors(town: Town) -> None:
    town.state.norm = Norm(authors=2, at_ms=NOW)
    town.post("q", author="bea")
    town.post("r", author="cleo")
    town.did("otto", "like", "q", "r")
    assert likes(town) == 0
    town.did("otto", "like", "p")
    assert likes(town) == 1


def test_a_newcomer_is_a_follower_once_known_for_a_while(town: Town) -> None:
    town.relate("new", "follow", "ana")
    users, ana = town.state.users, town.state.user_ids.slot("ana")
    assert users.followers[ana] == 0
    town.fold(entries.of_users([], NOW + 8 * DAY))
    town.did("otto", "impression", "p")  # it is looked at before events
    assert users.followers[ana] == 1


def test_a_newcomer_who_unfollows_takes_no_follower_away(town: Town) -> None:
    town.relate("otto", "follow", "ana")
    town.relate("new", "follow", "ana")
    town.did("new", "follow", "p", undo=True)
    new, ana = (town.state.user_ids.slot(name) for name in ("new", "ana"))
    assert town.state.users.followers[ana] == 1
    assert not len(town.state.users.follows[new]) + len(town.state.users.new_follows[new])


def test_a_crowd_of_newcomers_pushes_no_new_post_out_of_the_fresh_ones(town: Town) -> None:
    for i in range(1_100):
        town.post(f"crowd{i}", author=f"c{i}", language="en", age_h=0)
    languages = town.state.languages
    assert languages.recent[town.state.language_ids.slot("en")].max() == 0
    assert languages.recent_count[0] == 1
