"""Tables: all that the state is made of.

A table is declared as a class whose fields say what each row holds. Growth, renumbering, snapshots, the
memory report and comparison all follow from the declaration:

>>> from ranker.state.columns import column, ragged
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

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import NONE, Array, Column, Ragged, RaggedColumn, Slots, lengthened
from ranker.state.growing import Growing, GrowingColumns

_STEP = 8
"""A table grows by one part in so many."""
_READERS = 2
"""Threads that take over arrays: it is the system's work, for gigabytes."""


class Table:
    """Rows of declared columns; a row's number is its slot.

    Arrays are longer than `size`: rows past it are blank, and there is always one. So NONE, the last row to
    NumPy, reads as a row of which nothing is known. Growing replaces the arrays: ask for a column anew each
    time.
    """

    columns: ClassVar[dict[str, Column]]
    raggeds: ClassVar[dict[str, RaggedColumn]]
    growings: ClassVar[dict[str, GrowingColumns]]

    def __init_subclass__(cls) -> None:
        declared = {name: spec for base in reversed(cls.__mro__) for name, spec in vars(base).items()}
        cls.columns = {n: s for n, s in declared.items() if isinstance(s, Column)}
        cls.raggeds = {n: s for n, s in declared.items() if isinstance(s, RaggedColumn)}
        cls.growings = {n: s for n, s in declared.items() if isinstance(s, GrowingColumns)}

    def __init__(self, **shapes: int) -> None:
        """`shapes` replaces the length of columns declared with 0 values a row, by name."""
        self.size = 0
        # Longer than the columns: what nobody has written to takes no memory, and growing copies nothing.
        self._bases = {
            name: np.zeros((64, *(n or shapes[name] for n in spec.shape)), spec.dtype)
            for name, spec in self.columns.items()
        }
        self.growing = {name: Growing(spec, shapes) for name, spec in self.growings.items()}
        for name, ragged_spec in self.raggeds.items():
            setattr(self, name, Ragged(ragged_spec))
        for name, rows in self.growing.items():
            for part in rows.spec.fields:
                setattr(self, f"{name}{part and '_'}{part}", rows.field(part))
        self.capacity = 0
        self._resize(64)

    def append(self, count: int = 1) -> int:
        """Add rows; the first one's slot."""
        first, self.size = self.size, self.size + count
        if self.size >= self.capacity:
            self._resize(max(self.size + 1, 128, self.capacity + self.capacity // _STEP))
        return first

    def reserve(self, changes: int) -> None:
        """Make sure that so many changes of each growing row find room, so that they copy no pool.

        Whoever writes may do so while others read: they find the same values in the old pools and the new.
        """
        for rows in self.growing.values():
            rows.reserve(changes)

    def _resize(self, rows: int) -> None:
        """Make the columns longer, with blank rows."""
        for name, spec in self.columns.items():
            if rows > len(self._bases[name]):
                self._bases[name] = lengthened(self._bases[name][: self.capacity], 2 * rows)
            if spec.fill:
                self._bases[name][self.capacity : rows] = spec.fill
            setattr(self, name, self._bases[name][:rows])
        for rows_of in self._lists():
            rows_of.resize(rows)
        self.capacity = rows

    @property
    def _kept(self) -> list[str]:
        return [name for name, spec in self.columns.items() if not spec.derived]

    def _lists(self) -> list[Ragged | Growing]:
        return [*(getattr(self, name) for name in self.raggeds), *self.growing.values()]

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every column's rows, without the spare ones: the content, whatever its layout in memory."""
        for name in self._kept:
            yield name, getattr(self, name)[: self.size]
        for name in self.raggeds:
            lengths, values = getattr(self, name).gathered(np.arange(self.size))
            yield f"{name}.lengths", lengths
            yield f"{name}.values", values
        for name, rows in self.growing.items():
            yield from (
                (f"{name}.{part}", array) for part, array in rows.arrays(np.arange(self.size)).items()
            )

    def load(self, size: int, arrays: dict[str, Array]) -> None:
        """Take over what `arrays` gave; the arrays are taken out of the dict and copied."""
        self.size = self.capacity = size
        rows = max(size + 1 + size // _STEP, 64)

        def take(name: str) -> None:
            if name in self._kept:
                self._bases[name] = lengthened(arrays.pop(name), 2 * rows)
            elif name in self.raggeds:
                getattr(self, name).load(arrays.pop(f"{name}.lengths"), arrays.pop(f"{name}.values"))
            else:
                growing = self.growing[name]
                growing.load({part: arrays.pop(f"{name}.{part}") for part in growing.parts})

        with ThreadPoolExecutor(_READERS) as readers:
            list(readers.map(take, (*self._kept, *self.raggeds, *self.growing)))
        for name in self.columns.keys() - self._kept:
            self._bases[name] = np.zeros((2 * rows, *self._bases[name].shape[1:]), self._bases[name].dtype)
        self._resize(rows)
        self.derive(np.arange(size, dtype=np.int32))

    def derive(self, rows: Slots) -> None:
        """Make the derived columns of rows anew: who changes what they are made of calls it."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, in this order, and drop the others."""
        kept = {}
        for name in self._kept:
            kept[name] = getattr(self, name)[rows]
        for name in self.raggeds:
            kept[f"{name}.lengths"], kept[f"{name}.values"] = getattr(self, name).gathered(rows)
        for name, growing in self.growing.items():
            kept |= {f"{name}.{part}": array for part, array in growing.arrays(rows).items()}
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
        for growing in self.growing.values():
            growing.renumber(table, lookup)

    def _renumber_ragged(self, rows: Ragged, lookup: Slots) -> None:
        lengths, values = rows.gathered(np.arange(self.size))
        moved = lookup[values]
        owner = np.repeat(np.arange(self.size), lengths)[moved != NONE]
        alive = moved[moved != NONE]
        order = np.lexsort((alive, owner))  # rows of slots are kept sorted
        rows.load(np.bincount(owner, minlength=self.size).astype(np.int32), alive[order])
        rows.resize(self.capacity)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Bytes of each column that were written to: blanks other than zeros are, zeros are not."""
        for name, spec in self.columns.items():
            yield name, getattr(self, name)[: self.capacity if spec.fill else self.size].nbytes
        for name in self.raggeds:
            yield name, getattr(self, name).nbytes
        for name, growing in self.growing.items():
            yield name, growing.nbytes
