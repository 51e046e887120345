from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2
from pydantic import ValidationError

from ranker.exploration import ExplorationSettings, swap
from ranker.pipeline import Ranking, Trace
from ranker.prior import Prior
from ranker.query import Ask
from ranker.selection import COLD_START_PLACE
from ranker.surfaces import SURFACES, pipeline_of
from ranker.timelines import Timelines
from tests.ranker.network import NOW, VIEWERS, playground
from tests.ranker.test_timelines import of

OFTEN = ExplorationSettings(fresh_share=1, swap_share=0.5, swap_places=3)
DRAWS = 20_000


def assert_frequent(count: int, draws: int, chance: float) -> None:
    """Within five standard deviations of a binomial count."""
    assert abs(count - draws * chance) <= 5 * (draws * chance * (1 - chance)) ** 0.5


@pytest.mark.parametrize("places", [2, 3, 4])
def test_a_posts_propensities_over_the_places_sum_to_one(places: int) -> None:
    settings = ExplorationSettings(fresh_share=1, swap_share=0.3, swap_places=places)
    told: dict[tuple[int, int], float] = {}
    for seed in range(2_000):
        drawn = swap(Random(seed), settings, 6, 6)
        told |= {(post, place): drawn.propensity[place] for place, post in enumerate(drawn.order.tolist())}
    for post in range(6):
        assert sum(chance for (one, _), chance in told.items() if one == post) == pytest.approx(1)
    assert len(told) == places**2 + 6 - places


def test_posts_come_to_places_as_often_as_their_propensities_say() -> None:
    came: Counter[tuple[int, int]] = Counter()
    told: dict[tuple[int, int], float] = {}
    for seed in range(DRAWS):
        drawn = swap(Random(seed), OFTEN, 6, 6)
        pairs = list(enumerate(drawn.order.tolist()))
        came.update(pairs)
        told |= {pair: drawn.propensity[pair[0]] for pair in pairs}
    for pair, count in came.items():
        assert_frequent(count, DRAWS, told[pair])


def test_given_the_new_post_a_page_is_as_its_propensities_say() -> None:
    """Through the whole selection, on a surface with a fresh source: n new posts, 3 places swapped."""
    came: dict[int, Counter[tuple[int, int]]] = {}
    told: dict[tuple[int, int, int], float] = {}
    drawn: Counter[int] = Counter()
    for ranking in pages(800, OFTEN):
        posts = ranking.scored.posts.slot.tolist()
        new = posts[COLD_START_PLACE]
        drawn[new] += 1
        came.setdefault(new, Counter()).update(enumerate(posts[:12]))
        told |= {(new, *pair): ranking.propensity[pair[0]] for pair in enumerate(posts[:12])}
    for new, times in drawn.items():
        assert_frequent(times, 800, told[new, COLD_START_PLACE, new])
        for (place, post), count in came[new].items():
            if place != COLD_START_PLACE:
                assert_frequent(count, times, told[new, place, post])
    assert len(drawn) > 1
    assert len({chance for chance in told.values() if chance < 1}) == 3


def test_a_new_post_is_drawn_on_the_share_of_pages_that_is_asked_for() -> None:
    some = pages(800, ExplorationSettings(fresh_share=0.3, swap_share=0))
    with_new = [one.propensity[COLD_START_PLACE] for one in some if one.propensity[COLD_START_PLACE] < 1]
    assert_frequent(len(with_new), 800, 0.3)
    always = pages(1, ExplorationSettings(fresh_share=1, swap_share=0))[0].propensity[COLD_START_PLACE]
    assert with_new[0] == pytest.approx(0.3 * always)


def pages(count: int, exploration: ExplorationSettings, surface: int = 1, **ask: Any) -> list[Ranking]:
    """One first page by each of many seeds: of one viewer, at one moment."""
    town = playground()
    pipeline = pipeline_of(Ask(VIEWERS[0], NOW, surface, **ask))
    first = town.query(VIEWERS[0], surface=surface, exploration=exploration, **ask)
    posts = pipeline.filter(first, pipeline.fetch(first, town.view, Trace()), Trace())
    scored = pipeline.score(first, posts, Prior(), Trace())
    queries = (replace(first, ask=replace(first.ask, seed=seed)) for seed in range(count))
    return [pipeline.select(query, scored, 20, Trace()) for query in queries]


def test_the_new_posts_place_takes_no_part_in_a_swap() -> None:
    settings = ExplorationSettings(fresh_share=1, swap_share=1, swap_places=10)
    for ranking in pages(200, settings):
        moved = np.flatnonzero(ranking.propensity < 0.5)
        ranked = np.setdiff1d(moved, [COLD_START_PLACE])
        assert len(ranked) == 2
        assert ranked.max() <= 10


def test_a_swap_stays_on_the_page() -> None:
    settings = ExplorationSettings(fresh_share=1, swap_share=1)
    for ranking in pages(100, settings, size=3):
        assert np.flatnonzero(ranking.propensity < 1).max(initial=0) in (2, COLD_START_PLACE)
        assert ranking.propensity[3:COLD_START_PLACE].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "surface", sorted(set(SURFACES) - {types_pb2.SURFACE_FOR_YOU, types_pb2.SURFACE_DISCOVER})
)
def test_other_surfaces_are_never_swapped(surface: int) -> None:
    community = playground().state.community_ids.names[0]
    ask = {"community_id": community, "near_id": "p000001"}
    settings = ExplorationSettings(fresh_share=1, swap_share=1)
    assert all((ranking.propensity == 1).all() for ranking in pages(5, settings, surface, **ask))


def test_a_chronological_order_is_never_swapped() -> None:
    following = types_pb2.SURFACE_FOLLOWING
    for ranking in pages(5, ExplorationSettings(fresh_share=1, swap_share=1), following, chronological=True):
        assert (ranking.propensity == 1).all()


def test_a_later_page_is_as_the_ranker_ordered_it(swapping: Timelines) -> None:
    first = swapping.page(Ask(VIEWERS[0], NOW, size=10), "", Trace())
    later = swapping.page(Ask(VIEWERS[0], NOW, size=10), first.cursor, Trace())
    assert (first.ranking.propensity < 0.5).sum() >= 2
    assert (later.ranking.propensity == 1).all()


def test_the_callers_own_posts_are_never_swapped(swapping: Timelines) -> None:
    asked = [f"p{i:06}" for i in range(11, 31)]
    ranked = swapping.rank_posts(Ask(VIEWERS[0], NOW), asked, apply_filters=False, trace=Trace()).page.ranking
    assert (ranked.propensity == 1).all()
    assert ranked.scored.score.tolist() == sorted(ranked.scored.score.tolist(), reverse=True)


def test_an_explanation_tells_the_place_without_a_swap(swapping: Timelines) -> None:
    told = [swapping.explain(Ask(VIEWERS[0], NOW), "p000011", Trace()).page for _ in range(5)]
    assert all(page is None or (page.ranking.propensity != 2 / 90).all() for page in told)


@pytest.fixture
def swapping(tmp_path: Path) -> Timelines:
    """Timelines of which every first page is swapped."""
    return of(playground(), tmp_path, swap_share=1)


@pytest.mark.parametrize(
    "wrong", [{"fresh_share": 1.1}, {"swap_share": 1.1}, {"swap_share": -0.1}, {"swap_places": 1}]
)
def test_a_share_or_number_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExplorationSettings(**wrong)
