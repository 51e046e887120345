import pytest

from ranker import filters
from ranker.pipeline import Filter
from tests.ranker.network import Town


def removed(town: Town, remove: Filter) -> set[str]:
    posts = town.candidates()
    return set(town.names(posts.slot[remove(town.query(), posts)]))


def test_a_deleted_post_goes_and_what_refers_to_it() -> None:
    town = Town()
    town.posts("gone", "stays")
    town.post("answer", reply_to_id="gone")
    town.post("other", reply_to_id="stays")
    town.delete("gone")
    assert removed(town, filters.deleted) == {"gone", "answer"}


def test_a_deleted_post_that_is_put_again_is_back() -> None:
    town = Town()
    town.post("a")
    town.delete("a")
    town.post("a")
    assert removed(town, filters.deleted) == set()


@pytest.mark.parametrize(("days", "gone"), [(29.99, False), (30.01, True)])
def test_a_post_older_than_30_days_goes(days: float, gone: bool) -> None:
    town = Town()
    town.post("a", age_h=days * 24)
    assert removed(town, filters.too_old) == ({"a"} if gone else set())


@pytest.mark.parametrize(("hours", "gone"), [(0.0, False), (-0.001, True)])
def test_a_post_from_after_the_moment_asked_for_goes(hours: float, gone: bool) -> None:
    town = Town()
    town.post("a", age_h=hours)
    assert removed(town, filters.from_the_future) == ({"a"} if gone else set())
