from math import isnan, log

import pytest

from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """Vera likes one and two; Ben likes both of them, Cleo one of them, Dora neither; all like the prize.

    Shares of the viewer's posts are shrunk by the weight of four posts.
    """
    town = Town()
    town.posts("one", "two", "prize", "alone", language="de")
    town.did("vera", "like", "one", "two")
    town.did("ben", "like", "one", "two")
    town.did("cleo", "like", "one")
    for person in ("ben", "cleo", "dora"):
        town.did(person, "like", "prize")
    return town


def test_it_counts_the_followed_among_those_who_engaged(town: Town) -> None:
    town.relate("vera", "follow", "ben", "dora", "emil")
    assert town.features("prize")["followed_engagers"] == 2
    assert town.features("alone")["followed_engagers"] == 0


def test_those_who_liked_the_same_weigh_by_the_share_of_posts_they_liked_too(town: Town) -> None:
    row = town.features("prize")
    assert row["like_minded"] == pytest.approx(log(1 + 2 / 6 + 1 / 6))
    assert row["like_minded_share"] == pytest.approx((2 / 6 + 1 / 6) / 3)


def test_those_who_like_what_the_viewer_dislikes_are_told_apart(town: Town) -> None:
    town.post("bad")
    town.did("vera", "request_less", "bad")
    town.did("dora", "like", "bad")
    row = town.features("prize")
    assert row["other_minded"] == pytest.approx(log(1 + 1 / 5))
    assert row["other_minded_share"] == pytest.approx(1 / 5 / 3)


def test_the_viewer_is_no_company(town: Town) -> None:
    before = town.features("prize")["like_minded_share"]
    town.did("vera", "like", "alone")
    assert town.features("alone")["like_minded"] == 0
    assert town.features("prize")["like_minded_share"] == pytest.approx(before * 6 / 7)


def test_communities_and_languages_are_the_viewers(town: Town) -> None:
    town.post("here", community_id="chess", language="de")
    town.post("there", community_id="go", language="en")
    town.user("vera", languages=["de"], community_ids=["chess"])
    here, there = town.features("here"), town.features("there")
    assert (here["in_community"], here["language_read"]) == (1, 1)
    assert (there["in_community"], there["language_read"]) == (0, 0)


def test_what_a_newcomer_reads_is_not_known(town: Town) -> None:
    assert isnan(town.features("one", viewer="nobody")["language_read"])
