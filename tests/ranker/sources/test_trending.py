import pytest

from ranker.sources import trending
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """A German post that three like, one that one likes, an English one that two like."""
    town = Town()
    town.posts("hoch", "tief", language="de")
    town.post("high", language="en")
    town.post("club", language="fr", community_id="chess")
    for person in ("ben", "cleo", "dora"):
        town.did(person, "like", "hoch")
    for person in ("ben", "cleo"):
        town.did(person, "like", "high", "club")
    town.did("ben", "like", "tief")
    return town


def test_it_brings_the_most_engaged_with_in_the_viewers_language(town: Town) -> None:
    town.user("vera", languages=["de"])
    assert town.names(trending(town.query(), town.view, 10).slot) == ["hoch", "tief"]


def test_it_brings_what_is_popular_in_the_viewers_communities(town: Town) -> None:
    town.user("vera", languages=["de"], community_ids=["chess"])
    assert set(town.names(trending(town.query(), town.view, 10).slot)) == {"hoch", "tief", "club"}


def test_a_viewer_of_unknown_languages_gets_the_liveliest(town: Town) -> None:
    assert town.names(trending(town.query("nobody"), town.view, 10).slot)[0] == "hoch"


def test_engagement_of_six_hours_ago_counts_half(town: Town) -> None:
    town.user("vera", languages=["de"])
    town.post("neu", language="de")
    town.did("emil", "like", "neu", age_h=6)
    found = trending(town.query(), town.view, 10)
    score = dict(zip(town.names(found.slot), found.score.tolist(), strict=True))
    assert score["neu"] == pytest.approx(0.5)


def test_what_many_want_less_of_falls_behind(town: Town) -> None:
    town.user("vera", languages=["de"])
    for person in ("ben", "cleo", "dora"):
        town.did(person, "hide", "hoch")
    assert town.names(trending(town.query(), town.view, 10).slot)[0] == "tief"
