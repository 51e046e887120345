import pytest

from ranker.sources import fresh
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.post("older", age_h=5, language="de")
    town.post("newer", age_h=1, language="de")
    town.post("foreign", age_h=1, language="en")
    town.user("vera", languages=["de"])
    return town


def test_it_brings_new_posts_of_the_viewers_languages_newest_first(town: Town) -> None:
    assert town.names(fresh(town.query(), town.view, 10).slot) == ["newer", "older"]


def test_a_viewer_of_unknown_languages_gets_all(town: Town) -> None:
    assert set(town.names(fresh(town.query("nobody"), town.view, 10).slot)) == {"newer", "older", "foreign"}


@pytest.mark.parametrize(("seen_by", "expected"), [(29, True), (30, False)])
def test_a_post_that_thirty_saw_is_not_fresh(town: Town, seen_by: int, expected: bool) -> None:
    for i in range(seen_by):
        town.did(f"reader{i}", "impression", "newer")
    assert ("newer" in town.names(fresh(town.query(), town.view, 10).slot)) is expected
