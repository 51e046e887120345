"""Exposure: a log flatters the order that made it, and swaps tell the truth, with wide intervals.

Pages of the playground whose first ten posts were all met, so that nothing but their order is asked. Three
orders: as shown, that of a model, and that of true utility. Each is judged by what followed in the log; by
what follows when the same pages are shown in an order of chance; by the counterfactual estimate from the
swaps; and by the truth, the clicks that the viewers would have given.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2 as t
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.pitfalls import drawing
from benchmarks.pitfalls.pages import Pages, simulated
from ranker.events import MIN_DWELL_MS
from ranker.heads import NAMES, Prediction
from training.counterfactual import own_value
from training.examples import About, Examples, ExampleSet
from training.metrics import Floats, Ranked, mean
from training.orders import orders
from training.playground import behaviour, taste

PLACES = 10
CLICK = NAMES.index("click")
AS_SHOWN, MODEL, TRUE_TASTE = "as shown", "a model", "true taste"


@dataclass(frozen=True, eq=False)
class Order:
    """An order of rows that are given once: what it says of them."""

    value: Floats
    probabilities: Floats

    def predict(self, _rows: NDArray[np.float32]) -> Prediction:
        """The same for the same rows."""
        return Prediction(self.probabilities, self.value)


def measure(_data: Path) -> tuple[dict[str, Any], Figure]:
    """Each order by the log, by pages in an order of chance, by the swaps and in truth; and the picture."""
    pages = simulated()
    rows = whole_pages(pages.late)
    met = [met_page(pages, rows[first : first + PLACES]) for first in range(0, len(rows), PLACES)]
    said = pages.models["propensity"].predict(rows.features)
    felt = np.concatenate([page.utility for page in met]).astype(np.float64)
    values = {AS_SHOWN: -rows.place.astype(np.float64), MODEL: said.value, TRUE_TASTE: felt}
    shuffled = clicked_in_an_order_of_chance(met)
    found = {
        name: judged(pages, rows, Order(value, said.probabilities), met, shuffled)
        for name, value in values.items()
    }
    return found, picture(found)


def whole_pages(rows: Examples) -> Examples:
    """The first ten places of the pages on which all ten were met, by page and place."""
    rows = rows[rows.place < PLACES]
    group, number = np.unique(rows.group, return_inverse=True)
    rows = rows[np.bincount(number, minlength=len(group))[number] == PLACES]
    return rows[np.lexsort((rows.place, rows.group))]


def met_page(pages: Pages, rows: Examples) -> behaviour.Page:
    """The truth of the rows of one page."""
    world, names = pages.world, pages.served.replay
    viewer = world.user_ids.index(names.viewer_ids.names[rows.viewer[0]])
    posts = np.array([int(names.post_ids.names[post].removeprefix("p")) for post in rows.post])
    return taste.page(world.people, world.posts, world.standing[viewer], viewer, posts)


def clicked_in_an_order_of_chance(met: list[behaviour.Page], seed: int = 2) -> Floats:
    """What is clicked when each page is shown in an order of chance: float64 (rows,), 0 or 1."""
    random, found = np.random.default_rng(seed), np.zeros((len(met), PLACES))
    eye = behaviour.attention(PLACES)
    for row, page in enumerate(met):
        looked = random.random(PLACES) < random.permutation(eye)
        found[row] = looked & (random.random(PLACES) < click_chance(page))
    return found.ravel()


def click_chance(page: behaviour.Page) -> Floats:
    """Of each post that is looked at."""
    return behaviour.expected(page, MIN_DWELL_MS)[t.EVENT_KIND_CLICK].astype(np.float64)


def judged(
    pages: Pages, rows: Examples, order: Order, met: list[behaviour.Page], shuffled: Floats
) -> dict[str, Any]:
    """An order by all yardsticks; rates are clicks a post."""
    clicked = rows.labels[:, CLICK].astype(np.float64)
    places = Ranked.of(rows.group, order.value, clicked)
    eye = np.tile(behaviour.attention(PLACES).astype(np.float64), len(met))
    chance = np.concatenate([click_chance(page) for page in met])
    return {
        "ndcg_in_the_log": mean(places.ndcg())._asdict(),
        "ndcg_in_pages_by_chance": mean(Ranked.of(rows.group, order.value, shuffled).ndcg())._asdict(),
        "true_rate": float(np.mean(eye * chance[places.row])),
        **by_swaps(pages, rows, order),
    }


def by_swaps(pages: Pages, rows: Examples, order: Order) -> dict[str, Any]:
    """The doubly robust estimate of an order's click rate, and how much of the order the log has seen."""
    if np.array_equal(
        order.value, -rows.place
    ):  # what was drawn is no order of the log's: what it earned is known
        clicked = rows.labels[:, CLICK].astype(np.float64)
        own = own_value(clicked, rows.viewer, (0, 1))
        return {"by_the_swaps": {"value": own.value, "low": own.low, "high": own.high}}
    data = ExampleSet(rows, pages.served.replay.posts(), About(made_by="simulation"))
    found = orders(data, order).by_target["click"].found
    dr, overlap = found.estimates["dr"], found.overlap
    return {
        "by_the_swaps": {"value": dr.value, "low": dr.low, "high": dr.high},
        "effective_sample_size": overlap.effective_sample_size,
        "decisions": overlap.decisions,
        "warnings": list(overlap.warnings),
    }


def picture(found: dict[str, dict[str, Any]]) -> Figure:
    """By the log on the left; by swaps and truth on the right."""
    figure, (left, right) = drawing.panels(2, 2.8, "A log flatters the order that made it")
    by_log = {
        name: [drawing.around(*one[key].values()) for one in found.values()]
        for name, key in (("in the log", "ndcg_in_the_log"), ("pages by chance", "ndcg_in_pages_by_chance"))
    }
    drawing.dots(left, list(found), by_log)
    left.set(title="offline figure", xlabel="NDCG@10 of clicks, 95 % intervals")
    swaps = [drawing.Interval(**one["by_the_swaps"]) for one in found.values()]
    true = [drawing.Interval(*[one["true_rate"]] * 3) for one in found.values()]
    drawing.dots(right, list(found), {"from the swaps": swaps, "truth": true})
    right.set(title="what the order earns", xlabel="clicks a post, 95 % intervals")
    right.set_yticklabels([])
    for axes in (left, right):
        axes.legend()
    return figure
