"""The caller's ids and their slots, without a Python object an id.

Ids stand one after the other in a pool of bytes. A hash table with open addressing (linear probing, at most
half full) finds their slots: about 30 bytes an id, and its own length.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import overload

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.state.columns import NONE, Array, Slots, gathered
from ranker.state.strings import Bytes, Hashes, Int64s, Strings, hash_of_bytes, only_read

# Of this process: a caller can't prepare ids that all fall into one place of the table.
_SEED = secrets.randbits(63)
_ALL = 2**31 - 1
_AHEAD = 8
"""Ids: so many before one is compared its bytes are asked for, and where those are, twice as many."""


class Ids:
    """Ids by slot, and slots by id: `slot(id)` and `names[slot]`.

    >>> ids = Ids(["wren", "owl"])
    >>> ids.add("kite")
    2
    >>> ids.slots(["owl", "moa"]).tolist()
    [1, -1]
    >>> ids.names[2]
    'kite'
    >>> ids.texts(np.array([1, NONE, 2]))
    ['owl', '', 'kite']
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._clear(0, 0)
        self.slots_of(Strings.of(names))

    def _clear(self, ids: int, size: int) -> None:
        """Forget all, with room for so many ids and bytes."""
        self._count = 0
        self._ends: Int64s = np.zeros(max(ids, 63) + 1, np.int64)
        self._hashes: Hashes = np.zeros(len(self._ends), np.uint64)
        self._pool: Bytes = np.zeros(max(size, 1024), np.uint8)
        self._table = _table(2 * len(self._ends))

    def __len__(self) -> int:
        return self._count

    @property
    def names(self) -> "Names":
        """The ids, by slot."""
        return Names(self)

    def slot(self, name: str) -> int:
        """The slot, or NONE."""
        raw = np.frombuffer(name.encode(), np.uint8)
        return int(_slot(raw, _SEED, self._pool, self._ends, self._hashes, self._table))

    def slots(self, names: Sequence[str]) -> Slots:
        """The slots of many; NONE where unknown. int32 (n,)."""
        return self.find(Strings.of(names))

    def find(self, names: Strings) -> Slots:
        """The slots of many; NONE where unknown. int32 (n,)."""
        return _found(*names, _SEED, self._pool, self._ends, self._hashes, self._table)

    def add(self, name: str, most: int = _ALL) -> int:
        """The slot of an id, which becomes known with this call; NONE as in `slots_of`."""
        return int(self.slots_of(Strings.of([name]), most)[0])

    def slots_of(self, names: Strings, most: int = _ALL) -> Slots:
        """The slots of ids that become known with this call, in their order, int32 (n,).

        NONE for an empty id, and for a new one when `most` are known.
        """
        self._reserve(len(names.start), int(names.length.sum()))
        slots, self._count = _interned(
            *names, _SEED, self._pool, self._ends, self._hashes, self._table, self._count, most
        )
        return slots

    def forget(self, slots: Slots) -> None:
        """Blank ids: no byte of them stays, their slots have an empty id, and find none.

        >>> ids = Ids(["wren", "owl", "kite"])
        >>> ids.forget(np.array([1], np.int32))
        >>> ids.names[:], ids.slot("owl"), ids.slot("kite"), ids.add("owl")
        (['wren', '', 'kite'], -1, 2, 3)
        """
        ends = self._ends[: self._count + 1]
        length = np.diff(ends)
        length[slots] = 0
        pool = gathered(self._pool, ends[:-1], length.astype(np.int32))
        self._pool = _longer(pool, max(len(self._pool), 1024))
        np.cumsum(length, out=self._ends[1 : self._count + 1])
        self._table = _table(len(self._table))
        _enter(self._hashes, self._table, self._count, self._ends)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these ids, in this order."""
        self._take(Strings(self._pool, self._ends[rows], self._ends[rows + 1] - self._ends[rows]))

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """The ids as UTF-8 bytes and lengths."""
        yield "lengths", np.diff(self._ends[: self._count + 1]).astype(np.int32)
        yield "values", self._pool[: self._ends[self._count]]

    @classmethod
    def load(cls, lengths: NDArray[np.int32], values: Bytes) -> "Ids":
        """Take over what `arrays` gave."""
        ids = cls()
        length = np.array(lengths, np.int64)
        ids._take(Strings(np.asarray(values), np.cumsum(length) - length, length))
        return ids

    def _take(self, names: Strings) -> None:
        """Take over ids, all different but for blank ones."""
        self._clear(len(names.start), int(names.length.sum()))
        named = np.flatnonzero(names.length)
        self.slots_of(names.only(named)._replace(buffer=only_read(names.buffer)))
        if len(named) < len(names.start):
            hashes = np.zeros_like(self._hashes)
            hashes[named] = self._hashes[: self._count]
            self._hashes, self._count = hashes, len(names.start)
            np.cumsum(names.length, out=self._ends[1 : self._count + 1])
            self._table = _table(len(self._table))
            _enter(self._hashes, self._table, self._count, self._ends)

    def _reserve(self, ids: int, size: int) -> None:
        """Make room for more ids and bytes."""
        wanted, used = self._count + ids + 1, int(self._ends[self._count])
        if wanted > len(self._ends):
            self._ends = _longer(self._ends, 2 * wanted)
            self._hashes = _longer(self._hashes, 2 * wanted)
            self._table = _table(4 * wanted)
            _enter(self._hashes, self._table, self._count, self._ends)
        if used + size > len(self._pool):
            self._pool = _longer(self._pool, (used + size) * 3 // 2)

    @property
    def nbytes(self) -> int:
        """Bytes of the pool, the table and what lies beside them."""
        return self._pool.nbytes + self._ends.nbytes + self._hashes.nbytes + self._table.nbytes

    def text(self, slot: int) -> str:
        """The id of a slot; IndexError when there is none."""
        if not 0 <= slot < self._count:
            raise IndexError(f"there is no slot {slot}: {self._count} ids are known")
        return self._pool[self._ends[slot] : self._ends[slot + 1]].tobytes().decode()

    def texts(self, slots: Slots) -> list[str]:
        """The ids of slots; an empty one for NONE."""
        return self.strings(slots).texts()

    def strings(self, slots: Slots) -> Strings:
        """The ids of slots in a buffer of their own; an empty one for NONE."""
        buffer, start, length = _copied(slots, self._pool, self._ends)
        return Strings(only_read(buffer), start, length)


class Names(Sequence[str]):
    """The ids by slot, as a list would give them."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, slot: int) -> str: ...
    @overload
    def __getitem__(self, slot: slice) -> list[str]: ...
    def __getitem__(self, slot: int | slice) -> str | list[str]:
        if isinstance(slot, slice):
            return self._ids.texts(np.arange(len(self), dtype=np.int32)[slot])
        return self._ids.text(slot if slot >= 0 else len(self) + slot)

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self[:] == list(other)

    __hash__ = None  # type: ignore[assignment]


def _table(least: int) -> Slots:
    return np.full(1 << max(least - 1, 1).bit_length(), NONE, np.int32)


def _longer(array: Array, length: int) -> Array:
    longer = np.zeros(length, array.dtype)
    longer[: len(array)] = array
    return longer


@numba.njit(cache=True, nogil=True)
def _place(
    buffer: Bytes,
    start: int,
    length: int,
    wanted: np.uint64,
    pool: Bytes,
    ends: Int64s,
    held: Hashes,
    table: Slots,
) -> int:
    """Where the table holds a string, or the empty place where it would."""
    mask = np.uint64(len(table) - 1)
    at = wanted & mask
    while table[at] >= 0:
        slot = table[at]
        if held[slot] == wanted and ends[slot + 1] - ends[slot] == length:
            same = True
            for i in range(length):
                if pool[ends[slot] + i] != buffer[start + i]:
                    same = False
                    break
            if same:
                break
        at = (at + np.uint64(1)) & mask
    return int(at)


@numba.njit(cache=True, nogil=True)
def _slot(name: Bytes, seed: int, pool: Bytes, ends: Int64s, held: Hashes, table: Slots) -> np.int32:
    wanted = hash_of_bytes(name, 0, len(name), seed)
    at = _place(name, 0, len(name), wanted, pool, ends, held, table)
    return np.int32(table[at])


@numba.njit(cache=True, nogil=True)
def _found(
    buffer: Bytes,
    start: Int64s,
    length: Int64s,
    seed: int,
    pool: Bytes,
    ends: Int64s,
    held: Hashes,
    table: Slots,
) -> Slots:
    slots, n = np.empty(len(start), np.int32), len(start)
    wanted, mask = np.empty(n, np.uint64), np.uint64(len(table) - 1)
    for i in range(n):
        wanted[i] = hash_of_bytes(buffer, start[i], length[i], seed)
        fetch(table, np.int64(wanted[i] & mask))
    for i in range(-2 * _AHEAD, n):
        far, near = i + 2 * _AHEAD, i + _AHEAD
        if far < n and table[wanted[far] & mask] >= 0:
            fetch(held, table[wanted[far] & mask])
            fetch(ends, table[wanted[far] & mask])
        if 0 <= near < n and table[wanted[near] & mask] >= 0:
            fetch(pool, ends[table[wanted[near] & mask]])
        if i >= 0:
            slots[i] = table[_place(buffer, start[i], length[i], wanted[i], pool, ends, held, table)]
    return slots


@kernel
def _copied(slots: Slots, pool: Bytes, ends: Int64s) -> tuple[Bytes, Int64s, Int64s]:
    """The bytes of some ids, one after the other, where each starts and how long it is."""
    start, length, size = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64), 0
    for slot in slots:
        fetch(ends, max(slot, 0))
    for i in range(len(slots)):
        start[i], length[i] = size, 0
        if slots[i] >= 0:
            length[i] = ends[slots[i] + 1] - ends[slots[i]]
            size += length[i]
            fetch(pool, ends[slots[i]])
    buffer = np.empty(size, np.uint8)
    for i in range(len(slots)):
        for j in range(length[i]):
            buffer[start[i] + j] = pool[ends[slots[i]] + j]
    return buffer, start, length


@numba.njit(cache=True, nogil=True)
def _interned(
    buffer: Bytes,
    start: Int64s,
    length: Int64s,
    seed: int,
    pool: Bytes,
    ends: Int64s,
    held: Hashes,
    table: Slots,
    count: int,
    most: int,
) -> tuple[Slots, int]:
    slots = np.full(len(start), -1, np.int32)
    for i in range(len(start)):
        if length[i] == 0:
            continue
        wanted = hash_of_bytes(buffer, start[i], length[i], seed)
        at = _place(buffer, start[i], length[i], wanted, pool, ends, held, table)
        if table[at] < 0 and count < most:
            table[at] = count
            held[count] = wanted
            ends[count + 1] = ends[count] + length[i]
            for j in range(length[i]):
                pool[ends[count] + j] = buffer[start[i] + j]
            count += 1
        slots[i] = table[at]
    return slots, count


@numba.njit(cache=True, nogil=True)
def _enter(held: Hashes, table: Slots, count: int, ends: Int64s) -> None:
    """Enter ids that are all different into an empty table; blank ones are passed over."""
    mask = np.uint64(len(table) - 1)
    for slot in range(count):
        if ends[slot] == ends[slot + 1]:
            continue
        at = held[slot] & mask
        while table[at] >= 0:
            at = (at + np.uint64(1)) & mask
        table[at] = slot
