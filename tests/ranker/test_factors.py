"""What every factor keeps to, and what each one says."""

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t
from hypothesis import given
from hypothesis import strategies as st

from ranker import factors
from ranker.pipeline import Factor
from ranker.surfaces import CALLER, FOLLOWING_NEWEST, SURFACES
from tests.ranker.network import VIEWERS, Town, playground, toward

FACTORS = list(
    dict.fromkeys(
        one for pipeline in (*SURFACES.values(), CALLER, FOLLOWING_NEWEST) for one in pipeline.factors
    )
)

every_factor = pytest.mark.parametrize("factor", FACTORS, ids=lambda one: one.__name__)


def multipliers(town: Town, factor: Factor, viewer: str = "vera") -> dict[str, float]:
    posts = town.candidates()
    return dict(zip(town.names(posts.slot), factor(town.query(viewer), posts).tolist(), strict=True))


@every_factor
@pytest.mark.parametrize("viewer", VIEWERS)
def test_it_is_positive_and_finite(factor: Factor, viewer: str) -> None:
    town = playground()
    values = factor(town.query(viewer), town.candidates())
    assert values.dtype == np.float64
    assert values.shape == (town.state.posts.size,)
    assert (values > 0).all()
    assert np.isfinite(values).all()


@every_factor
def test_it_is_one_for_one_of_whom_nothing_is_known(factor: Factor) -> None:
    town = playground()
    assert (factor(town.query("nobody"), town.candidates()) == 1).all()


@every_factor
def test_it_takes_no_posts_at_all(factor: Factor) -> None:
    town = playground()
    assert factor(town.query(VIEWERS[0]), town.candidates()[:0]).shape == (0,)


@every_factor
def test_it_says_the_same_of_a_post_alone(factor: Factor) -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    together = factor(query, posts)
    assert all(factor(query, posts[np.array([row])])[0] == together[row] for row in range(0, len(posts), 9))


@every_factor
def test_its_docstring_begins_with_a_sentence(factor: Factor) -> None:
    assert (factor.__doc__ or "").partition("\n")[0].endswith(".")


@given(st.floats(-100, 100), st.floats(0.01, 10))
def test_a_factor_below_one_never_moves_a_post_up(score: float, multiplier: float) -> None:
    moved = factors.applied(np.array([score]), np.array([multiplier]))[0]
    assert moved <= score if multiplier <= 1 else moved >= score


def test_posts_from_outside_the_network_count_less() -> None:
    town = Town()
    town.post("inside", "ana")
    town.post("outside", "ben")
    town.relate("vera", "follow", "ana")
    values = multipliers(town, factors.out_of_network)
    assert values["outside"] < values["inside"] == 1


@pytest.fixture
def tired() -> Town:
    """Vera wants less of one post of Ana's about tea."""
    town = Town()
    town.post("marked", "ana", vector=toward(0), topics=["tea"])
    town.post("alike", "ben", vector=toward(0, 1, 0.1))
    town.post("topical", "ben", vector=toward(2), topics=["tea"])
    town.post("authored", "ana", vector=toward(3))
    town.post("apart", "ben", vector=toward(4), topics=["chess"])
    town.did("vera", "request_less", "marked", age_h=0)
    return town


def test_show_less_moves_down_what_is_alike_in_content_topic_or_author(tired: Town) -> None:
    values = multipliers(tired, factors.fatigue)
    assert values["marked"] < values["alike"] < values["topical"] < 1
    assert values["authored"] == pytest.approx(0.5)
    assert values["apart"] == 1


def test_show_less_that_was_undone_moves_nothing(tired: Town) -> None:
    tired.did("vera", "request_less", "marked", age_h=0, undo=True)
    assert set(multipliers(tired, factors.fatigue).values()) == {1.0}


def test_chosen_topics_move_up_and_unwanted_ones_down() -> None:
    town = Town()
    town.post("tea", topics=["Tea"])
    town.post("war", topics=["war"])
    town.post("both", topics=["tea", "war"])
    town.post("none")
    town.prefer("vera", topics_more=["tea"], topics_less=["WAR"])
    values = multipliers(town, factors.chosen_topics)
    assert values["tea"] > values["none"] == 1 > values["both"] > values["war"]


@pytest.mark.parametrize(
    ("level", "expected"), [(t.AI_LEVEL_UNSPECIFIED, 1.0), (t.AI_LEVEL_BALANCED, 0.5), (t.AI_LEVEL_FEW, 0.15)]
)
def test_the_fewer_generated_posts_are_wanted_the_less_they_count(
    level: t.AiLevel.ValueType, expected: float
) -> None:
    town = Town()
    town.post("human", provenance=t.PROVENANCE_HUMAN)
    town.post("made", provenance=t.PROVENANCE_AI_GENERATED)
    town.prefer("vera", ai_level=level)
    assert multipliers(town, factors.ai_level) == {"human": 1.0, "made": expected}


def test_what_was_met_before_comes_behind_all_that_is_new() -> None:
    town = Town()
    town.posts("seen", "served", "new")
    town.did("vera", "impression", "seen")
    town.served("vera", "served")
    values = multipliers(town, factors.seen_before)
    assert values["new"] == 1
    assert values["seen"] == values["served"] <= 1e-3
