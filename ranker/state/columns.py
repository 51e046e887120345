"""Columns and ragged rows: what the tables of the state are made of."""

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Slots = NDArray[np.int32]

NONE = -1
"""The slot of nothing: no such row."""


@dataclass(frozen=True)
class Column:
    """One value, or one small fixed block of values, a row. `of` names the table whose slots it holds.

    A derived one follows from the row's other columns: it is no content of its own, and no snapshot holds it.
    """

    dtype: DTypeLike
    shape: tuple[int, ...] = ()
    fill: float = 0
    of: str | None = None
    derived: bool = False


@dataclass(frozen=True)
class RaggedColumn:
    """A list of values a row, of any length."""

    dtype: DTypeLike
    of: str | None = None


def column(
    dtype: DTypeLike, *shape: int, fill: float = 0, of: str | None = None, derived: bool = False
) -> Any:
    """Declare a column; a column of slots starts as NONE."""
    return Column(dtype, shape, NONE if of else fill, of, derived)


def ragged(dtype: DTypeLike, *, of: str | None = None) -> Any:
    """Declare a ragged column."""
    return RaggedColumn(dtype, of)


class Ragged:
    """Rows of any length in one growing pool.

    A row that outgrows its place moves to the end of the pool; the pool is packed anew when over half of
    it is holes. A row read is a view: it is valid until the next write.
    """

    def __init__(self, spec: RaggedColumn) -> None:
        self.spec = spec
        self.start = np.zeros(0, np.int64)
        self.length = np.zeros(0, np.int32)
        self.room = np.zeros(0, np.int32)
        self.pool: Array = np.zeros(1024, spec.dtype)
        self.used = 0

    def __getitem__(self, row: int) -> Array:
        start = self.start[row]
        return self.pool[start : start + self.length[row]]

    def set(self, row: int, values: ArrayLike) -> None:
        """Replace a row."""
        fresh = np.asarray(values, self.spec.dtype)
        if len(fresh) > self.room[row]:
            self._move(row, len(fresh))
        self.length[row] = len(fresh)
        self[row][:] = fresh

    def set_all(self, rows: Slots, texts: Sequence[bytes]) -> None:
        """Replace different rows of bytes."""
        length = np.fromiter(map(len, texts), np.int32, len(texts))
        if self.used + length.sum() > len(self.pool):
            self._pack(int(length.sum()))
        grown = np.flatnonzero(length > self.room[rows])  # after packing, which leaves a row no room to spare
        ends = self.used + np.cumsum(length[grown], dtype=np.int64)
        self.start[rows[grown]], self.room[rows[grown]] = ends - length[grown], length[grown]
        self.length[rows] = length
        self.used += int(length[grown].sum())
        values = np.frombuffer(b"".join(texts), np.uint8)
        _scatter(self.pool, self.start[rows], length, values)

    def insert(self, row: int, value: int) -> bool:
        """Add a value to a row that is kept sorted; False when it was there."""
        held = self[row]
        at = int(np.searchsorted(held, value))
        if at < len(held) and held[at] == value:
            return False
        if len(held) == self.room[row]:
            self._move(row, max(4, 2 * len(held)))
        self.length[row] += 1
        wider = self[row]
        wider[at + 1 :] = wider[at:-1].copy()
        wider[at] = value
        return True

    def discard(self, row: int, value: int) -> bool:
        """Take a value out of a sorted row; False when it was not there."""
        held = self[row]
        at = int(np.searchsorted(held, value))
        if at == len(held) or held[at] != value:
            return False
        held[at:-1] = held[at + 1 :].copy()
        self.length[row] -= 1
        return True

    def resize(self, rows: int) -> None:
        """Make room for `rows` rows; new ones are empty."""
        for name in ("start", "length", "room"):
            setattr(self, name, lengthened(getattr(self, name), rows))

    def _move(self, row: int, room: int) -> None:
        kept = self[row].copy()
        if self.used + room > len(self.pool):
            self._pack(room)
        self.start[row], self.room[row] = self.used, room
        self.used += room
        self[row][:] = kept

    def _pack(self, extra: int) -> None:
        """Close the holes, and leave as much room again as is in use."""
        lengths, values = self.gathered(np.arange(len(self.start)))
        self.load(lengths, values, spare=len(values) + extra)

    def gathered(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], Array]:
        """Some rows as their lengths and one array of their values, in order."""
        length = self.length[rows]
        return length, gathered(self.pool, self.start[rows], length)

    def load(self, lengths: NDArray[np.int32], values: Array, spare: int | None = None) -> None:
        """Take over what `gathered` gave."""
        self.length, self.room = np.array(lengths), np.array(lengths)
        self.start = np.cumsum(lengths, dtype=np.int64) - lengths
        self.pool = lengthened(values, len(values) + (len(values) // 4 + 1024 if spare is None else spare))
        self.used = len(values)

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self.pool[: self.used].nbytes + self.start.nbytes + self.length.nbytes + self.room.nbytes


def padded(slots: Sequence[int], width: int) -> Slots:
    """The different slots, cut and filled with NONE to a width.

    >>> padded([3, NONE, 5, 3], 4).tolist()
    [3, 5, -1, -1]
    """
    kept = [slot for slot in dict.fromkeys(slots) if slot != NONE][:width]
    return np.array(kept + [NONE] * (width - len(kept)), np.int32)


def lengthened(array: Array, rows: int) -> Array:
    """A copy with so many rows, cut or with zeros at its end; those take no memory until they are written."""
    copy = np.zeros((rows, *array.shape[1:]), array.dtype)
    kept = min(rows, len(array))
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):  # read: copying a map takes thrice
        with open(str(array.filename), "rb") as file:
            file.seek(array.offset)
            file.readinto(copy[:kept].reshape(-1).view(np.uint8).data)
    else:
        copy[:kept] = array[:kept]
    return copy


def gathered(pool: Array, start: NDArray[np.int64], length: NDArray[np.int32]) -> Array:
    """Pieces of a pool, one after the other."""
    out = np.empty((int(length.sum(dtype=np.int64)), *pool.shape[1:]), pool.dtype)
    if len(out):
        _gather(raw(pool), start, length, raw(out))
    return out


def raw(pool: Array) -> NDArray[np.uint8]:
    """The bytes of a pool, a row a place."""
    return pool.reshape(len(pool), math.prod(pool.shape[1:])).view(np.uint8)


@numba.njit(cache=True, nogil=True)
def _gather(
    pool: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int32], out: NDArray[np.uint8]
) -> None:
    at = 0
    for i in range(len(start)):
        for j in range(start[i], start[i] + length[i]):
            for b in range(out.shape[1]):
                out[at, b] = pool[j, b]
            at += 1


@numba.njit(cache=True, nogil=True)
def _scatter(
    pool: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int32],
    values: NDArray[np.uint8],
) -> None:
    at = 0
    for i in range(len(start)):
        for j in range(length[i]):
            pool[start[i] + j] = values[at + j]
        at += length[i]
