"""Rings: the last few of something, each once, a matrix row each.

The newest is at `count - 1`, modulo the width.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import NONE, Slots


@numba.njit(cache=True, nogil=True)
def change(
    ring: Slots, count: NDArray[np.int64], rows: Slots, values: Slots, amounts: NDArray[np.float32]
) -> None:
    """Push values whose amount is positive and take out those whose amount is negative, one after the other.

    ring: int32 (rows, width), changed in place. count: int64 (rows,), how many were ever pushed. A row or
    value of NONE and an amount of 0 are passed over, and so is a push of a value that is there.
    """
    width = ring.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or values[i] < 0 or amounts[i] == 0:
            continue
        place = -1
        for j in range(min(count[row], width)):
            if ring[row, j] == values[i]:
                place = j
        if amounts[i] < 0 and place >= 0:
            ring[row, place] = -1
        elif amounts[i] > 0 and place < 0:
            ring[row, count[row] % width] = values[i]
            count[row] += 1


def push(ring: Slots, count: NDArray[np.int64], rows: Slots, values: Slots) -> None:
    """Push values, one after the other; what `change` passes over is passed over."""
    change(ring, count, rows, values, np.ones(len(rows), np.float32))


def discard(ring: Slots, count: NDArray[np.int64], rows: Slots, values: Slots) -> None:
    """Empty the places that hold the values."""
    change(ring, count, rows, values, np.full(len(rows), -1, np.float32))


def newest(ring: Slots, count: NDArray[np.int64], row: int, most: int | None = None) -> Slots:
    """A row's values, the newest first, without empty places. A column place beyond the count is empty."""
    width = ring.shape[1]
    held = min(int(count[row]), width, most or width)
    at = (int(count[row]) - 1 - np.arange(held)) % width
    values = ring[row, at]
    kept: Slots = values[values != NONE]
    return kept


@numba.njit(cache=True, nogil=True)
def newest_of_many(ring: Slots, count: NDArray[np.int64], rows: Slots, most: int) -> Slots:
    """The newest `most` values of each row: int32 (n, most), newest first, padded with NONE."""
    out = np.full((len(rows), most), -1, np.int32)
    width = ring.shape[1]
    for i in range(len(rows)):
        if rows[i] >= 0:
            for j in range(min(count[rows[i]], width, most)):
                out[i, j] = ring[rows[i], (count[rows[i]] - 1 - j) % width]
    return out
