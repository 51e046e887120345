import pytest

from ranker.sources import in_network
from tests.ranker.network import NOW, Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.post("old", "ana", age_h=9)
    town.post("new", "ben", age_h=1)
    town.post("newer", "ana", age_h=0.5)
    town.post("strange", "cleo", age_h=0.1)
    town.relate("vera", "follow", "ana", "ben")
    return town


def test_it_brings_the_posts_of_those_followed_newest_first(town: Town) -> None:
    assert town.names(in_network(town.query(), town.view, 10).slot) == ["newer", "new", "old"]


def test_past_the_limit_the_newest_stay(town: Town) -> None:
    assert town.names(in_network(town.query(), town.view, 2).slot) == ["newer", "new"]


def test_the_score_is_the_time_made_in_seconds(town: Town) -> None:
    score = in_network(town.query(), town.view, 1).score[0]
    assert score == pytest.approx(NOW / 1000 - 1800, rel=1e-6)


def test_own_posts_come_when_they_are_asked_for(town: Town) -> None:
    town.post("mine", "vera", age_h=0.2)
    assert "mine" not in town.names(in_network(town.query(), town.view, 10).slot)
    town.prefer("vera", show_own_posts=True)
    assert town.names(in_network(town.query(), town.view, 10).slot)[0] == "mine"


def test_of_very_many_authors_the_most_active_are_asked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(in_network.__globals__, "_MOST_AUTHORS", 1)
    assert town.names(in_network(town.query(), town.view, 10).slot) == ["newer", "old"]


def test_what_was_met_takes_no_place_while_there_is_enough_that_is_new() -> None:
    town = Town()
    town.relate("vera", "follow", "ben")
    for i in range(40):
        town.post(f"p{i}", "ben", age_h=i + 1)
    town.served("vera", *(f"p{i}" for i in range(15)))
    found = in_network(town.query(), town.view, 22)
    assert set(town.names(found.slot)) == {f"p{i}" for i in range(15, 37)}
