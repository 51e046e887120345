import pytest

from ranker.sources import co_engagement
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """Vera likes one and two; so do ben and cleo, who both like the prize; dora, who likes one, a stray."""
    town = Town()
    town.posts("one", "two", "prize", "stray", "apart")
    town.did("vera", "like", "one", "two")
    for person in ("ben", "cleo"):
        town.did(person, "like", "one", "two", "prize")
    town.did("dora", "like", "one", "stray")
    town.did("emil", "like", "apart")
    return town


def test_it_finds_what_those_liked_who_share_the_viewers_likes(town: Town) -> None:
    names = town.names(co_engagement(town.query(), town.view, 10).slot)
    assert [name for name in names if name not in ("one", "two")] == ["prize", "stray"]


def test_it_brings_nothing_liked_by_those_who_share_nothing(town: Town) -> None:
    assert "apart" not in town.names(co_engagement(town.query(), town.view, 10).slot)


def test_a_neighbour_weighs_as_much_as_the_likes_shared(town: Town) -> None:
    found = co_engagement(town.query(), town.view, 10)
    score = dict(zip(town.names(found.slot), found.score.tolist(), strict=True))
    # Ben and Cleo share two likes each, Dora one; a post's sum is divided by the root of 5 + its engagers.
    assert score["prize"] == pytest.approx(4 / 7**0.5)
    assert score["stray"] == pytest.approx(1 / 6**0.5)


def test_one_who_liked_nothing_gets_nothing(town: Town) -> None:
    assert not len(co_engagement(town.query("nadia"), town.view, 10).slot)
