"""Drift: do the predictions that are served still hold? Told from the impressions log alone.

What was served carries the probabilities it was served with. For each day and head the calibration gap, the
mean of (what happened - what was predicted), says whether the predictions hold. It is not 0 even while all
is well: a feed shows what its model thinks best, and so shows its overestimates (the winner's curse). So a
day is not compared with 0 but with the days before it, as a new study is with earlier ones:

- A day's gap has an error by viewers: the rows of one viewer are not independent, so viewers, not rows, are
  the units (a ratio of sums: Cochran, Sampling Techniques, 1977).
- Days differ by more than that, for each night brings a new model. The spread between the reference days
  beyond their own errors is estimated from them (DerSimonian and Laird, Controlled Clinical Trials 1986).
- The day is out of line when it lies outside the prediction interval of the reference days (Higgins, Thompson
  and Spiegelhalter, JRSS A 2009), Student's t with k - 1 degrees of freedom for k days.

A false alarm should come on one day in `1 / false_alarms`, over all heads together (Bonferroni).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy import stats

from ranker.heads import DAY_MS, NAMES
from training.examples import Examples, ExampleSet

Floats = NDArray[np.float64]


class DriftSettings(BaseModel, frozen=True, extra="forbid"):
    """When a day is out of line."""

    false_alarms: float = Field(0.001, gt=0, lt=1, description="Share of days without drift that alarm.")
    reference_days: int = Field(7, ge=2, description="Days before it that a day is compared with, at most.")
    least_days: int = Field(3, ge=2, description="With fewer reference days nothing is judged.")
    least_rows: int = Field(300, ge=1, description="A day with fewer impressions is not judged.")
    least_positives: float = Field(
        30, gt=0, description="A head of which less is predicted for a day is not judged."
    )


class HeadDay(NamedTuple):
    """One head on one day."""

    predicted: float
    """Mean of the served probabilities."""
    observed: float
    """Share of impressions that the action followed."""
    gap: float
    """observed - predicted."""
    error: float
    """Standard error of the gap, by viewers."""
    log_loss: float
    expected_log_loss: float
    """What the log loss would be, were the predictions true."""


class Day(NamedTuple):
    """What one day's impressions say."""

    begin_ms: int
    rows: int
    viewers: int
    heads: dict[str, HeadDay]
    """Those that were served with a probability, of which enough was predicted."""
    t: dict[str, float]
    """By head: how far the gap lies from those of the reference days, in standard errors."""
    p: float
    """Chance of something so far out of line, in any head, without drift; NaN: not judged."""


class Report(NamedTuple):
    """All days, oldest first; `noticed`: the last of them is out of line."""

    days: list[Day]
    noticed: bool
    settings: DriftSettings

    def document(self) -> dict[str, Any]:
        """For machines; a p that is not known is null."""
        days = [
            day._asdict()
            | {"heads": {name: head._asdict() for name, head in day.heads.items()}}
            | {"p": None if np.isnan(day.p) else day.p}
            for day in self.days
        ]
        return {"days": days, "noticed": self.noticed, "settings": self.settings.model_dump()}


def watch(found: ExampleSet, settings: DriftSettings | None = None) -> Report:
    """Judge each day of examples that were served with probabilities, by the heads they are labelled for.

    A day that was out of line is no reference for later ones. Days are counted back from the last
    impression, so that the last day is whole.
    """
    settings = settings or DriftSettings()
    days: list[Day] = []
    for day in _days(found, settings):
        sound = [one for one in days if not one.p < settings.false_alarms][-settings.reference_days :]
        days.append(_judged(day, sound, settings))
    return Report(days, bool(days) and days[-1].p < settings.false_alarms, settings)


def _days(found: ExampleSet, settings: DriftSettings) -> list[Day]:
    served = found.examples[np.isfinite(found.examples.probabilities).any(axis=1)]
    if not len(served):
        return []
    end = int(served.time_ms.max()) + 1
    back = (end - 1 - served.time_ms) // DAY_MS
    ago, rows = np.unique(back, return_counts=True)
    return [
        _day(end - (one + 1) * DAY_MS, served[np.flatnonzero(back == one)], found.about.heads, settings)
        for one in ago[rows >= settings.least_rows][::-1].tolist()
    ]


def _day(begin_ms: int, rows: Examples, names: Sequence[str], settings: DriftSettings) -> Day:
    weight = rows.weight.astype(np.float64)
    heads = {}
    for name in names:
        column = NAMES.index(name)
        chance = np.clip(rows.probabilities[:, column].astype(np.float64), 0, 1)
        if weight @ chance >= settings.least_positives:
            heads[name] = _head(chance, rows.labels[:, column].astype(np.float64), weight, rows.viewer)
    return Day(begin_ms, len(rows), len(np.unique(rows.viewer)), heads, {}, float("nan"))


def _head(chance: Floats, label: Floats, weight: Floats, viewer: NDArray[np.int32]) -> HeadDay:
    total = weight.sum()
    gap = weight @ (label - chance) / total
    _, group = np.unique(viewer, return_inverse=True)
    by_viewer = np.bincount(group, weight * (label - chance - gap))
    inside = np.clip(chance, 1e-7, 1 - 1e-7)
    surprise = -np.stack([np.log1p(-inside), np.log(inside)])
    return HeadDay(
        predicted=float(weight @ chance / total),
        observed=float(weight @ label / total),
        gap=float(gap),
        error=float(np.sqrt(by_viewer @ by_viewer * len(by_viewer) / max(len(by_viewer) - 1, 1)) / total),
        log_loss=float(weight @ np.where(label > 0, surprise[1], surprise[0]) / total),
        expected_log_loss=float(weight @ (chance * surprise[1] + (1 - chance) * surprise[0]) / total),
    )


def _judged(day: Day, before: list[Day], settings: DriftSettings) -> Day:
    """The day beside the reference days."""
    t, p = {}, []
    for name, now in day.heads.items():
        reference = [one.heads[name] for one in before if name in one.heads]
        if len(reference) >= settings.least_days and now.error > 0:
            t[name] = out_of_line(now, reference)
            p.append(2 * float(stats.t.sf(abs(t[name]), len(reference) - 1)))
    return day._replace(t=t, p=min(1.0, len(p) * min(p)) if p else float("nan"))


def out_of_line(day: HeadDay, reference: list[HeadDay]) -> float:
    """How far a day's gap lies from those of reference days, in standard errors of its prediction."""
    gap = np.array([one.gap for one in reference])
    variance = np.maximum([one.error**2 for one in reference], 1e-18)
    between = between_days(gap, variance)
    weight = 1 / (variance + between)
    mean = weight @ gap / weight.sum()
    return float((day.gap - mean) / np.sqrt(day.error**2 + between + 1 / weight.sum()))


def between_days(gap: Floats, variance: Floats) -> float:
    """The variance between days beyond their own: DerSimonian and Laird's moment estimate, 0 at least."""
    weight = 1 / variance
    mean = weight @ gap / weight.sum()
    q = weight @ (gap - mean) ** 2
    scale = weight.sum() - (weight @ weight) / weight.sum()
    return float(max(0.0, (q - (len(gap) - 1)) / scale))
