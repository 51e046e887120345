"""Calibration: from a head's raw score to a probability that can be believed.

A calibration is a rising line, or a rising chain of lines, from the raw score (log odds, as the trees add
them up) to the log odds of the probability. Training chooses it on data that the trees have not seen
(`training.calibration`); a bundle's manifest holds it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import BaseModel, Field, FiniteFloat, model_validator

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

MAX_KNOTS = 64
CELLS = 256
LEAST_GAP = 1e-12
"""Knots nearer to each other than this are not told apart."""
_MOST = 700.0
"""Log odds beyond this are taken as this: exp overflows beyond 709."""
_FURTHEST = 1e300
"""A raw score beyond this is taken as this: leaves are finite, but their sum may not be."""


class Platt(BaseModel, frozen=True, extra="forbid"):
    """sigmoid(a * raw + b). Source: J. Platt, Probabilistic outputs for support vector machines, 1999."""

    kind: Literal["platt"] = "platt"
    a: FiniteFloat = Field(1.0, gt=0)
    """Slope; 1 for LightGBM's own probability."""
    b: FiniteFloat = 0.0
    """Intercept; 0 for LightGBM's own probability."""


class Isotonic(BaseModel, frozen=True, extra="forbid"):
    """Knots that a rising curve runs through, straight between them in log odds, level beyond them.

    Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002.
    """

    kind: Literal["isotonic"] = "isotonic"
    x: tuple[FiniteFloat, ...] = Field(min_length=2, max_length=MAX_KNOTS)
    """Raw scores, each above the one before."""
    y: tuple[FiniteFloat, ...] = Field(min_length=2, max_length=MAX_KNOTS)
    """Probabilities between 0 and 1, none below the one before."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.x) != len(self.y):
            raise ValueError(f"{len(self.x)} knots have {len(self.y)} probabilities")
        if (np.diff(self.x) <= 0).any() or (np.diff(self.y) < 0).any():
            raise ValueError("the knots of the isotonic curve do not rise")
        if not 0 < self.y[0] <= self.y[-1] < 1:
            raise ValueError("a knot's probability is not between 0 and 1")
        if np.diff(self.x).min() < LEAST_GAP:  # else slopes and cells overflow, and a cell has no number
            raise ValueError(f"two knots of the isotonic curve are nearer to each other than {LEAST_GAP}")
        return self


Calibration = Annotated[Platt | Isotonic, Field(discriminator="kind")]


class Chains(NamedTuple):
    """Calibrations of several heads as the kernel reads them: lines from point to point."""

    head_lines: Ints
    """(heads + 1,): head h owns the lines head_lines[h] to head_lines[h + 1], the latter not included."""
    begin: Doubles
    """(lines,): the raw score from which a line holds; -inf for a head's first."""
    x: Doubles
    """(lines,): a point of the line: raw score ..."""
    z: Doubles
    """(lines,): ... and log odds."""
    slope: Doubles
    """(lines,): 0 or more."""
    lowest: Doubles
    """(heads,): the raw score at which a head's cells begin ..."""
    cells: Doubles
    """(heads,): ... and how many there are to a unit of raw score; 0 for one line."""
    cell_line: Ints
    """(heads, CELLS): a line that begins below the cell, from which the right one is a step or two away."""


def chains(calibrations: Sequence[Platt | Isotonic]) -> Chains:
    """The calibrations of heads, in their order, ready for `probabilities`."""
    lines = [_lines(calibration) for calibration in calibrations]
    head_lines = np.cumsum([0, *(len(begin) for begin, *_ in lines)]).astype(np.int32)
    begin, x, z, slope = (np.concatenate(column) for column in zip(*lines, strict=True))
    lowest, cells, of_cell = zip(*(_cells(begin) for begin, *_ in lines), strict=True)
    cell_line = (np.array(of_cell) + head_lines[:-1, None]).astype(np.int32)
    return Chains(head_lines, begin, x, z, slope, np.array(lowest), np.array(cells), cell_line)


def _cells(begin: Doubles) -> tuple[float, float, Ints]:
    """Where the cells of a head begin, how many there are to a unit, and a line that begins below each."""
    if len(begin) == 1:
        return 0.0, 0.0, np.zeros(CELLS, np.int32)
    lowest, each = float(begin[1]), (CELLS - 1) / float(begin[-1] - begin[1])
    below = lowest + (np.arange(CELLS) - 0.5) / each
    return lowest, each, (np.searchsorted(begin, below, "right") - 1).astype(np.int32)


def probabilities(raw: Doubles, calibrations: Chains) -> Doubles:
    """Calibrated probabilities: float64 (n, heads), for raw scores of float64 (n, heads).

    >>> platt, isotonic = Platt(a=0.5, b=-1.0), Isotonic(x=(0.0, 4.0), y=(0.2, 0.8))
    >>> probabilities(np.array([[2.0, 2.0], [2.0, 9.0]]), chains([platt, isotonic])).round(6).tolist()
    [[0.5, 0.5], [0.5, 0.8]]
    """
    calibrated = np.empty(raw.shape)
    _against(raw, calibrations, calibrated)
    np.exp(calibrated, out=calibrated)
    calibrated += 1.0
    return np.divide(1.0, calibrated, out=calibrated)


def _lines(calibration: Platt | Isotonic) -> tuple[Doubles, ...]:
    """Begin, point and slope of each line."""
    if isinstance(calibration, Platt):
        return tuple(np.array([value]) for value in (-np.inf, 0.0, calibration.b, calibration.a))
    x, y = np.array(calibration.x), np.array(calibration.y)
    z = np.log(y) - np.log1p(-y)
    slope = np.concatenate([[0.0], np.diff(z) / np.diff(x), [0.0]])
    return np.append(-np.inf, x), np.append(x[0], x), np.append(z[0], z), slope


@njit(cache=True, nogil=True)
def _against(raw: Doubles, chain: Chains, out: Doubles) -> None:
    """Write the log odds against: those of the probability with the other sign."""
    for head in range(raw.shape[1]):
        end = chain.head_lines[head + 1]
        for row in range(len(raw)):
            score = min(max(raw[row, head], -_FURTHEST), _FURTHEST)
            cell = min(max((score - chain.lowest[head]) * chain.cells[head], 0.0), CELLS - 1.0)
            low = chain.cell_line[head, int(cell)]
            while low + 1 < end and chain.begin[low + 1] <= score:
                low += 1
            log_odds = chain.z[low] + chain.slope[low] * (score - chain.x[low])
            out[row, head] = -min(max(log_odds, -_MOST), _MOST)
