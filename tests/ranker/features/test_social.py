from math import isnan, log

import numpy as np
import pytest

from ranker.features import social
from ranker.state import NONE
from tests.ranker.features.columns import columns
from tests.ranker.network import VIEWERS, Town, playground


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


def test_engagers_are_counted_as_numpy_counts_them() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    rings = town.state.posts.engagers[:]
    others = (rings != NONE) & (rings != query.viewer)
    ring, there = rings[posts.slot], others[posts.slot]
    found = columns(social.GROUP, query, posts)
    assert found["followed_engagers"].tolist() == (there & np.isin(ring, query.follows)).sum(axis=1).tolist()
    for name, slots in (("like_minded", query.liked), ("other_minded", query.disliked)):
        people, count = np.unique(rings[slots][others[slots]], return_counts=True)
        shared = np.zeros(town.state.users.size + 1)
        shared[people] = count / (len(slots) + 4)
        sums = (shared[ring] * there).sum(axis=1)
        np.testing.assert_allclose(found[name], sums, 1e-6)
        np.testing.assert_allclose(found[f"{name}_share"], sums / np.maximum(there.sum(axis=1), 1), 1e-6)
