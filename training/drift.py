"""Drift: do the predictions that are served still hold? Told from the impressions log alone.

What was served carries the probabilities it was served with. Two readings are taken of each day and head:

- The calibration slope (Cox, "Two further applications of a model for binary regression", Biometrika 1958):
  1 where the predictions are neither bold nor timid, 0 or less where they tell nothing of what happens. It
  is taken within viewers, so that it asks whether the right posts are thought best, not whether people are
  more or less active today; and by one Newton step from 1, so that far from 1 it is a rough number.
- The level: how often the action follows an impression. A model whose features follow a change within hours
  goes on predicting well what it shows, and shows worse posts: then the level tells.

Neither has a value of its own to keep: a feed shows what its model thinks best, and so shows its
overestimates (the winner's curse). So a day is compared with the days before it, as a new study is with
earlier ones. What falls is harm, what rises is none.

- A reading has an error by viewers: the rows of one viewer are not independent, so viewers, not rows, are the
  units (a ratio of sums: Cochran, Sampling Techniques, 1977).
- Days differ by more than that, for each night brings a new model. The spread between the reference days
  beyond their own errors is estimated from them (DerSimonian and Laird, Controlled Clinical Trials 1986).
- The day is out of line when it lies below the prediction interval of the reference days (Higgins, Thompson
  and Spiegelhalter, JRSS A 2009): Student's t, with the degrees of freedom of the part between days, which a
  few days tell of, and of the part within them, which many viewers tell of (Satterthwaite, Biometrics 1946).

A false alarm should come on one day in `1 / false_alarms`, over all heads and readings together (Bonferroni).
Measured on 20,000 simulated days with seven reference days, for 0.01: 0.006 where days do not differ beyond
their own errors, 0.011 where they do by half as much as these, 0.016 where by as much.
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

    false_alarms: float = Field(0.005, gt=0, lt=1, description="Share of days without drift that alarm.")
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
    """Share of impressions that the action followed: the level."""
    observed_error: float
    """Its standard error, by viewers."""
    slope: float
    """Of what happened against what was predicted, on the logit scale; 1 where predictions hold.

    NaN where all that a viewer was shown was predicted alike.
    """
    slope_error: float
    """Its standard error, by viewers."""
    viewers: int
    log_loss: float
    expected_log_loss: float
    """What the log loss would be, were the predictions true."""


class Day(NamedTuple):
    """What one day's impressions say."""

    begin_ms: int
    rows: int
    heads: dict[str, HeadDay]
    """Those that were served with a probability, of which enough was predicted."""
    t: dict[str, float]
    """Such as "click slope": how far it lies from the reference days, in standard errors."""
    p: float
    """Chance of something so far below the line, in any reading, without drift; NaN: not judged."""


class Report(NamedTuple):
    """All days, oldest first; `noticed`: the last of them is out of line."""

    days: list[Day]
    noticed: bool
    settings: DriftSettings

    def document(self) -> dict[str, Any]:
        """For machines; what is not known is null."""
        days = [
            _known(day._asdict()) | {"heads": {who: _known(one._asdict()) for who, one in day.heads.items()}}
            for day in self.days
        ]
        return {"days": days, "noticed": self.noticed, "settings": self.settings.model_dump()}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in values.items()}


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
    served = found.examples[np.flatnonzero(np.isfinite(found.examples.probabilities).any(axis=1))]
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
    return Day(begin_ms, len(rows), heads, {}, float("nan"))


def _head(chance: Floats, label: Floats, weight: Floats, viewer: NDArray[np.int32]) -> HeadDay:
    total = weight.sum()
    _, group = np.unique(viewer, return_inverse=True)
    inside = np.clip(chance, 1e-7, 1 - 1e-7)
    surprise = -np.stack([np.log1p(-inside), np.log(inside)])
    logit = surprise[0] - surprise[1]
    information = weight * inside * (1 - inside)
    usual = np.bincount(group, information * logit) / np.bincount(group, information)
    beside = logit - usual[group]
    score = np.bincount(group, weight * (label - inside) * beside)
    known = np.bincount(group, information * beside**2)
    total_known = known.sum() if known.sum() > 1e-12 * information.sum() else np.nan
    step = score.sum() / total_known
    level = float(weight @ label / total)
    return HeadDay(
        predicted=float(weight @ chance / total),
        observed=level,
        observed_error=_error(np.bincount(group, weight * (label - level)), total),
        slope=float(1 + step),
        slope_error=_error(score - step * known, total_known),
        viewers=len(known),
        log_loss=float(weight @ np.where(label > 0, surprise[1], surprise[0]) / total),
        expected_log_loss=float(weight @ (chance * surprise[1] + (1 - chance) * surprise[0]) / total),
    )


def _error(by_viewer: NDArray[Any], total: float) -> float:
    """The standard error of a ratio of sums, from how far each viewer's part lies from it."""
    count = len(by_viewer)
    return float(np.sqrt(by_viewer @ by_viewer * count / max(count - 1, 1)) / total)


def _judged(day: Day, before: list[Day], settings: DriftSettings) -> Day:
    """The day beside the reference days."""
    t, p = {}, []
    for name, head in day.heads.items():
        for reading, of in (("slope", _slope), ("level", _level)):
            now = of(head)
            then = [of(one.heads[name]) for one in before if name in one.heads]
            then = [one for one in then if np.isfinite(one.value)]
            if len(then) >= settings.least_days and np.isfinite(now.value):
                t[f"{name} {reading}"], freedom = out_of_line(now, then)
                p.append(float(stats.t.cdf(t[f"{name} {reading}"], freedom)))
    return day._replace(t=t, p=min(1.0, len(p) * min(p)) if p else float("nan"))


class Reading(NamedTuple):
    """One figure of a day."""

    value: float
    error: float
    viewers: int


def _slope(head: HeadDay) -> Reading:
    return Reading(head.slope, head.slope_error, head.viewers)


def _level(head: HeadDay) -> Reading:
    return Reading(head.observed, head.observed_error, head.viewers)


def out_of_line(day: Reading, reference: list[Reading]) -> tuple[float, float]:
    """How far a day lies from reference days: Student's t, and its degrees of freedom."""
    value = np.array([one.value for one in reference])
    variance = np.maximum([one.error**2 for one in reference], 1e-18)
    between = between_days(value, variance)
    weight = 1 / (variance + between)
    mean = weight @ value / weight.sum()
    total = max(day.error**2, 1e-18) + between + 1 / weight.sum()
    spread = between * (1 + 1 / len(value))
    inside = max(total - spread, 0.0)
    freedom = total**2 / (spread**2 / (len(value) - 1) + inside**2 / max(day.viewers - 1, 1))
    return float((day.value - mean) / np.sqrt(total)), float(freedom)


def between_days(value: Floats, variance: Floats) -> float:
    """The variance between days beyond their own: DerSimonian and Laird's moment estimate, 0 at least."""
    weight = 1 / variance
    mean = weight @ value / weight.sum()
    q = weight @ (value - mean) ** 2
    scale = weight.sum() - (weight @ weight) / weight.sum()
    return float(max(0.0, (q - (len(value) - 1)) / scale))
