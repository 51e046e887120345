"""Is one set of results better or worse than another, and could the difference be chance?

Of each key the ratio of geometric means, with an interval: Welch's t on the logarithms of the runs (B. L.
Welch, Biometrika 34, 1947). A ratio is told apart from 1 only where its interval leaves 1 out; it is a
regression where it is also worse by more than the tolerance. One run a side says nothing of chance, so there
is no interval and nothing is told apart. Nor is there one where all runs of each side are equal, as figures
of a seed are: chance took no part that these runs could show, and any difference is told.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from benchmarks.keys import Meaning, meaning
from benchmarks.results import Measured, Results
from ranker.errors import InvalidArgument

Verdict = Literal["regression", "worse", "better", "not distinguishable"]

_MACHINE = ("cpu", "cores", "system")


@dataclass(frozen=True)
class Change:
    """One key of one benchmark, after against before."""

    benchmark: str
    key: str
    before: float
    """Geometric mean of the runs."""
    after: float
    ratio: float
    interval: tuple[float, float] | None
    """Of the ratio; None where the runs do not tell how much is chance."""
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """What changed, and what could not be compared."""

    changes: list[Change]
    left_out: list[str]
    """Sentences."""

    @property
    def regressions(self) -> list[Change]:
        """Those that fail."""
        return [change for change in self.changes if change.verdict == "regression"]


def compare(
    before: Results, after: Results, *, tolerance: float, confidence: float, across_machines: bool = False
) -> Comparison:
    """Compare all keys that have a direction. InvalidArgument when the machines differ, unless asked for."""
    left_out = _machines(before, after, across_machines)
    changes = list[Change]()
    for name, one in after.measured.items():
        if (other := before.measured.get(name)) is None:
            left_out.append(f"{name} is not in the first results")
        elif reason := _incomparable(other, one):
            left_out.append(f"{name} {reason}")
        else:
            changes += _changes(name, other, one, tolerance, confidence)
    left_out += [f"{name} is not in the second results" for name in before.measured.keys() - after.measured]
    return Comparison(changes, left_out)


def _machines(before: Results, after: Results, across_machines: bool) -> list[str]:
    pairs = [(name, before.environment.get(name), after.environment.get(name)) for name in _MACHINE]
    differ = [
        f"{name} is {one} in the first and {other} in the second"
        for name, one, other in pairs
        if one != other
    ]
    if differ and not across_machines:
        raise InvalidArgument(
            "results",
            f"the machines differ: {'; '.join(differ)}. Measure both on one, or add --across-machines",
        )
    return [f"the machines differ, so figures may for that alone: {'; '.join(differ)}"] if differ else []


def _incomparable(before: Measured, after: Measured) -> str:
    """Why two benchmarks can't be compared; empty when they can."""
    if before.options != after.options:
        return f"was called with other options: {before.options} and {after.options}"
    if not before.runs or not after.runs:
        return "failed in one of the results"
    return ""


def _changes(
    name: str, before: Measured, after: Measured, tolerance: float, confidence: float
) -> Iterator[Change]:
    held = before.values()
    for key, values in after.values().items():
        said = meaning(key)
        if said.better != "neither" and key in held:
            yield change(name, key, held[key], values, said, tolerance, confidence)


def change(
    benchmark: str,
    key: str,
    before: Sequence[float],
    after: Sequence[float],
    said: Meaning,
    tolerance: float,
    confidence: float,
) -> Change:
    """Judge one key."""
    least = said.floor or 1e-300
    one, other = (np.log(np.maximum(values, least)) for values in (before, after))
    middle = float(other.mean() - one.mean())
    worse = middle if said.better == "lower" else -middle
    interval = _interval(one, other, confidence)
    verdict: Verdict = "better" if worse < 0 else "worse"
    if _may_be_chance(one, other, interval):
        verdict = "not distinguishable"
    elif worse > math.log1p(tolerance if said.tolerance is None else said.tolerance):
        verdict = "regression"
    told = interval and (_ratio(interval[0]), _ratio(interval[1]))
    return Change(benchmark, key, math.exp(one.mean()), math.exp(other.mean()), _ratio(middle), told, verdict)


def _ratio(difference: float) -> float:
    return math.exp(min(difference, 700))


def _may_be_chance(one: np.ndarray, other: np.ndarray, interval: tuple[float, float] | None) -> bool:
    if interval is not None:
        return interval[0] <= 0 <= interval[1]
    return min(len(one), len(other)) < 2 or bool(one[0] == other[0])


def _interval(one: np.ndarray, other: np.ndarray, confidence: float) -> tuple[float, float] | None:
    """Of the difference of the means; None where a side has one run, or all runs of each side are equal."""
    if min(len(one), len(other)) < 2 or not (np.ptp(one) or np.ptp(other)):
        return None
    middle = float(other.mean() - one.mean())
    parts = np.array([side.var(ddof=1) / len(side) for side in (one, other)])
    freedom = parts.sum() ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (one, other), strict=True)
    )
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(parts.sum()))
    return middle - half, middle + half
