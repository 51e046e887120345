from math import log

import pytest

from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """20 people saw the post now, 4 of them liked it, and one read it."""
    town = Town()
    town.post("a")
    for i in range(20):
        town.did(f"reader{i}", "impression", "a", age_h=0)
    for i in range(4):
        town.did(f"reader{i}", "like", "a", age_h=0)
    town.did("reader5", "dwell", "a", age_h=0)
    return town


def test_a_rate_is_drawn_to_a_twentieth_by_ten_impressions(town: Town) -> None:
    row = town.features("a")
    assert row["post_like_rate"] == pytest.approx((4 + 0.5) / (20 + 10))
    assert row["post_dwell_rate"] == pytest.approx((1 + 0.5) / (20 + 10))
    assert row["post_reply_rate"] == pytest.approx(0.5 / 30)


def test_a_post_that_nobody_saw_has_the_rate_it_is_drawn_to() -> None:
    town = Town()
    town.post("a")
    assert town.features("a")["post_click_rate"] == pytest.approx(0.05)


def test_likes_without_impressions_count_as_seen() -> None:
    town = Town()
    town.post("a")
    town.did("ben", "like", "a")
    town.did("cleo", "like", "a")
    assert town.features("a")["post_like_rate"] == pytest.approx((2 + 0.5) / (2 + 10))


def test_counts_fade_with_their_half_life() -> None:
    town = Town()
    town.post("a", age_h=10)
    for person in ("ben", "cleo"):
        town.did(person, "like", "a", age_h=6)
    row = town.features("a")
    assert row["post_likes_6h"] == pytest.approx(log(1 + 1.0))
    assert row["post_likes_3d"] == pytest.approx(log(1 + 2 * 0.5 ** (6 / 72)))
    assert row["post_likes_30min"] == pytest.approx(log(1 + 2 * 0.5**12), rel=1e-4)


def test_what_an_author_does_with_an_own_post_does_not_count(town: Town) -> None:
    before = town.features("a")
    town.did("ana", "like", "a", age_h=0)
    assert town.features("a") == pytest.approx(before, nan_ok=True)


def test_an_undone_like_no_longer_counts(town: Town) -> None:
    town.did("reader0", "like", "a", age_h=0, undo=True)
    assert town.features("a")["post_like_rate"] == pytest.approx((3 + 0.5) / (20 + 10))
