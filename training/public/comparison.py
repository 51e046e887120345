"""What an evaluation on a public set comes to: the model beside the baselines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import Tell
from training.examples import Examples
from training.metrics import Figure, Floats, mean
from training.sheets import Sheet
from training.train import Knobs, Trained, fit

SEEDS = (1, 2, 3)
"""The model is trained once a seed; its figure is the mean over them, unit by unit."""


@dataclass(frozen=True)
class Comparison:
    """The model beside the baselines."""

    data: str
    metric: str
    """Such as "ndcg_at_10"."""
    unit: str
    """What the figures are means over."""
    protocol: str
    """What was known and what was ranked, in a sentence or two."""
    units: int
    model: Figure
    baselines: dict[str, Figure]
    gains: dict[str, Figure]
    """The model less each baseline."""
    parts: dict[str, Figure]
    """The model on each part of the data, where it has parts."""
    examples: int
    """Impressions that the model was trained on."""
    seeds: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """For machines: the metric by its name."""

        def named(figure: Figure) -> dict[str, float]:
            return {self.metric: figure.value, "standard_error": figure.standard_error}

        rest = {
            name: asdict(self)[name] for name in ("data", "unit", "units", "protocol", "examples", "seeds")
        }
        groups = {
            "baselines": {name: named(figure) for name, figure in self.baselines.items()},
            "gain_over": {name: named(figure) for name, figure in self.gains.items()},
            "parts": {name: named(figure) for name, figure in self.parts.items()},
        }
        return {**rest, **named(self.model), **groups}

    def sheets(self) -> list[Sheet]:
        """For people."""
        columns = ("", self.metric, "standard error", "gain of the model")
        rows = [("model", *_cells(self.model), "")]
        rows += [(name, *_cells(one), _gain(self.gains[name])) for name, one in self.baselines.items()]
        rows += [(f"model on {name}", *_cells(one), "") for name, one in self.parts.items()]
        title = f"{self.data}: {self.metric} over {self.units:,} {self.unit}"
        seeds = ", ".join(map(str, self.seeds))
        trained = f"Trained on {self.examples:,} impressions; mean over the seeds {seeds}."
        return [Sheet(title, columns, rows, (self.protocol, trained))]


@dataclass(frozen=True)
class Comparisons:
    """The same models beside the same baselines by several metrics."""

    by_metric: tuple[Comparison, ...]

    def document(self) -> dict[str, Any]:
        """For machines: each metric by its name, and below "standard_error" its error by the same name."""
        merged: dict[str, Any] = {}
        for one in self.by_metric:
            merged = _merged(merged, _error_by_metric(one.document(), one.metric))
        return merged

    def sheets(self) -> list[Sheet]:
        """For people."""
        return [sheet for one in self.by_metric for sheet in one.sheets()]


def _error_by_metric(document: dict[str, Any], metric: str) -> dict[str, Any]:
    return {
        name: {metric: value}
        if name == "standard_error"
        else (_error_by_metric(value, metric) if isinstance(value, dict) else value)
        for name, value in document.items()
    }


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: _merged(one[name], other[name]) for name in one if isinstance(one[name], dict)}
    return {**one, **other, **both}


def _cells(figure: Figure) -> tuple[str, str]:
    return f"{figure.value:.4f}", f"{figure.standard_error:.4f}"


def _gain(figure: Figure) -> str:
    sure = abs(figure.value) > 1.96 * figure.standard_error
    return f"{figure.value:+.4f} ± {figure.standard_error:.4f}{'' if sure else ', not distinguishable'}"


def models(examples: Examples, seeds: Sequence[int], tell: Tell, knobs: Knobs | None = None) -> list[Trained]:
    """A model a seed, whatever the knobs say of it."""
    knobs = knobs or Knobs()
    trained = []
    for seed in seeds:
        tell(f"training with seed {seed}")
        trained.append(fit(examples, knobs.model_copy(update={"seed": seed})))
    return trained


def compared(
    data: str,
    metric: str,
    unit: str,
    protocol: str,
    model: Floats,
    baselines: dict[str, Floats],
    examples: int,
    seeds: tuple[int, ...],
    weights: Floats | None = None,
    strata: NDArray[np.str_] | None = None,
) -> Comparison:
    """From the figures of each unit: those of the model, and of each baseline by name."""
    parts = {} if strata is None else {str(name): strata == name for name in np.unique(strata)}
    return Comparison(
        data=data,
        metric=metric,
        unit=unit,
        protocol=protocol,
        units=int((~np.isnan(model)).sum()),
        model=mean(model, weights, strata),
        baselines={name: mean(values, weights, strata) for name, values in baselines.items()},
        gains={name: mean(model - values, weights, strata) for name, values in baselines.items()},
        parts={
            name: mean(model[rows], None if weights is None else weights[rows])
            for name, rows in parts.items()
        },
        examples=examples,
        seeds=seeds,
    )
