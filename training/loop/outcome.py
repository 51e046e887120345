"""What came of a simulation: pages' worth by day and feed, over seeds, and how the nights went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.loop.feeds import LEARNED
from training.loop.learner import Night
from training.loop.plan import Plan
from training.loop.value import MEASURES

Days = npt.NDArray[np.float64]

LEVEL_DAYS = 3
"""A level is a mean over so many days; and so long is given to come back after a change of taste."""
OF_ORACLE, OVER_CHRONOLOGICAL, OVER_POPULAR = 0.85, 1.5, 1.2
"""What the learned feed is held to."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One seed. `days`: for each arm float64 (days, measures), the mean worth of a page on each day."""

    plan: Plan
    days: dict[str, Days]
    nights: list[Night]

    @property
    def noticed(self) -> list[int]:
        """Days on whose night drift was noticed."""
        return [self.plan.day(night.now_ms) for night in self.nights if night.drift and night.drift.noticed]

    @property
    def retrained(self) -> list[int]:
        """Days on whose night a model was activated."""
        return [self.plan.day(night.now_ms) for night in self.nights if night.version]


class Interval(NamedTuple):
    """A mean over seeds, with its 95 % interval by Student's t; NaN bounds for one seed."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float]) -> Interval:
    """The mean of one value a seed.

    >>> [round(x, 6) for x in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484138, 4.484138]
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    wide = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - wide, mean + wide)


@dataclass(frozen=True, eq=False)
class Summary:
    """All seeds of one plan."""

    outcomes: list[Outcome]

    @property
    def plan(self) -> Plan:
        """The plan, with the first seed."""
        return self.outcomes[0].plan

    @property
    def arms(self) -> list[str]:
        """What was compared."""
        return list(self.outcomes[0].days)

    @property
    def phases(self) -> dict[str, slice]:
        """Days of which a mean is taken, by name."""
        change = self.plan.change_day
        if change is None:
            return {"end": slice(max(self.plan.days - LEVEL_DAYS, 0), self.plan.days)}
        back = change + LEVEL_DAYS
        spans = {
            "before": slice(max(change - LEVEL_DAYS, 0), change),
            "changed": slice(change, back),
            "back": slice(back, back + LEVEL_DAYS),
        }
        return {name: span for name, span in spans.items() if span.start < self.plan.days}

    def worth(self, arm: str, span: slice, measure: int = 0) -> list[float]:
        """The mean worth of a page over some days, one value a seed."""
        return [float(one.days[arm][span, measure].mean()) for one in self.outcomes]

    def ratio(self, arm: str, to: str, span: slice, measure: int = 0) -> Interval:
        """How one arm does beside another, as the mean of the seeds' ratios."""
        pairs = zip(self.worth(arm, span, measure), self.worth(to, span, measure), strict=True)
        return interval([one / other for one, other in pairs])

    def standing(self, span: slice) -> dict[str, Interval]:
        """The ratios that the learned feed is held to, those of them whose arms were simulated."""
        return {arm: self.ratio(LEARNED, arm, span) for arm in _HELD_TO if {arm, LEARNED} <= set(self.arms)}

    def reached(self, span: slice) -> bool:
        """Whether the learned feed reaches all that it is held to, by the means over the seeds."""
        return all(found.mean >= _HELD_TO[arm] for arm, found in self.standing(span).items())

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "plan": self.plan.model_dump(exclude={"seed"}),
            "seeds": [one.plan.seed for one in self.outcomes],
            "held_to": _HELD_TO,
            "phases": {name: self._phase(span) for name, span in self.phases.items()},
            "noticed_on_days": {str(one.plan.seed): one.noticed for one in self.outcomes},
            "retrained_on_days": {str(one.plan.seed): one.retrained for one in self.outcomes},
            "failed_nights": {str(one.plan.seed): _failures(one) for one in self.outcomes},
            "utility_by_day": {
                arm: np.mean([one.days[arm][:, 0] for one in self.outcomes], axis=0).round(3).tolist()
                for arm in self.arms
            },
        }

    def _phase(self, span: slice) -> dict[str, Any]:
        arms = {
            arm: {
                name: interval(self.worth(arm, span, measure))._asdict()
                for measure, name in enumerate(MEASURES)
            }
            for arm in self.arms
        }
        learned = {f"over_{arm}": found._asdict() for arm, found in self.standing(span).items()}
        days = [span.start, min(span.stop, self.plan.days)]
        return {"days": days, "arms": arms, "learned": learned, "reached": self.reached(span)}


_HELD_TO = {"oracle": OF_ORACLE, "chronological": OVER_CHRONOLOGICAL, "popular": OVER_POPULAR}


def _failures(one: Outcome) -> dict[int, str]:
    return {one.plan.day(night.now_ms): night.failure for night in one.nights if night.failure}
