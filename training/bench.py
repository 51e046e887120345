"""The bench: examples in parts of time, binned once for all heads, and what is done about the place."""

from collections.abc import Sequence
from dataclasses import replace

import lightgbm
import numpy as np
from numpy.typing import NDArray

from ranker import features
from ranker.bundle import RANKING
from ranker.heads import NAMES, WEIGHTS
from ranker.tree_kernel import raw_scores
from ranker.tree_steps import steps_of
from ranker.trees import Forest
from training.bundles import forest_from_boosters, pinned
from training.examples import Examples
from training.position import Position, at_places, chosen, examination

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

PLACE = "place"
"""The column of the place, after the features; in training only."""

GRADES = (-np.inf, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Values of what was done from which on a grade of the ranking part begins; 0 is that nothing was done."""

LIGHTGBM = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}
"""Heads are trained side by side, since threads of one forest wait for each other. LightGBM has one number of
threads in a process, so data sets must ask for the same: sums over several threads have other last digits."""


class Bench:
    """Examples in their parts, binned once for all heads, and what is done about the place."""

    def __init__(
        self, examples: Examples, parts: Sequence[Rows], position: Position = "ignored", seed: int = 7
    ) -> None:
        self.examples = examples
        self.learn, self.watched, self.tested = parts
        self.weight = examples.weight.astype(np.float64)
        self.value = examples.labels @ WEIGHTS
        earlier = replace(examples, features=examples.features[:, :0])[self.learn]
        self.position, self.handled = chosen(position, earlier)
        self.look = np.ones(len(examples))
        if self.position == "propensity":
            curve = examination(earlier)
            self.look = curve.min() / at_places(curve, examples.place)
        self._bin(seed)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Examples to learn from, to watch and to test."""
        return len(self.learn), len(self.watched), len(self.tested)

    def _bin(self, seed: int) -> None:
        columns, names = self.examples.features, list(features.NAMES)
        if self.position == "place":
            place = np.where(self.examples.place >= 0, self.examples.place, np.nan).astype(np.float32)
            columns, names = np.column_stack([columns, place]), [*names, PLACE]
        # Knobs that a search turns must not change which columns are kept.
        fixed = {"feature_pre_filter": False, "data_random_seed": seed, **LIGHTGBM}
        zeros = np.zeros(len(columns), np.float32)
        self._binned = lightgbm.Dataset(columns, zeros, feature_name=names, params=fixed).construct()
        self.names = tuple(names)

    def data(self, rows: Rows, head: str) -> lightgbm.Dataset:
        """Rows, labelled for a head or graded for RANKING; a copy, so that heads can be trained at once."""
        data = self._binned.subset(rows.tolist()).construct()
        data.set_weight(self.examples.weight[rows])
        if head == RANKING:
            data.set_label(np.searchsorted(GRADES, self.value[rows], "right") - 1)
            data.set_group(np.unique(self.examples.group[rows], return_counts=True)[1])
        else:
            data.set_label(self.examples.labels[rows, NAMES.index(head)] * self.look[rows])
        return data

    def served(self, boosters: dict[str, list[lightgbm.Booster]]) -> Forest:
        """The forest of these boosters, without any test of the place: all stand at the first one."""
        forest = forest_from_boosters(boosters)
        return pinned(forest, self.names.index(PLACE), 0.0) if PLACE in self.names else forest

    def raw(self, boosters: dict[str, list[lightgbm.Booster]], rows: Rows) -> Floats:
        """Raw scores of rows, (n, len(boosters)), as the bundle would give them."""
        return raw_scores(steps_of(self.served(boosters)), self.examples.features[rows])


def parts_by_time(examples: Examples, *shares: float) -> list[Rows]:
    """Rows of the examples in parts, one after the other in time: what is left, then parts of these shares.

    What was shown together stays together, in the later part.
    """
    order = np.lexsort((examples.group, examples.time_ms))
    cuts = np.round(len(order) * (1 - np.cumsum(shares[::-1])[::-1])).astype(np.intp)
    part = np.empty(len(order), np.intp)
    part[order] = np.searchsorted(cuts, np.arange(len(order)), "right")
    _, group = np.unique(examples.group, return_inverse=True)
    of_group = np.zeros(len(order), np.intp)
    np.maximum.at(of_group, group, part)
    return [np.flatnonzero(of_group[group] == number) for number in range(len(shares) + 1)]
