"""What a feature is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.events import COUNTERS
from ranker.query import Query
from ranker.state.counters import HALF_LIVES

Values = NDArray[Any] | float


@dataclass(frozen=True)
class Feature:
    """A column of the feature matrix. NaN means not known.

    The unit is "1" for a share or a flag, "count" for a number of things, "log" for `ln(1 + count)`, "cos"
    for a cosine, else a unit of time.
    """

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Group:
    """Features that are computed together.

    `values` gives one array (n,), or one number for all, for each feature in order. A candidate's values must
    not depend on the other candidates: so a served row can be computed again by itself, bit for bit.
    """

    features: tuple[Feature, ...]
    values: Callable[[Query, Candidates], Sequence[Values]]


Counts = NDArray[np.float32]
"""Counters as read: float32 (..., counters, half-lives)."""


def count(counts: Counts, counter: str, half_life: str = "ever") -> Counts:
    """One counter at one half-life."""
    return counts[..., COUNTERS.index(counter), HALF_LIVES.index(half_life)]


def rate(counts: Counts, counter: str, half_life: str = "ever", base: float = 0.05) -> Counts:
    """How often an impression led to it, drawn to `base` by the weight of ten impressions."""
    happened = count(counts, counter, half_life)
    shown = np.maximum(count(counts, "impression", half_life), happened)
    return np.asarray((happened + np.float32(10 * base)) / (shown + np.float32(10)), np.float32)


def log(values: Values) -> Values:
    """ln(1 + count)."""
    return np.log1p(values, dtype=np.float32)
