from math import log

import numpy as np
import pytest

from ranker.features import agreement
from ranker.state import NONE
from tests.ranker.features.columns import columns
from tests.ranker.network import VIEWERS, Town, playground


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


def test_it_is_the_weighted_mean_of_plain_correlations() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    table, size = town.state.posts, town.state.posts.size
    reacted = {sign: np.zeros((size, town.state.users.size)) for sign in (1, -1)}
    for rings, sign in ((table.engagers, 1), (table.opposers, -1)):
        post, place = np.nonzero(rings[:size] != NONE)
        reacted[sign][post, rings[:size][post, place]] = 1
        reacted[sign][:, query.viewer] = 0
    good, bad = table.engager_count[:size], table.opposer_count[:size]
    mean = (good - bad) / np.maximum(good + bad, 1)
    mine = np.concatenate([query.liked, query.disliked])
    people, both, here, there = np.zeros((4, size, len(mine)))
    for sign, other in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        met = reacted[sign] @ reacted[other][mine].T
        x, y = (sign - mean)[:, None], (other - mean[mine])[None]
        people, both, here, there = people + met, both + met * x * y, here + met * x * x, there + met * y * y
    spread = here * there
    alike = np.where(spread > 1e-9, both / np.sqrt(np.maximum(spread, 1e-9)) * people / (people + 10), 0)
    alike[mine, np.arange(len(mine))] = 0
    weight, own = np.abs(alike).sum(axis=1), np.repeat((1, -1), (len(query.liked), len(query.disliked)))
    found = columns(agreement.GROUP, query, posts)
    expected = alike @ (own - mean[mine]) / (weight + 1)
    np.testing.assert_allclose(found["agreement_known"], weight[posts.slot], 1e-4, atol=1e-6)
    np.testing.assert_allclose(found["agreement"], expected[posts.slot], 1e-4, atol=1e-6)
