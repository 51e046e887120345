from math import log

import pytest

from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """Ben, Cleo and Dora like what Vera likes, and the prize; Emil hides both."""
    town = Town()
    town.posts("mine", "prize", "alone")
    town.did("vera", "like", "mine")
    for person in ("ben", "cleo", "dora"):
        town.did(person, "like", "mine", "prize")
    town.did("emil", "hide", "mine", "prize")
    return town


def test_agreement_is_the_shrunk_correlation_times_the_viewers_reaction(town: Town) -> None:
    row = town.features("prize")
    # Means are 3/5 and 2/4. Of the four who met both: products sum to 3, squares to 3 and 3.04.
    correlation = 3 / (3 * 3.04) ** 0.5 * 4 / (4 + 10)
    assert row["agreement"] == pytest.approx(correlation * (1 - 0.6) / (correlation + 1), rel=1e-5)
    assert row["agreement_known"] == pytest.approx(log(1 + correlation), rel=1e-5)


def test_one_who_reacts_the_other_way_expects_the_other_thing(town: Town) -> None:
    town.did("zoe", "hide", "mine")
    assert town.features("prize", viewer="zoe")["agreement"] < 0 < town.features("prize")["agreement"]


@pytest.mark.parametrize(("post", "viewer"), [("alone", "vera"), ("prize", "nobody")])
def test_without_common_company_nothing_is_expected(town: Town, post: str, viewer: str) -> None:
    row = town.features(post, viewer=viewer)
    assert (row["agreement"], row["agreement_known"]) == (0, 0)


def test_a_post_says_nothing_of_itself() -> None:
    other = Town()
    other.posts("mine")
    for person in ("vera", "ben", "cleo"):
        other.did(person, "like", "mine")
    other.did("emil", "hide", "mine")
    assert other.features("mine")["agreement_known"] == 0
