"""Columns, tables and ragged rows: all that the state is made of.

A table is declared as a class whose fields say what each row holds. Growth, renumbering, snapshots, the
memory report and comparison all follow from the declaration:

>>> class Birds(Table):
...     wings = column(np.int8, fill=2)
...     friends = ragged(np.int32, of="bird")
>>> birds = Birds()
>>> birds.append(3)
0
>>> birds.wings[: birds.size].tolist()
[2, 2, 2]
>>> birds.friends.set(0, [2, 1])
>>> birds.friends[0].tolist()
[2, 1]
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Slots = NDArray[np.int32]

NONE = -1
"""The slot of nothing: no such row."""


@dataclass(frozen=True)
class Column:
    """One value, or one small fixed block of values, a row. `of` names the table whose slots it holds."""

    dtype: DTypeLike
    shape: tuple[int, ...] = ()
    fill: float = 0
    of: str | None = None


@dataclass(frozen=True)
class RaggedColumn:
    """A list of values a row, of any length."""

    dtype: DTypeLike
    of: str | None = None


def column(dtype: DTypeLike, *shape: int, fill: float = 0, of: str | None = None) -> Any:
    """Declare a column; a column of slots starts as NONE."""
    return Column(dtype, shape, NONE if of else fill, of)


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
            setattr(self, name, _resized(getattr(self, name), rows, 0))

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
        ends = np.cumsum(length, dtype=np.int64)
        shift = np.repeat(self.start[rows] - (ends - length), length)
        return length, self.pool[np.arange(ends[-1] if len(rows) else 0) + shift]

    def load(self, lengths: NDArray[np.int32], values: Array, spare: int = 1024) -> None:
        """Take over what `gathered` gave."""
        self.length = lengths.copy()
        self.room = lengths.copy()
        self.start = np.cumsum(lengths, dtype=np.int64) - lengths
        self.pool = np.concatenate([values, np.zeros(spare, self.spec.dtype)])
        self.used = len(values)

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self.pool.nbytes + self.start.nbytes + self.length.nbytes + self.room.nbytes


class Table:
    """Rows of declared columns; a row's number is its slot.

    Arrays are longer than `size`: rows past it are blank, and there is always one. So NONE, the last row to
    NumPy, reads as a row of which nothing is known. Growing replaces the arrays: ask for a column anew each
    time.
    """

    columns: ClassVar[dict[str, Column]]
    raggeds: ClassVar[dict[str, RaggedColumn]]

    def __init_subclass__(cls) -> None:
        declared = {name: spec for base in reversed(cls.__mro__) for name, spec in vars(base).items()}
        cls.columns = {n: s for n, s in declared.items() if isinstance(s, Column)}
        cls.raggeds = {n: s for n, s in declared.items() if isinstance(s, RaggedColumn)}

    def __init__(self, **shapes: int) -> None:
        """`shapes` replaces the length of columns declared with 0 values a row, by name."""
        self.size = 0
        for name, spec in self.columns.items():
            shape = tuple(n or shapes[name] for n in spec.shape)
            setattr(self, name, np.full((0, *shape), spec.fill, spec.dtype))
        for name, ragged_spec in self.raggeds.items():
            setattr(self, name, Ragged(ragged_spec))
        self._resize(64)

    def append(self, count: int = 1) -> int:
        """Add rows; the first one's slot."""
        first, self.size = self.size, self.size + count
        if self.size >= self.capacity:
            self._resize(max(self.size + 1, self.capacity * 2))
        return first

    @property
    def capacity(self) -> int:
        """Rows of the arrays."""
        return len(getattr(self, next(iter(self.columns))))

    def _resize(self, rows: int) -> None:
        for name, spec in self.columns.items():
            setattr(self, name, _resized(getattr(self, name), rows, spec.fill))
        for name in self.raggeds:
            getattr(self, name).resize(rows)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every column's rows, without the spare ones: the content, whatever its layout in memory."""
        for name in self.columns:
            yield name, getattr(self, name)[: self.size]
        for name in self.raggeds:
            lengths, values = getattr(self, name).gathered(np.arange(self.size))
            yield f"{name}.lengths", lengths
            yield f"{name}.values", values

    def load(self, size: int, arrays: dict[str, Array]) -> None:
        """Take over what `arrays` gave; the arrays are copied."""
        self.size = size
        for name, spec in self.columns.items():
            setattr(self, name, _resized(arrays[name], max(size + 1, 64), spec.fill))
        for name in self.raggeds:
            getattr(self, name).load(arrays[f"{name}.lengths"], arrays[f"{name}.values"])
            getattr(self, name).resize(self.capacity)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, in this order, and drop the others."""
        kept = {}
        for name in self.columns:
            kept[name] = getattr(self, name)[rows]
        for name in self.raggeds:
            kept[f"{name}.lengths"], kept[f"{name}.values"] = getattr(self, name).gathered(rows)
        self.load(len(rows), kept)

    def renumber(self, table: str, mapping: Slots) -> None:
        """The slots of `table` moved: old slot `i` is now `mapping[i]`, or NONE when it is gone."""
        lookup = np.append(mapping, np.int32(NONE))  # slot -1 reads the last: NONE stays NONE
        for name, spec in self.columns.items():
            if spec.of == table:
                values = getattr(self, name)
                values[...] = lookup[values]
        for name, ragged_spec in self.raggeds.items():
            if ragged_spec.of == table:
                self._renumber_ragged(getattr(self, name), lookup)

    def _renumber_ragged(self, rows: Ragged, lookup: Slots) -> None:
        lengths, values = rows.gathered(np.arange(self.size))
        moved = lookup[values]
        owner = np.repeat(np.arange(self.size), lengths)[moved != NONE]
        alive = moved[moved != NONE]
        order = np.lexsort((alive, owner))  # rows of slots are kept sorted
        rows.load(np.bincount(owner, minlength=self.size).astype(np.int32), alive[order])
        rows.resize(self.capacity)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Bytes of each column."""
        for name in (*self.columns, *self.raggeds):
            yield name, getattr(self, name).nbytes


def padded(slots: Sequence[int], width: int) -> Slots:
    """The different slots, cut and filled with NONE to a width.

    >>> padded([3, NONE, 5, 3], 4).tolist()
    [3, 5, -1, -1]
    """
    kept = [slot for slot in dict.fromkeys(slots) if slot != NONE][:width]
    return np.array(kept + [NONE] * (width - len(kept)), np.int32)


def _resized(array: Array, rows: int, fill: float) -> Array:
    shape = (rows, *array.shape[1:])
    grown = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
    kept = min(rows, len(array))
    grown[:kept] = array[:kept]
    return grown
