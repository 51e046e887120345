from math import log

import pytest
from feedrank.v1 import types_pb2

from ranker import features
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.posts("a", "b", "c", "d")
    town.user("vera", age_h=12)
    town.relate("vera", "follow", "ana", "ben")
    town.did("vera", "impression", "a", "b", "c", "d", age_h=0.5)
    town.did("vera", "like", "a", age_h=0.5)
    return town


def test_it_tells_age_and_follows(town: Town) -> None:
    row = town.features("a")
    assert row["viewer_age"] == 0.5
    assert row["viewer_follows"] == pytest.approx(log(1 + 2))


def test_it_tells_how_much_the_viewer_saw_and_did(town: Town) -> None:
    row = town.features("a")
    assert row["viewer_impressions"] == pytest.approx(log(1 + 4))
    assert row["viewer_impressions_30min"] == pytest.approx(log(1 + 2))
    assert row["viewer_like_rate"] == pytest.approx((1 + 0.5) / (4 + 10))


def test_it_tells_the_hour_the_day_and_the_surface(town: Town) -> None:
    query = town.query(surface=types_pb2.SURFACE_DISCOVER)
    row = dict(zip(features.NAMES, features.compute(query, town.candidates("a"))[0].tolist(), strict=True))
    # NOW is midnight of Sunday, 22 November 2026.
    assert (row["hour"], row["weekday"]) == (0, 6)
    assert row["surface"] == types_pb2.SURFACE_DISCOVER


def test_an_unknown_viewer_has_no_past(town: Town) -> None:
    row = town.features("a", viewer="nobody")
    assert (row["viewer_age"], row["viewer_follows"], row["viewer_impressions"]) == (0, 0, 0)
