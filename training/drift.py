"""Drift: do the predictions that are served still hold? Told from the impressions log alone.

What was served carries the probabilities it was served with. Two readings are taken of each day, each over
all heads together, since what changes changes them together:

- The calibration slope (Cox, "Two further applications of a model for binary regression", Biometrika 1958):
  1 where the predictions are neither bold nor timid, 0 or less where they tell nothing of what happens. It
  is taken within viewers, so that it asks whether the right posts are thought best, not whether people are
  more or less active today; and by one Newton step from 1, so that far from 1 it is a rough number.
- The level: how often something is done with an impression, beside how often each viewer does so on the
  reference days, so that who comes today does not matter. A model whose features follow a change within
  hours goes on predicting well what it shows, and shows worse posts: then the level tells.

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

What both say is put together by Stouffer's method (The American Soldier, 1949), so that two small signs count
as one. A false alarm should come on one day in `1 / false_alarms`; measured for 0.01, on 2,942 simulated
networks without drift, of 60 viewers and seven reference days: 0.007.
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

    false_alarms: float = Field(0.01, gt=0, lt=1, description="Share of days without drift that alarm.")
    reference_days: int = Field(7, ge=2, description="Days before it that a day is compared with, at most.")
    least_days: int = Field(3, ge=2, description="With fewer reference days nothing is judged.")
    least_rows: int = Field(300, ge=1, description="A day with fewer impressions is not judged.")
    least_positives: float = Field(
        30, gt=0, description="A head of which less is predicted for a day is not judged."
    )


class Reading(NamedTuple):
    """One figure of a day."""

    value: float
    """NaN where it can't be told."""
    error: float
    """Its standard error, by viewers."""
    viewers: int


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
    slope: Reading
    """Over these heads."""
    shown: Floats
    """Impressions of each viewer, by number, ..."""
    acted: Floats
    """... and those that something was done with, of what these heads stand for."""
    t: dict[str, float]
    """Of "slope" and "level": how far it lies from the reference days, in standard errors."""
    p: float
    """Chance of something so far below the line without drift; NaN: not judged."""

    def document(self) -> dict[str, Any]:
        """For machines; what is not known is null."""
        heads = {name: _known(one._asdict()) for name, one in self.heads.items()}
        plain = {"begin_ms": self.begin_ms, "rows": self.rows, "t": self.t, "p": self.p}
        return _known(plain) | {"heads": heads, "slope": _known(self.slope._asdict())}


class Report(NamedTuple):
    """All days, oldest first; `noticed`: the last of them is out of line."""

    days: list[Day]
    noticed: bool
    settings: DriftSettings

    def document(self) -> dict[str, Any]:
        """For machines; what is not known is null."""
        days = [day.document() for day in self.days]
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
    heads, viewers = found.about.heads, int(served.viewer.max()) + 1
    ago, rows = np.unique(back, return_counts=True)
    return [
        _day(end - (one + 1) * DAY_MS, served[np.flatnonzero(back == one)], heads, settings, viewers)
        for one in ago[rows >= settings.least_rows][::-1].tolist()
    ]


def _day(begin_ms: int, rows: Examples, names: Sequence[str], settings: DriftSettings, viewers: int) -> Day:
    weight = rows.weight.astype(np.float64)
    sums, acted = {}, np.zeros(len(rows), np.bool_)
    for name in names:
        column = NAMES.index(name)
        chance = np.clip(rows.probabilities[:, column].astype(np.float64), 1e-7, 1 - 1e-7)
        if weight @ chance >= settings.least_positives:
            label = rows.labels[:, column].astype(np.float64)
            sums[name] = _summed(chance, label, weight, rows.viewer)
            acted |= label > 0
    return Day(
        begin_ms,
        len(rows),
        heads={name: _head(one) for name, one in sums.items()},
        slope=_slope(list(sums.values())),
        shown=np.asarray(np.bincount(rows.viewer, weight, viewers), np.float64),
        acted=np.asarray(np.bincount(rows.viewer, weight * acted, viewers), np.float64),
        t={},
        p=float("nan"),
    )


class _Sums(NamedTuple):
    """What one head's rows of a day come to: totals, and columns with an entry a viewer."""

    weight: Floats
    predicted: float
    observed: Floats
    log_loss: float
    expected_log_loss: float
    spread: float
    """Mean variance of a label about its prediction."""
    score: Floats
    known: Floats
    """Gradient and curvature of the log likelihood in the slope within viewers, at the slope 1."""


def _summed(chance: Floats, label: Floats, weight: Floats, viewer: NDArray[np.int32]) -> _Sums:
    total = weight.sum()
    _, group = np.unique(viewer, return_inverse=True)

    def by_viewer(values: Floats) -> Floats:
        return np.asarray(np.bincount(group, values), np.float64)

    surprise = -np.stack([np.log1p(-chance), np.log(chance)])
    logit = surprise[0] - surprise[1]
    information = weight * chance * (1 - chance)
    usual = by_viewer(information * logit) / by_viewer(information)
    beside = logit - usual[group]
    return _Sums(
        weight=by_viewer(weight),
        predicted=float(weight @ chance / total),
        observed=by_viewer(weight * label),
        log_loss=float(weight @ np.where(label > 0, surprise[1], surprise[0]) / total),
        expected_log_loss=float(weight @ (chance * surprise[1] + (1 - chance) * surprise[0]) / total),
        spread=float(information.sum() / total),
        score=by_viewer(weight * (label - chance) * beside),
        known=by_viewer(information * beside**2),
    )


def _head(sums: _Sums) -> HeadDay:
    level, slope = _ratio(sums.observed, sums.weight), _slope([sums])
    return HeadDay(
        predicted=sums.predicted,
        observed=level.value,
        observed_error=level.error,
        slope=slope.value,
        slope_error=slope.error,
        viewers=level.viewers,
        log_loss=sums.log_loss,
        expected_log_loss=sums.expected_log_loss,
    )


def _slope(heads: list[_Sums]) -> Reading:
    """One slope for these heads; NaN where a viewer's posts are all predicted alike."""
    score = np.sum([one.score for one in heads], axis=0)
    known = np.sum([one.known for one in heads], axis=0)
    least = 1e-12 * sum(one.spread * one.weight.sum() for one in heads)
    if known.sum() <= least:
        return Reading(float("nan"), float("nan"), len(known))
    step = _ratio(score, known)
    return step._replace(value=1 + step.value)


def _ratio(sums: Floats, totals: Floats) -> Reading:
    """A ratio of sums over viewers."""
    value = sums.sum() / totals.sum()
    return Reading(float(value), _error(sums - value * totals, float(totals.sum())), len(sums))


def _error(by_viewer: NDArray[Any], total: float) -> float:
    """The standard error of a ratio of sums, from how far each viewer's part lies from it."""
    count = len(by_viewer)
    return float(np.sqrt(by_viewer @ by_viewer * count / max(count - 1, 1)) / total)


def _judged(day: Day, before: list[Day], settings: DriftSettings) -> Day:
    """The day beside the reference days."""
    t, z = {}, []
    levels = _levels([*before, day]) if day.heads else []
    for name, readings in (("slope", [one.slope for one in (*before, day)]), ("level", levels)):
        then = [one for one in readings[:-1] if np.isfinite(one.value)]
        if len(then) >= settings.least_days and np.isfinite(readings[-1].value):
            t[name], freedom = out_of_line(readings[-1], then)
            z.append(float(stats.norm.isf(stats.t.sf(t[name], freedom))))
    return day._replace(t=t, p=float(stats.norm.cdf(sum(z) / np.sqrt(len(z)))) if z else float("nan"))


def _levels(days: list[Day]) -> list[Reading]:
    """Of each day, how much more than usual is done with an impression; the last one is no part of what is
    usual. Viewers who are new on the last day tell nothing."""
    shown, acted = np.array([day.shown for day in days]), np.array([day.acted for day in days])
    seen = shown[:-1].sum(axis=0)
    usual = acted[:-1].sum(axis=0) / np.where(seen > 0, seen, np.nan)
    return [_level(done, here, usual) for done, here in zip(acted, shown, strict=True)]


def _level(acted: Floats, shown: Floats, usual: Floats) -> Reading:
    here = (shown > 0) & np.isfinite(usual)
    if not here.any():
        return Reading(float("nan"), float("nan"), 0)
    return _ratio(acted[here] - shown[here] * usual[here], shown[here])


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
