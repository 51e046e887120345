"""What an evaluation on a public set comes to: the model beside the baselines."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.examples import Examples
from training.metrics import Figure, Floats, mean
from training.train import Knobs, Trained, fit

Tell = Callable[[str], None]

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


def models(examples: Examples, seeds: Sequence[int], tell: Tell) -> list[Trained]:
    """A model a seed."""
    trained = []
    for seed in seeds:
        tell(f"training with seed {seed}")
        trained.append(fit(examples, Knobs(seed=seed)))
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
