"""Rows of up to a fixed number of places that take memory as they fill.

Each row has a block in pools that all rows share, one pool a field. A row that needs another place moves to a
block twice as long, at the end of the pools, until it has its full width. What a row holds, and how long its
block is, follow from its own history alone; where the block lies does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import kernel
from ranker.state.columns import Array, Column, Slots, gathered, lengthened, raw

Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class GrowingColumns:
    """Up to `width` places a row, each with a value of every field; a block begins with `least` places."""

    width: int
    fields: Mapping[str, Column]
    least: int = 4


def growing(width: int, least: int = 4, **fields: Column) -> Any:
    """Declare fields that grow together; the field `f` of `g` is the table's `g_f`."""
    return GrowingColumns(width, fields, least)


def ring(width: int, of: str) -> Any:
    """Declare a ring of slots of a table: one growing field, named as it is declared."""
    return GrowingColumns(width, {"": Column(np.int32, (), -1, of)})


class Layout(NamedTuple):
    """Where the blocks of rows are, for kernels: int64 (rows,), int32 (rows,), int64 (1,), two lengths."""

    start: Int64s
    room: Slots
    used: Int64s
    width: int
    least: int


class Growing:
    """The rows of one declaration. `start` and `room` say where the block of a row is, and how long."""

    def __init__(self, spec: GrowingColumns, lengths: Mapping[str, int] | None = None) -> None:
        """`lengths` replaces the length of fields declared with 0 values a place, by name."""
        self.spec = spec
        self.start = np.zeros(0, np.int64)
        self.room = np.zeros(0, np.int32)
        self.used = np.zeros(1, np.int64)
        self.pools: dict[str, Array] = {
            name: np.zeros((64, *(n or (lengths or {})[name] for n in one.shape)), one.dtype)
            for name, one in spec.fields.items()
        }

    def field(self, name: str = "") -> "Field":
        """A field, to read and to hand to a kernel."""
        return Field(self, name)

    @property
    def layout(self) -> Layout:
        """What a kernel must know to find a row's block, and to widen it; good until the next `resize`."""
        return Layout(self.start, self.room, self.used, self.spec.width, self.spec.least)

    def resize(self, rows: int) -> None:
        """Make room for `rows` rows; new ones are empty."""
        self.start, self.room = lengthened(self.start, rows), lengthened(self.room, rows)

    def reserve(self, changes: int) -> None:
        """Make sure that so many changes find room in the pools."""
        used, wanted = int(self.used[0]), changes * self.spec.width
        if used + wanted > len(next(iter(self.pools.values()))):
            for name, pool in self.pools.items():  # room that nobody writes to takes no memory
                self.pools[name] = lengthened(pool[:used], used * 3 // 2 + 4 * wanted)

    def blocks(self, name: str) -> Array:
        """A field's pool as a matrix, where every block begins with the full width: (blocks, width, ...)."""
        pool, width = self.pools[name], self.spec.width
        return pool[: len(pool) // width * width].reshape(-1, width, *pool.shape[1:])

    def claim(self, rows: Slots) -> None:
        """Give each of these rows its first block."""
        self.reserve(len(rows))
        if not len(new := list(dict.fromkeys(rows[self.room[rows] == 0].tolist()))):
            return
        first, least = int(self.used[0]), self.spec.least
        self.start[new], self.room[new] = first + least * np.arange(len(new)), least
        self.used[0] += least * len(new)
        for name, pool in self.pools.items():
            pool[first : self.used[0]] = self.spec.fields[name].fill

    @property
    def parts(self) -> list[str]:
        """The names of what `arrays` gives."""
        return ["room", *(name or "slots" for name in self.pools)]

    def arrays(self, rows: NDArray[np.int64]) -> dict[str, Array]:
        """Some rows: how long each block is, and the places of each field, in order."""
        start, room = self.start[rows], self.room[rows]
        places = (gathered(pool, start, room) for pool in self.pools.values())
        return dict(zip(self.parts, (room, *places), strict=True))

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `arrays` gave."""
        self.room = np.array(arrays["room"])
        self.start = np.cumsum(self.room, dtype=np.int64) - self.room
        self.used[0] = self.room.sum()
        for name, part in zip(self.pools, self.parts[1:], strict=True):
            self.pools[name] = lengthened(arrays[part], len(arrays[part]) * 5 // 4 + 64)

    def renumber(self, table: str, lookup: Slots) -> None:
        """Slots of `table` moved: `i` is now `lookup[i]`, whose last is NONE."""
        for name, spec in self.spec.fields.items():
            if spec.of == table:
                values = self.pools[name][: self.used[0]]
                values[...] = lookup[values]

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        places = sum(pool[: self.used[0]].nbytes for pool in self.pools.values())
        return places + self.start.nbytes + self.room.nbytes


class Field:
    """One field of growing rows. Read as a matrix, its rows are filled up to the width with blanks."""

    def __init__(self, rows: Growing, name: str) -> None:
        self.rows = rows
        self.spec = rows.spec.fields[name]
        self._name = name

    @property
    def pool(self) -> Array:
        """The places of all rows; kernels index it with `rows.start`."""
        return self.rows.pools[self._name]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the matrix."""
        return (len(self.rows.start), self.rows.spec.width, *self.pool.shape[1:])

    def __len__(self) -> int:
        return len(self.rows.start)

    def block(self, row: int) -> Array:
        """The places that a row has, a view: valid until the next write."""
        start = self.rows.start[row]
        return self.pool[start : start + self.rows.room[row]]

    def __getitem__(self, key: Any) -> Array:
        """What the matrix gives for rows: an int, a slice or an array; and for a row and places in it."""
        if isinstance(key, tuple):
            place: Array = self[int(key[0])][key[1:]]
            return place
        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        rows = np.asarray(key, np.int32)
        values = self._filled(rows.ravel())
        return values.reshape(*rows.shape, *values.shape[1:])

    def _filled(self, rows: Slots) -> Array:
        pool = self.pool
        out = np.full((len(rows), self.rows.spec.width, *pool.shape[1:]), self.spec.fill, pool.dtype)
        values = raw(pool)
        _fill(values.ravel(), self.rows.start, self.rows.room, rows, values.shape[1], raw(out))
        return out


@numba.njit(cache=True, nogil=True)
def _fill(
    pool: NDArray[np.uint8], start: Int64s, room: Slots, rows: Slots, size: int, out: NDArray[np.uint8]
) -> None:
    """Copy blocks of places of `size` bytes to the begin of rows."""
    for i in range(len(rows)):
        first, held = start[rows[i]] * size, room[rows[i]] * size
        out[i, :held] = pool[first : first + held]


@numba.njit(cache=True, nogil=True)
def widened(rows: Layout, row: int) -> int:
    """Give a row a block twice as long; where the old one is. The caller moves each field with `move`."""
    old: int = rows.start[row]
    rows.start[row] = rows.used[0]
    rows.room[row] = min(max(rows.least, 2 * rows.room[row]), rows.width)
    rows.used[0] += rows.room[row]
    return old


@numba.njit(cache=True, nogil=True)
def move(pool: Array, old: int, kept: int, new: int, room: int, blank: float) -> None:
    """Move the first `kept` places of a block to one of `room` places, and blank the others."""
    for j in range(kept):
        pool[new + j] = pool[old + j]
    for j in range(kept, room):
        pool[new + j] = blank


@kernel
def last_of(places: Slots, value: int) -> int:
    """Where a value stands last; -1 where it does not. Written so that the compiler makes vectors of it."""
    last = np.int32(-1)
    for j in range(len(places)):
        last = max(last, np.int32(j) if places[j] == value else np.int32(-1))
    return int(last)
