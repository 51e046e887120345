"""What a feature is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.query import Query

Rows = NDArray[np.float32]
"""Columns of the feature matrix: float32 (n, k), to be written; its rows lie apart in memory."""


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

    `fill` writes all columns of the group, in order; for a feature in "log" it writes the count, and
    `ranker.features` takes the logarithm. A candidate's values must not depend on the other candidates: so a
    served row can be computed again by itself, bit for bit.
    """

    features: tuple[Feature, ...]
    fill: Callable[[Query, Candidates, Rows], None]
