"""Rings: the last few of something, each once.

The newest is at `count - 1`, modulo the width; `count` says how many were ever pushed.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots
from ranker.state.growing import Field, Int64s, Layout, last_of, move, widened

_A_LINE = 16
"""Slots in a line of memory."""


class Ring(NamedTuple):
    """A ring of a table, for kernels; good until the table grows."""

    pool: Slots
    rows: Layout
    counts: Int64s


def ring_of(field: Field, count: Int64s) -> Ring:
    """The ring of a field, whose pushes are counted in `count`, int64 (rows,)."""
    return Ring(field.pool, field.rows.layout, count)


def change(ring: Field, count: Int64s, rows: Slots, values: Slots, amounts: NDArray[np.float32]) -> None:
    """Push values whose amount is positive and take out those whose amount is negative, one after the other.

    count: int64 (rows,), changed in place. A row or value of NONE and an amount of 0 are passed over, and so
    is a push of a value that is there.
    """
    ring.rows.reserve(len(rows))
    changed(ring_of(ring, count), rows, values, amounts)


@kernel
def changed(ring: Ring, rows: Slots, values: Slots, amounts: NDArray[np.float32]) -> NDArray[np.bool_]:
    """`change`, for kernels: the ring has room for all. Returns which values were pushed, bool (n,)."""
    pool, held, count = ring  # once: what is taken out of a tuple in a loop is counted each time
    start, room, _, width, _ = held
    pushed = np.zeros(len(rows), np.bool_)
    _ask(pool, start, room, width, count, rows, amounts)
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or values[i] < 0 or amounts[i] == 0:
            continue
        first = start[row]
        place = last_of(pool[first : first + min(count[row], width)], values[i])
        if amounts[i] < 0 and place >= 0:
            pool[first + place] = -1
        elif amounts[i] > 0 and place < 0:
            if count[row] == room[row] and room[row] < width:
                old = widened(held, row)
                move(pool, old, count[row], start[row], room[row], -1)
            pool[start[row] + count[row] % width] = values[i]
            count[row] += 1
            pushed[i] = True
    return pushed


@kernel
def _ask(
    pool: Slots,
    start: Int64s,
    room: Slots,
    width: int,
    count: Int64s,
    rows: Slots,
    amounts: NDArray[np.float32],
) -> None:
    """Ask for the memory of all that will be changed."""
    for i in range(len(rows)):
        if rows[i] >= 0 and amounts[i] != 0:
            fetch(count, rows[i])
            fetch(start, rows[i])
            fetch(room, rows[i])
    for i in range(len(rows)):
        if rows[i] >= 0 and amounts[i] != 0:
            first = start[rows[i]]
            for place in range(first, first + min(count[rows[i]], width) + 1, _A_LINE):
                fetch(pool, place)


def push(ring: Field, count: Int64s, rows: Slots, values: Slots) -> None:
    """Push values, one after the other; what `change` passes over is passed over."""
    change(ring, count, rows, values, np.ones(len(rows), np.float32))


def discard(ring: Field, count: Int64s, rows: Slots, values: Slots) -> None:
    """Empty the places that hold the values."""
    change(ring, count, rows, values, np.full(len(rows), -1, np.float32))


def newest(ring: Field, count: Int64s, row: int, most: int | None = None) -> Slots:
    """A row's values, the newest first, without empty places. A column place beyond the count is empty."""
    held, width = ring.rows, ring.rows.spec.width
    kept: Slots = _newest(ring.pool, held.start, width, count, row, width if most is None else most)
    return kept


@numba.njit(cache=True, nogil=True)
def _newest(pool: Slots, start: Int64s, width: int, count: Int64s, row: int, most: int) -> Slots:
    out, kept = np.empty(min(count[row], width, most), np.int32), 0
    at = (count[row] - 1) % width
    for _ in range(len(out)):
        out[kept] = pool[start[row] + at]
        kept += out[kept] >= 0
        at = at - 1 if at else width - 1
    return out[:kept]


def newest_of_many(ring: Field, count: Int64s, rows: Slots, most: int) -> Slots:
    """The newest `most` values of each row: int32 (n, most), newest first, padded with NONE."""
    return _newest_of_many(ring.pool, ring.rows.start, ring.rows.spec.width, count, rows, most)


@numba.njit(cache=True, nogil=True)
def _newest_of_many(pool: Slots, start: Int64s, width: int, count: Int64s, rows: Slots, most: int) -> Slots:
    out = np.full((len(rows), most), -1, np.int32)
    for i in range(len(rows)):
        row = rows[i]
        if row >= 0 and count[row] > 0:
            at = (count[row] - 1) % width
            held = min(count[row], width, most)
            first = start[row] + at
            for j in range(min(held, at + 1)):
                out[i, j] = pool[first - j]
            for j in range(at + 1, held):
                out[i, j] = pool[first - j + width]
    return out


def all_of_many(ring: Field, rows: Slots) -> Slots:
    """All values of some rows, one row after the other, without empty places: int32 (n,). NONE has none."""
    return _all_of_many(ring.pool, ring.rows.start, ring.rows.room, rows)


@numba.njit(cache=True, nogil=True)
def _all_of_many(pool: Slots, start: Int64s, room: Slots, rows: Slots) -> Slots:
    most = 0
    for row in rows:
        most += room[row] if row >= 0 else 0
    out, copied, kept = np.empty(most, np.int32), 0, 0
    for row in rows:  # whole blocks first: with no test inside, the processor fetches many at a time
        if row >= 0:
            for j in range(room[row]):
                out[copied + j] = pool[start[row] + j]
            copied += room[row]
    for i in range(copied):
        out[kept] = out[i]
        kept += out[kept] >= 0
    return out[:kept]
