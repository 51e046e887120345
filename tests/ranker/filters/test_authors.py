import pytest

from ranker import filters
from ranker.pipeline import Filter
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """A post by each of three authors and by the viewer, and Ben's repost of Ana's."""
    town = Town()
    for author in ("ana", "ben", "cleo", "vera"):
        town.post(f"by_{author}", author)
    town.post("repost", "ben", repost_of_id="by_ana")
    return town


def removed(town: Town, remove: Filter) -> set[str]:
    posts = town.candidates()
    return set(town.names(posts.slot[remove(town.query(), posts)]))


def test_own_posts_go(town: Town) -> None:
    assert removed(town, filters.own_posts) == {"by_vera"}


def test_own_posts_stay_when_they_are_asked_for(town: Town) -> None:
    town.prefer("vera", show_own_posts=True)
    assert removed(town, filters.own_posts) == set()


def test_posts_of_a_blocked_author_go_and_reposts_of_them(town: Town) -> None:
    town.relate("vera", "block", "ana")
    assert removed(town, filters.blocked_author) == {"by_ana", "repost"}


def test_posts_of_an_author_who_blocks_the_viewer_go(town: Town) -> None:
    town.relate("cleo", "block", "vera")
    assert removed(town, filters.blocked_author) == {"by_cleo"}


def test_posts_of_a_muted_author_go_and_reposts_of_them(town: Town) -> None:
    town.relate("vera", "mute", "ana")
    assert removed(town, filters.muted_author) == {"by_ana", "repost"}


def test_being_muted_changes_nothing(town: Town) -> None:
    town.relate("ana", "mute", "vera")
    assert removed(town, filters.muted_author) == set()


def test_an_event_of_muting_mutes(town: Town) -> None:
    town.did("vera", "mute", "by_cleo")
    assert removed(town, filters.muted_author) == {"by_cleo"}


def test_posts_of_followed_authors_go(town: Town) -> None:
    town.relate("vera", "follow", "cleo")
    assert removed(town, filters.followed_author) == {"by_cleo"}
