"""Open Bandit Dataset, men's campaign: each of two policies estimated from the log of the other.

Two policies ran in the same week, `random` (each item alike) and `bts` (Bernoulli Thompson sampling), so what
a policy earned is known beside what the other's log says of it. Source: Saito et al., NeurIPS Datasets 2021.

The target's chance of an item at a place. For `random` it is 1 / items. `bts` logs its chance of what it
showed, not of what it could have shown, and chances change over the week; its chance of an item at a place,
over the week, is taken as how often its log shows the item there. The mean of the logged chances would be too
high: an item is shown more when its chance is high.

Rows are taken as independent: the log names no viewer, and nearly all clicks are one to a row.
"""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import Tell
from training.counterfactual import Counterfactual, Estimate, Floats, Logged, crossed, estimate, own_value
from training.public.comparison import SEEDS
from training.sheets import Sheet

PROTOCOL = (
    "The click rate of each policy, estimated from the other's log; beside it what the policy earned itself."
)

POLICIES = ("random", "bts")
_DRAWN = 20
"""Views of an item at a place that its own rate must have to weigh as much as the mean of all."""


@dataclass(frozen=True)
class Crossing:
    """A policy's value by the other's log, and by its own."""

    policy: str
    logged_by: str
    found: Counterfactual
    truth: Estimate

    @property
    def holds(self) -> dict[str, bool]:
        """Whether each estimator's interval holds the rate that the policy's own log shows."""
        return {name: one.low <= self.truth.value <= one.high for name, one in self.found.estimates.items()}


@dataclass(frozen=True)
class Crossings:
    """Both policies."""

    by_policy: tuple[Crossing, ...]

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "data": "obd_men",
            "metric": "click_rate",
            "protocol": PROTOCOL,
            "policies": {
                one.policy: {
                    "logged_by": one.logged_by,
                    "own_log": asdict(one.truth),
                    "baselines": {"as_logged": asdict(_as_logged(self, one))},
                    **one.found.document(),
                    "holds_own_rate": one.holds,
                }
                for one in self.by_policy
            },
        }

    def sheets(self) -> list[Sheet]:
        """For people."""
        return [_sheet(one) for one in self.by_policy]


def recognises(path: Path) -> bool:
    """Whether a folder holds the logs of both policies."""
    return all((path / policy / "men.csv.gz").exists() for policy in POLICIES)


def obd(path: Path, _seeds: Sequence[int] = SEEDS, tell: Tell = lambda _: None) -> Crossings:
    """Each policy from the other's log; nothing is drawn, so the seeds change nothing."""
    tell("reading")
    logs = {policy: _Log.read(path / policy / "men.csv.gz") for policy in POLICIES}
    pairs = zip(POLICIES, reversed(POLICIES), strict=True)
    return Crossings(
        tuple(
            Crossing(
                policy, other, estimate(_logged(logs[other], _chances(policy, logs))), logs[policy].earned
            )
            for policy, other in pairs
        )
    )


@dataclass(frozen=True)
class _Log:
    """The columns of a policy's log; items and positions from 0."""

    item: NDArray[np.intp]
    position: NDArray[np.intp]
    click: Floats
    propensity: Floats

    @classmethod
    def read(cls, path: Path) -> "_Log":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        item, position, click, propensity = (
            np.array([float(row[name]) for row in rows])
            for name in ("item_id", "position", "click", "propensity_score")
        )
        return cls(item.astype(np.intp), position.astype(np.intp) - 1, click, propensity)

    @property
    def earned(self) -> Estimate:
        """The click rate."""
        return own_value(self.click, np.arange(len(self.click)), (0, 1))


def _chances(policy: str, logs: dict[str, _Log]) -> Floats:
    """A policy's chance of each item at each position, (items, positions)."""
    items = 1 + max(int(log.item.max()) for log in logs.values())
    positions = 1 + max(int(log.position.max()) for log in logs.values())
    if policy == "random":
        return np.full((items, positions), 1 / items)
    shown = np.zeros((items, positions))
    np.add.at(shown, (logs[policy].item, logs[policy].position), 1)
    return np.asarray(shown / shown.sum(axis=0), np.float64)


def _logged(log: _Log, chances: Floats) -> Logged:
    """A log beside a target with its chances; the reward model is each item's rate, drawn to the mean."""
    row = np.arange(len(log.click))

    def learned(others: NDArray[np.bool_], these: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        clicks, views = np.zeros(len(chances)), np.zeros(len(chances))
        np.add.at(clicks, log.item[others], log.click[others])
        np.add.at(views, log.item[others], 1)
        rate = (clicks + _DRAWN * log.click[others].mean()) / (views + _DRAWN)
        return rate[log.item[these]], (rate @ chances)[log.position[these]]

    expected, of_target = crossed(row, learned)
    target = chances[log.item, log.position]
    return Logged(log.click, log.propensity, target, expected, of_target, row, (0, 1))


def _as_logged(crossings: Crossings, one: Crossing) -> Estimate:
    """What one would say without any method: that the target earns what the log did."""
    return next(other.truth for other in crossings.by_policy if other.policy == one.logged_by)


def _sheet(one: Crossing) -> Sheet:
    truth, overlap = one.truth, one.found.overlap
    rows = [
        (name, f"{e.value:.5f}", f"{e.low:.5f} to {e.high:.5f}") for name, e in one.found.estimates.items()
    ]
    rows.append((f"{one.policy}'s own log", f"{truth.value:.5f}", f"{truth.low:.5f} to {truth.high:.5f}"))
    sample = f"{overlap.decisions:,} decisions count as {overlap.effective_sample_size:,.0f}."
    title = f"click rate of {one.policy}, from the log of {one.logged_by}"
    return Sheet(title, ("", "click rate", "95 % interval"), rows, (PROTOCOL, sample, *overlap.warnings))
