"""What an evaluation came to, for machines and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from training.sheets import Sheet

MODEL, VALUE = "model", "value"
BETTER, WORSE, SAME, FEW = "better", "worse", "not distinguishable", "too few viewers"
CAPTION = (
    "Ranked is what was shown, and what was shown the serving model chose: it had its say in every list, so "
    "as_shown and current_model are not neutral, and a model that would show other posts can not be rewarded "
    "here. See `feedrank counterfactual`. Verdicts are one by one: of twenty comparisons without a "
    "difference, one is called a difference."
)

_ORDER = "ndcg_at_10"
_GAIN = ("gain", "95 %", "")
_TITLES = {
    "auc": "AUC",
    "auc_per_viewer": "per viewer",
    "calibration_error": "error",
    "mrr": "MRR",
    "ndcg_at_10": "NDCG@10",
}


class Estimate(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    standard_error: float
    low: float
    high: float


class Gain(NamedTuple):
    """The model less a baseline, and what to make of it."""

    value: float
    standard_error: float
    low: float
    high: float
    verdict: str
    """"better", "worse", "not distinguishable" or "too few viewers"."""


@dataclass(frozen=True)
class Target:
    """The model and the baselines by one yardstick: a head, or the value."""

    figures: dict[str, dict[str, Estimate]]
    """By contender ("model" or a baseline) and metric."""
    gains: dict[str, dict[str, Gain]]
    """By baseline and metric."""


@dataclass(frozen=True)
class Evaluation:
    """All figures of an evaluation."""

    sizes: dict[str, int]
    """Examples, lists, viewers and posts of the test, and examples before it."""
    targets: dict[str, Target]
    beyond: dict[str, dict[str, float]]
    """Beyond accuracy: figures of the first k by each contender's value."""
    cohorts: dict[str, Target]
    """The value, on parts of the test."""
    not_computed: dict[str, str]
    """What is missing, with the reason."""
    notes: tuple[str, ...] = (CAPTION,)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            **self.sizes,
            "targets": {name: _document(one) for name, one in self.targets.items()},
            "beyond_accuracy": self.beyond,
            "cohorts": {name: _document(one) for name, one in self.cohorts.items()},
            "not_computed": self.not_computed,
            "notes": list(self.notes),
        }

    def sheets(self) -> list[Sheet]:
        """For people: the value, the heads, the cohorts, what is beyond accuracy; less than the document."""
        heads = {name: one for name, one in self.targets.items() if name != VALUE}
        columns = list(next(iter(self.beyond.values()), {}))
        beyond = [(name, *(f"{one[what]:.4f}" for what in columns)) for name, one in self.beyond.items()]
        missing = tuple(f"{name}: {reason}" for name, reason in self.not_computed.items())
        title = "The value, the weighted sum of the heads: {lists:,} lists of {viewers:,} viewers"
        return [
            _contenders(title.format(**self.sizes), self.targets[VALUE]),
            _beside_best("The heads", heads, ("auc", "calibration_error")),
            _beside_best("The value in parts of the test", self.cohorts, (_ORDER,)),
            Sheet("Beyond accuracy", ("", *columns), beyond, (*missing, *self.notes)),
        ]


def _document(target: Target) -> dict[str, Any]:
    def named(figures: Mapping[str, Estimate | Gain]) -> dict[str, Any]:
        known = {name: one for name, one in figures.items() if np.isfinite(one.value)}
        errors = {name: one.standard_error for name, one in known.items()}
        intervals = {name: [one.low, one.high] for name, one in known.items()}
        verdicts = {name: one.verdict for name, one in known.items() if isinstance(one, Gain)}
        return {
            **{name: one.value for name, one in known.items()},
            "standard_error": errors,
            "interval": intervals,
            **({"verdict": verdicts} if verdicts else {}),
        }

    return {
        **named(target.figures[MODEL]),
        "baselines": {name: named(one) for name, one in target.figures.items() if name != MODEL},
        "gain_over": {name: named(one) for name, one in target.gains.items()},
    }


def _contenders(title: str, target: Target) -> Sheet:
    """Model and baselines one below the other, with the model's gain over each."""
    leading = _leading(target)
    columns = [leading, *(name for name in target.figures[MODEL] if name in ("auc_per_viewer", "mrr"))]
    rows = [
        (who, *(_number(figures.get(name)) for name in columns), *_gained(target, who, leading))
        for who, figures in target.figures.items()
    ]
    note = f"gain: the model's in {_TITLES.get(leading, leading)}, with its 95 % interval over viewers."
    return Sheet(title, ("", *_titles(columns), *_GAIN), rows, (note,))


def _beside_best(title: str, targets: Mapping[str, Target], columns: Sequence[str]) -> Sheet:
    """One line a target: the model's figures, and its gain over the best baseline by the first column."""
    rows = []
    for name, target in targets.items():
        first = columns[0] if columns[0] in target.figures[MODEL] else _leading(target)
        known = {who: one[first].value for who, one in target.figures.items() if first in one}
        rivals = [who for who, value in known.items() if who != MODEL and np.isfinite(value)]
        best = max(rivals, key=known.__getitem__, default="")
        figures = (_number(target.figures[MODEL].get(what)) for what in (first, *columns[1:]))
        rows.append((name, *figures, best, *_gained(target, best, first)))
    return Sheet(title, ("", *_titles(columns), "best baseline", *_GAIN), rows)


def _leading(target: Target) -> str:
    """The metric of the order that is told first."""
    return next((name for name in target.figures[MODEL] if name.startswith("ndcg")), "auc")


def _titles(metrics: Sequence[str]) -> list[str]:
    return [_TITLES.get(name, name) for name in metrics]


def _number(estimate: Estimate | None) -> str:
    return "" if estimate is None or not np.isfinite(estimate.value) else f"{estimate.value:.3f}"


def _gained(target: Target, baseline: str, metric: str) -> tuple[str, str, str]:
    """The gain, its interval, and what is to be made of it where that is not that the model is better."""
    gain = target.gains.get(baseline, {}).get(metric)
    if gain is None or not np.isfinite(gain.value):
        return "", "", ""
    words = "" if gain.verdict == BETTER else gain.verdict
    return f"{gain.value:+.3f}", f"{gain.low:+.3f} {gain.high:+.3f}", words
