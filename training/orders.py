"""What a candidate's order of the logged pages would have earned, from the places that chance had a say in.

A row of a page is a decision: which post comes to this place. The candidate orders the page's own posts by
its value, so it has one post for each place; a row counts where the log showed just that post there, weighted
by 1 / its propensity. The model of the reward, for the doubly robust estimators, is the candidate's own
probability times how the place pulls (what was done over what was predicted, by place, learned from other
viewers).

Pages are taken as composed: what a candidate would bring in from elsewhere is not judged. A new post that was
drawn for a place of its own stays there: that draw is part of any page, whoever orders the rest.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranker import heads
from ranker.errors import InvalidArgument
from ranker.heads import VALUE
from ranker.selection import COLD_START_PLACE
from training.counterfactual import Counterfactual, Estimate, Floats, Logged, crossed, estimate, own_value
from training.evaluate import Scores
from training.examples import Examples, ExampleSet
from training.sheets import Sheet

_LEAST_POSITIVES = 20
_DRAWN = 10.0
"""Expected actions at a place that its own pull must have to weigh as much as no pull."""
_MOST_PULL = 5.0


@dataclass(frozen=True)
class Order:
    """A candidate's order by one yardstick, a row of a page."""

    found: Counterfactual
    as_logged: Estimate
    """What the pages earned as they were."""


@dataclass(frozen=True)
class Orders:
    """A candidate's order by every yardstick."""

    sizes: dict[str, int]
    by_target: dict[str, Order]
    """The value, and each head that happened often enough."""

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            **self.sizes,
            "targets": {
                name: {**one.found.document(), "baselines": {"as_logged": asdict(one.as_logged)}}
                for name, one in self.by_target.items()
            },
        }

    def sheets(self) -> list[Sheet]:
        """For people."""
        return [_sheet(name, one) for name, one in self.by_target.items()]


def orders(data: ExampleSet, model: Scores) -> Orders:
    """Judge a candidate's order on the logged pages.

    Raises InvalidArgument where no propensity was logged, or rows were left out by sampling.
    """
    rows = _pages(data.examples)
    said = model.predict(rows.features)
    new = drawn_new(rows)
    rows = replace(rows, propensity=np.where(new, 1, rows.propensity))
    chosen = _chosen(rows, said.value, new)
    by_target = {
        name: Order(estimate(_logged(rows, said.probabilities, chosen, name)), _as_logged(rows, name))
        for name in _targets(rows)
    }
    sizes = {
        "examples": len(rows),
        "pages": len(np.unique(rows.group)),
        "viewers": len(np.unique(rows.viewer)),
    }
    return Orders(sizes, by_target)


def _pages(examples: Examples) -> Examples:
    if np.any(examples.weight != 1):
        raise InvalidArgument("examples", "rows were left out by sampling: make examples with --negatives 1")
    known = examples[(examples.propensity > 0) & (examples.place >= 0)]
    if not len(known):
        raise InvalidArgument(
            "examples",
            "no example has a propensity: make them from an impressions log, `feedrank examples --data`",
        )
    return known[np.lexsort((known.place, known.group))]


def drawn_new(rows: Examples) -> NDArray[np.bool_]:
    """Rows whose post was drawn for the cold-start place.

    Their propensity is that of the draw, which no other row of the page has: those of swaps come in pairs.
    """
    _, of, count = np.unique(
        np.stack([rows.group, rows.propensity]), axis=1, return_inverse=True, return_counts=True
    )
    alone = count[of.ravel()] == 1
    return np.asarray(alone & (rows.place == COLD_START_PLACE) & (rows.propensity < 1), np.bool_)


def _chosen(rows: Examples, value: Floats, new: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each row, in the order of pages and places, the row whose post the candidate puts there."""
    chosen, ranked = np.arange(len(rows)), np.flatnonzero(~new)
    chosen[ranked] = ranked[np.lexsort((ranked, -value[ranked], rows.group[ranked]))]
    return chosen


def _targets(rows: Examples) -> Iterator[str]:
    yield VALUE
    yield from (
        name
        for name, positives in zip(heads.NAMES, rows.labels.sum(axis=0), strict=True)
        if positives >= _LEAST_POSITIVES
    )


def _logged(rows: Examples, probability: Floats, chosen: NDArray[np.intp], target: str) -> Logged:
    labels = rows.labels.astype(np.float64)
    worth = _worth(target)

    def learned(others: NDArray[np.bool_], these: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        pull = _pull(rows.place[others], labels[others], probability[others], int(rows.place.max()) + 1)
        pulled = pull[rows.place[these]]
        return (probability[these] * pulled) @ worth, (probability[chosen[these]] * pulled) @ worth

    expected, of_target = crossed(rows.viewer, learned)
    same = (chosen == np.arange(len(rows))).astype(np.float64)
    reward = labels @ worth
    return Logged(reward, rows.propensity, same, expected, of_target, rows.viewer, _bounds(reward, target))


def _pull(place: NDArray[np.int32], labels: Floats, probability: Floats, places: int) -> Floats:
    """How much more often than predicted each action happens at each place, (places, heads)."""
    done, said = np.zeros((places, labels.shape[1])), np.zeros((places, labels.shape[1]))
    np.add.at(done, place, labels)
    np.add.at(said, place, probability)
    return np.minimum((done + _DRAWN) / (said + _DRAWN), _MOST_PULL)


def _worth(target: str) -> Floats:
    return heads.WEIGHTS if target == VALUE else (np.array(heads.NAMES) == target).astype(np.float64)


def _bounds(reward: Floats, target: str) -> tuple[float, float]:
    """What a row may earn: 0 to 1 of a head; of the value, what was seen."""
    return (float(reward.min()), float(reward.max())) if target == VALUE else (0.0, 1.0)


def _as_logged(rows: Examples, target: str) -> Estimate:
    reward = rows.labels @ _worth(target)
    return own_value(reward, rows.viewer, _bounds(reward, target))


def _sheet(name: str, one: Order) -> Sheet:
    rows = [
        (who, f"{e.value:.5f}", f"{e.low:.5f} to {e.high:.5f}")
        for who, e in {"as logged": one.as_logged, **one.found.estimates}.items()
    ]
    overlap = one.found.overlap
    sample = f"{overlap.decisions:,} places count as {overlap.effective_sample_size:,.0f}."
    return Sheet(
        f"{name} a place, in the candidate's order",
        ("", name, "95 % interval"),
        rows,
        (sample, *overlap.warnings),
    )
