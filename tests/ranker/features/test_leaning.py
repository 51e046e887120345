from math import log

import numpy as np
import pytest

from tests.ranker.network import Town


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


def test_the_reaction_before_is_known_where_the_post_was_met(town: Town) -> None:
    before = [town.features(post)["reaction_before"] for post in ("rail", "levy", "steam")]
    np.testing.assert_array_equal(before, [1, 0, np.nan])


def test_of_a_viewer_without_history_nothing_but_the_reception_is_said(town: Town) -> None:
    row = town.features("steam", viewer="nobody")
    assert (row["leaning_words"], row["leaning_vector"]) == (0, 0)
    assert row["leaning"] == row["reception"]
