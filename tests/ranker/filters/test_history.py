import numpy as np
import pytest

from ranker import filters
from ranker.pipeline import Filter
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.posts("a", "b", "c")
    return town


def removed(town: Town, remove: Filter, **ask: object) -> set[str]:
    posts = town.candidates()
    return set(town.names(posts.slot[remove(town.query("vera", **ask), posts)]))


@pytest.mark.parametrize("kind", ["hide", "report"])
def test_a_post_that_the_viewer_hid_or_reported_goes(town: Town, kind: str) -> None:
    town.did("vera", kind, "b")
    assert removed(town, filters.hidden) == {"b"}


def test_an_undone_hide_brings_the_post_back(town: Town) -> None:
    town.did("vera", "hide", "b")
    town.did("vera", "hide", "b", undo=True)
    assert removed(town, filters.hidden) == set()


def test_a_post_that_the_viewer_saw_goes(town: Town) -> None:
    town.did("vera", "impression", "a")
    town.did("ben", "impression", "b")
    assert removed(town, filters.seen) == {"a"}


def test_a_post_that_was_served_to_the_viewer_goes(town: Town) -> None:
    town.served("vera", "a", "c")
    town.served("ben", "b")
    assert removed(town, filters.served) == {"a", "c"}


def test_what_was_met_before_stays_when_it_is_asked_for(town: Town) -> None:
    town.did("vera", "impression", "a")
    town.served("vera", "c")
    assert removed(town, filters.seen, include_seen=True) == set()
    assert removed(town, filters.served, include_seen=True) == set()


def test_what_the_session_showed_goes(town: Town) -> None:
    assert removed(town, filters.shown, shown=np.array([1], np.int32)) == {"b"}
