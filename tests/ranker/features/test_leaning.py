from math import log

import numpy as np
import pytest

from ranker.events import COUNTERS
from ranker.features import leaning
from ranker.state.counters import HALF_LIVES
from tests.ranker.features.columns import columns
from tests.ranker.network import VIEWERS, Town, playground, toward


@pytest.fixture
def town() -> Town:
    """Vera likes one post about trains and passes over one about tax; two more are new to her."""
    town = Town()
    town.posts("rail", "steam", author="ana", topics=["trains"])
    town.posts("levy", "duty", author="otto", topics=["tax"])
    town.did("vera", "impression", "rail", "levy")
    town.did("vera", "like", "rail")
    return town


def test_topics_that_the_viewer_liked_raise_the_odds_and_others_lower_them(town: Town) -> None:
    assert town.features("duty")["leaning_words"] < 0 < town.features("steam")["leaning_words"]


def test_reception_is_the_log_odds_drawn_to_the_share_that_is_usual_in_the_language(town: Town) -> None:
    town.did("ben", "impression", "steam")
    usual = (1 + 10 * 0.05) / (3 + 10)
    assert town.features("steam")["reception"] == pytest.approx(
        log(10 * usual / (1 + 10 * (1 - usual))), 1e-5
    )


def test_a_dislike_weighs_more_than_passing_over(town: Town) -> None:
    before = town.features("duty")["leaning_words"]
    town.did("vera", "request_less", "levy")
    assert town.features("duty")["leaning_words"] < before


def test_a_like_taken_back_teaches_nothing(town: Town) -> None:
    town.did("vera", "like", "rail", undo=True)
    assert town.features("steam")["leaning_words"] < 0


def test_more_done_with_a_post_moves_the_odds_further(town: Town) -> None:
    before = town.features("steam")["leaning_words"]
    town.did("vera", "repost", "rail")
    assert town.features("steam")["leaning_words"] > before


def test_a_post_that_was_passed_by_at_once_says_nothing_where_stays_are_told(town: Town) -> None:
    town.did("vera", "dwell", "rail", dwell_ms=1_500)
    assert town.features("duty")["leaning_words"] == 0
    town.did("vera", "dwell", "levy", dwell_ms=1_500)
    assert town.features("duty")["leaning_words"] < 0


def test_the_reaction_before_is_known_where_the_post_was_met(town: Town) -> None:
    before = [town.features(post)["reaction_before"] for post in ("rail", "levy", "steam")]
    np.testing.assert_array_equal(before, [1, 0, np.nan])


@pytest.fixture
def map_() -> Town:
    """Vera likes two posts to the east and passes over one to the north; new ones lie there and elsewhere."""
    town = Town()
    for name, axis in (("e1", 0), ("e2", 0), ("n1", 1), ("east", 0), ("north", 1), ("west", 2)):
        town.post(name, author=name, vector=toward(axis))
    town.post("nowhere")
    town.did("vera", "impression", "e1", "e2", "n1")
    town.did("vera", "like", "e1", "e2")
    return town


def test_what_is_near_liked_posts_is_above_the_mean_and_what_is_near_passed_over_ones_below(
    map_: Town,
) -> None:
    fade, mean = 2 ** (-1 / 32), 2 / 3
    east = (fade + fade**2) * (1 - mean) / (fade + fade**2 + 2)
    assert map_.features("east")["leaning_near"] == pytest.approx(east, 1e-3)
    assert map_.features("north")["leaning_near"] == pytest.approx(-mean / (1 + 2), 1e-3)


def test_what_is_near_no_post_that_was_met_or_has_no_vector_is_as_good_as_the_mean(map_: Town) -> None:
    for post in ("west", "nowhere"):
        row = map_.features(post)
        assert (row["leaning_near"], row["leaning_near_known"]) == (0, 0)


def test_of_a_viewer_without_history_nothing_but_the_reception_is_said(town: Town) -> None:
    row = town.features("steam", viewer="nobody")
    assert (row["leaning_words"], row["leaning_vector"]) == (0, 0)
    assert row["leaning"] == row["reception"]


def test_nearness_is_the_kernel_regression_of_numpy() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    vectors = town.state.posts.vector.astype(np.float64)
    last, reactions = query.history[-64:], query.reactions[-64:].astype(np.float64)
    fade = 2 ** (np.arange(1 - len(last), 1) / 32)
    kernel = fade * np.clip(vectors[posts.slot] @ vectors[last].T, 0, None) ** 3
    found = columns(leaning.GROUP, query, posts)
    expected = kernel @ (reactions - reactions.mean()) / (kernel.sum(axis=1) + 2)
    np.testing.assert_allclose(found["leaning_near_known"], kernel.sum(axis=1), 1e-4, atol=1e-5)
    np.testing.assert_allclose(found["leaning_near"], expected, 1e-3, atol=1e-5)


def test_reception_is_that_of_numpy() -> None:
    town = playground()
    posts, state = town.candidates(), town.state
    ever = state.posts.counter[posts.slot][..., HALF_LIVES.index("ever")]
    wanted = [i for i, name in enumerate(COUNTERS) if name not in ("impression", "negative")]
    good, shown = ever[:, wanted].max(axis=1), ever[:, COUNTERS.index("impression")]
    places = [(state.languages, posts.language), (state.communities, posts.community)]
    usual = [
        (place.engaged[slot] + 0.5) / (np.maximum(place.shown[slot], place.engaged[slot]) + 10)
        for place, slot in places
    ]
    share = np.where(posts.community < 0, *usual)
    odds = np.log((good + 10 * share) / (np.maximum(shown - good, 0) + 10 * (1 - share)))
    found = columns(leaning.GROUP, town.query("nobody"), posts)
    np.testing.assert_allclose(found["reception"], odds, 1e-5, atol=1e-6)
