"""Rings: the last few of something, each once, a matrix row each.

The newest is at `count - 1`, modulo the width.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import NONE, Slots


@numba.njit(cache=True, nogil=True)
def push(ring: Slots, count: NDArray[np.int64], rows: Slots, values: Slots) -> None:
    """Push values, one after the other; a row or value of NONE, and a value that is there, are passed over.

    ring: int32 (rows, width), changed in place. count: int64 (rows,), how many were ever pushed.
    """
    width = ring.shape[1]
    for i in range(len(rows)):
        if rows[i] < 0 or values[i] < 0:
            continue
        held = False
        for j in range(min(count[rows[i]], width)):
            held = held or ring[rows[i], j] == values[i]
        if not held:
            ring[rows[i], count[rows[i]] % width] = values[i]
            count[rows[i]] += 1


@numba.njit(cache=True, nogil=True)
def discard(ring: Slots, rows: Slots, values: Slots) -> None:
    """Empty the places that hold the values."""
    for i in range(len(rows)):
        if rows[i] >= 0 and values[i] >= 0:
            for j in range(ring.shape[1]):
                if ring[rows[i], j] == values[i]:
                    ring[rows[i], j] = -1


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
