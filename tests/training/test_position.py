"""How much a place is looked at, from swaps whose truth is known."""

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from ranker.exploration import ExplorationSettings, swap
from ranker.heads import NAMES
from ranker.tree_kernel import raw_scores
from ranker.tree_steps import steps_of
from tests.training.test_train import made_up
from training.bench import Bench, parts_by_time
from training.examples import Examples
from training.position import ENOUGH_MOVED, NothingMoved, at_places, chosen, examination, moved
from training.train import Knobs, fit

LOOKS = np.exp(-np.arange(10) / 5)
KNOBS = Knobs(trees=30, learning_rate=0.2, leaves=7, threads=1)


@cache
def served(pages: int = 10_000) -> Examples:
    """Pages of ten, best first, some with a swap; what is looked at is clicked on by its worth."""
    random, settings = np.random.default_rng(4), ExplorationSettings(swap_share=0.8)
    worth = np.sort(random.random((pages, 10)), axis=1)[:, ::-1]
    chance = Random(4)
    swaps = [swap(chance, settings, 10, 10) for _ in range(pages)]
    shown = np.concatenate([page[one.order] for page, one in zip(worth, swaps, strict=True)])
    empty = made_up(10 * pages)
    labels = np.zeros_like(empty.labels)
    labels[:, NAMES.index("click")] = random.random(10 * pages) < shown * np.tile(LOOKS, pages)
    columns = np.full_like(empty.features, np.nan)
    columns[:, 0] = shown + random.normal(size=10 * pages) / 4
    propensity = np.concatenate([one.propensity for one in swaps])
    return replace(empty, labels=labels, features=columns, propensity=propensity)


def test_swaps_tell_how_much_each_place_is_looked_at() -> None:
    assert examination(served()) == pytest.approx(LOOKS, abs=0.08)


def test_rates_alone_would_say_that_low_places_are_looked_at_less_than_they_are() -> None:
    clicks = served().labels[:, NAMES.index("click")].reshape(-1, 10).mean(axis=0)
    assert (clicks / clicks[0])[-1] < LOOKS[-1] / 2 < examination(served())[-1]


def test_propensities_are_used_by_themselves_where_enough_was_moved() -> None:
    assert chosen("auto", served())[0] == "propensity"
    assert chosen("auto", made_up())[0] == "ignored"
    few = served()[: 10 * 200]
    assert moved(few) < ENOUGH_MOVED
    assert chosen("auto", few)[0] == "ignored"


def test_a_log_without_swaps_is_refused_with_what_to_do() -> None:
    with pytest.raises(NothingMoved, match=r"0 examples were moved by chance.* exploration\.swap_share"):
        examination(made_up())


def test_a_place_beyond_the_curve_is_as_its_end_and_an_unknown_one_as_the_first() -> None:
    found = at_places(np.array([1.0, 0.5]), np.array([0, 1, 7, -1], np.int32))
    assert found.tolist() == [1, 0.5, 0.5, 1]


def test_what_was_shown_low_is_not_taken_for_bad() -> None:
    """Without the place, a model learns that posts of low worth are even worse than they are."""
    rows = np.full((2, served().features.shape[1]), np.nan, np.float32)
    rows[:, 0] = 0.3, 0.7
    better = {}
    for way in ("ignored", "place", "propensity"):
        forest = fit(served(), KNOBS.model_copy(update={"position": way})).model.forest
        low, high = raw_scores(steps_of(forest), rows)[:, 0]
        better[way] = high - low
    assert better["propensity"] < 0.9 * better["ignored"]
    assert better["place"] < better["ignored"]


def test_the_pull_of_the_place_is_not_read_from_the_test() -> None:
    data, parts = served(), parts_by_time(served(), 0.15, 0.15)
    labels = data.labels.copy()
    labels[parts[2]] = 0
    benches = [Bench(one, parts, "propensity") for one in (data, replace(data, labels=labels))]
    assert (benches[0].look == benches[1].look).all()
