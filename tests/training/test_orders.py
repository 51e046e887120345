"""A candidate's order of logged pages is judged from swaps, and the simulated truth lies in its intervals."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ranker import features
from ranker.errors import InvalidArgument
from ranker.heads import NAMES, Prediction, predicted
from ranker.selection import COLD_START_PLACE
from training.examples import About, Examples, ExampleSet, Posts, not_logged
from training.orders import Orders, orders

CLICK = NAMES.index("click")
PULL = np.array([1.0, 0.7, 0.5, 0.35])
PAGES, PLACES, SHARE = 12_000, 4, 0.6


class ByColumn:
    """A candidate that ranks by one feature, the chance of a click at the first place."""

    def predict(self, rows: NDArray[Any]) -> Prediction:
        chances = np.zeros((len(rows), len(NAMES)))
        chances[:, CLICK] = rows[:, 0]
        return predicted(chances)


@cache
def swapped_pages(seed: int = 1) -> tuple[ExampleSet, float]:
    """Pages in an order that knows nothing, some with two swapped; and what the best order earns a row."""
    random = np.random.default_rng(seed)
    quality = random.beta(1, 4, (PAGES, PLACES))
    order = np.tile(np.arange(PLACES), (PAGES, 1))
    propensity = np.full((PAGES, PLACES), 1 - 2 * SHARE / PLACES)
    for page in np.flatnonzero(random.random(PAGES) < SHARE):
        pair = random.choice(PLACES, 2, replace=False)
        order[page, pair] = order[page, pair[::-1]]
        propensity[page, pair] = 2 * SHARE / (PLACES * (PLACES - 1))
    shown = np.take_along_axis(quality, order, axis=1)
    best = float(np.mean(-np.sort(-quality, axis=1) * PULL))
    return examples(shown, propensity, random), best


def examples(shown: NDArray[Any], propensity: NDArray[Any], random: np.random.Generator) -> ExampleSet:
    rows = shown.size
    columns = random.random((rows, len(features.NAMES))).astype(np.float32)
    columns[:, 0] = shown.ravel()
    labels = np.zeros((rows, len(NAMES)), np.uint8)
    labels[:, CLICK] = random.random(rows) < (shown * PULL).ravel()
    page = np.repeat(np.arange(PAGES, dtype=np.int32), PLACES)
    logged = Examples(
        **{**not_logged(rows), "propensity": propensity.ravel()},
        features=columns,
        viewer=page,
        post=np.zeros(rows, np.int32),
        request=page,
        group=page,
        time_ms=10**12 + page.astype(np.int64),
        place=np.tile(np.arange(PLACES, dtype=np.int32), PAGES),
        surface=np.ones(rows, np.int8),
        labels=labels,
        weight=np.ones(rows, np.float32),
    )
    one = np.zeros(1, np.int32)
    posts = Posts(
        ids=np.array(["p"], object),
        author=one,
        language=one,
        created_ms=one.astype(np.int64),
        vector=np.zeros((1, 2), np.float16),
        languages=("en",),
    )
    return ExampleSet(logged, posts, About(made_by="dice"))


@cache
def judged() -> Orders:
    return orders(swapped_pages()[0], ByColumn())


def test_every_interval_holds_what_the_candidate_would_have_earned() -> None:
    data, truth = swapped_pages(2)
    estimates = orders(data, ByColumn()).by_target["click"].found.estimates
    assert all(one.low <= truth <= one.high for one in estimates.values())
    assert estimates["dr"].value == pytest.approx(truth, rel=0.05)


def test_a_better_order_is_seen_to_be_better_than_what_was_logged() -> None:
    order = judged().by_target["click"]
    assert order.found.estimates["dr"].low > order.as_logged.high


def test_only_heads_that_happened_and_the_value_are_judged() -> None:
    assert judged().by_target.keys() == {"value", "click"}
    assert judged().document()["targets"]["click"]["baselines"]["as_logged"]["value"] > 0


def test_pages_without_a_draw_give_no_estimate_but_a_warning() -> None:
    data = swapped_pages()[0]
    backwards = data.examples.features.copy()
    backwards[:, 0] = data.examples.place
    fixed = replace(data.examples, features=backwards, propensity=np.ones(len(backwards)))
    found = orders(replace(data, examples=fixed), ByColumn()).by_target["click"].found
    assert found.overlap.warnings[0].startswith("POOR OVERLAP")
    assert all((one.low, one.high) == (0, 1) for one in found.estimates.values())


def test_examples_without_propensities_or_with_sampled_rows_are_refused() -> None:
    data = swapped_pages()[0]
    rows = data.examples
    with pytest.raises(InvalidArgument, match="no example has a propensity"):
        orders(replace(data, examples=replace(rows, propensity=np.full(len(rows), np.nan))), ByColumn())
    with pytest.raises(InvalidArgument, match="left out by sampling"):
        orders(replace(data, examples=replace(rows, weight=np.full(len(rows), 2, np.float32))), ByColumn())


def test_the_draw_of_a_new_post_is_no_choice_of_the_candidate() -> None:
    data, best = swapped_pages(3)
    rows, first = data.examples, data.examples[data.examples.place == 0]
    liked = np.zeros_like(first.labels)
    liked[:, CLICK] = 1
    place, propensity = np.full(PAGES, COLD_START_PLACE, np.int32), np.full(PAGES, 1 / 50)
    new = replace(first, place=place, propensity=propensity, labels=liked)
    both = {name: np.concatenate([column, vars(new)[name]]) for name, column in vars(rows).items()}
    found = orders(replace(data, examples=Examples(**both)), ByColumn()).by_target["click"].found
    truth = (PLACES * best + 1) / (PLACES + 1)
    assert all(one.low <= truth <= one.high for one in found.estimates.values())
    assert found.estimates["ips"].value == pytest.approx(truth, rel=0.05)
