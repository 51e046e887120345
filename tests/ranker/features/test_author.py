from math import log

import pytest

from ranker.features import author
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.user("ana", age_h=48)
    town.posts("a", "b")
    town.post("c", "ben")
    town.relate("cleo", "follow", "ana")
    town.relate("dora", "follow", "ana")
    for person in ("cleo", "dora"):
        town.did(person, "impression", "a", "b", "c", age_h=0)
    town.did("cleo", "like", "a", "b", age_h=0)
    return town


def test_it_tells_followers_posts_and_age(town: Town) -> None:
    row = town.features("a")
    assert row["author_followers"] == pytest.approx(log(1 + 2))
    assert row["author_posts"] == pytest.approx(log(1 + 2))
    assert row["author_age"] == 2


def test_rates_are_those_of_all_the_authors_posts(town: Town) -> None:
    assert town.features("a")["author_like_rate"] == pytest.approx((2 + 0.5) / (4 + 10))
    assert town.features("c")["author_like_rate"] == pytest.approx(0.5 / (2 + 10))


def test_two_posts_of_one_author_have_the_same_author(town: Town) -> None:
    first, second = town.features("a"), town.features("b")
    names = [feature.name for feature in author.GROUP.features]
    assert [first[name] for name in names] == [second[name] for name in names]


def test_an_unfollow_takes_a_follower_away(town: Town) -> None:
    town.did("cleo", "follow", "a")
    town.did("cleo", "follow", "a", undo=True)
    assert town.features("a")["author_followers"] == pytest.approx(log(1 + 1))
