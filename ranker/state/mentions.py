"""Where the tables name somebody: the places of all columns that hold slots, as the declaration says.

Finding reads everything once, and may go on beside readers; taking out writes what was found, and no more.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import NONE, Array, Ragged, Slots
from ranker.state.growing import Growing
from ranker.state.table import Table

Int64s = NDArray[np.int64]
Gone = Mapping[str, NDArray[np.bool_]]
"""Which slots are looked for, bool by slot, by the word that columns use for a table."""

_NOBODY = np.zeros(0, np.bool_)


@dataclass(frozen=True)
class Mentions:
    """Places of one table. Rows that go themselves are not among them."""

    columns: Mapping[str, Int64s]
    """In plain columns, as flat indices."""
    raggeds: Mapping[str, tuple[Int64s, int]]
    """Rows that hold some, and how many they hold together."""
    growings: Mapping[str, Int64s]
    """In the pools: all fields of such a place go, for they tell of one thing."""

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many there are in each column that has some."""
        yield from ((name, len(places)) for name, places in self.columns.items())
        yield from ((name, count) for name, (_, count) in self.raggeds.items())
        yield from ((name, len(places)) for name, places in self.growings.items())


def find(table: Table, gone: Gone, but: Slots) -> Mentions:
    """All places that name what is `gone`, outside of the rows `but`."""
    left_out = np.zeros(table.size + 1, np.bool_)
    left_out[but] = True
    raggeds = {name: _in_ragged(getattr(table, name), gone, left_out) for name in table.raggeds}
    growings = {name: _in_growing(rows, gone, left_out) for name, rows in table.growing.items()}
    return Mentions(
        dict(_filled(_in_columns(table, gone, left_out))),
        {name: (rows, count) for name, (rows, count) in raggeds.items() if count},
        dict(_filled(iter(growings.items()))),
    )


def take_out(table: Table, mentions: Mentions, gone: Gone) -> None:
    """Empty the places."""
    for name, places in mentions.columns.items():
        getattr(table, name)[: table.size].reshape(-1)[places] = NONE
    for name, (rows, _) in mentions.raggeds.items():
        ragged: Ragged = getattr(table, name)
        _let_go(ragged.pool, ragged.start, ragged.length, rows, _looked_for(gone, ragged.spec.of))
    for name, places in mentions.growings.items():
        for field, pool in table.growing[name].pools.items():
            pool[places] = table.growing[name].spec.fields[field].fill


def blank(table: Table, rows: Slots) -> None:
    """Make rows as new ones are, and leave nothing of them in the pools."""
    for name, spec in table.columns.items():
        getattr(table, name)[rows] = spec.fill
    for name in table.raggeds:
        ragged: Ragged = getattr(table, name)
        ragged.pool[_places_of(ragged.start, ragged.room, rows)] = 0
        ragged.length[rows] = 0
    for growing in table.growing.values():
        places = _places_of(growing.start, growing.room, rows)
        for field, pool in growing.pools.items():
            pool[places] = growing.spec.fields[field].fill
        growing.start[rows] = growing.room[rows] = 0


def held(table: Table, row: int) -> dict[str, int]:
    """How much a row has in each of its lists and rings: what is not blank."""
    counts = {name: len(getattr(table, name)[row]) for name in table.raggeds}
    for name, growing in table.growing.items():
        taken = np.zeros(growing.room[row], np.bool_)
        for field, spec in growing.spec.fields.items():
            block = growing.field(field).block(row)
            taken |= (block != spec.fill).reshape(len(block), math.prod(block.shape[1:])).any(1)
        counts[name] = int(taken.sum())
    return {name: count for name, count in counts.items() if count}


def _in_columns(table: Table, gone: Gone, left_out: NDArray[np.bool_]) -> Iterator[tuple[str, Int64s]]:
    for name, spec in table.columns.items():
        if spec.of and spec.of in gone:
            values = getattr(table, name)[: table.size]
            places: Int64s = _places(values.reshape(-1), gone[spec.of])
            yield name, places[~left_out[places // math.prod(values.shape[1:])]]


def _in_ragged(ragged: Ragged, gone: Gone, left_out: NDArray[np.bool_]) -> tuple[Int64s, int]:
    if not ragged.spec.of or ragged.spec.of not in gone:
        return np.zeros(0, np.int64), 0
    places = _places(ragged.pool[: ragged.used], gone[ragged.spec.of])
    rows = _rows_at(places, ragged.start, ragged.length)
    rows = rows[~left_out[rows] & (rows != NONE)]
    return np.unique(rows), len(rows)


def _in_growing(growing: Growing, gone: Gone, left_out: NDArray[np.bool_]) -> Int64s:
    fields = growing.spec.fields.items()
    pools = [(growing.pools[name], gone[spec.of]) for name, spec in fields if spec.of and spec.of in gone]
    found: list[Int64s] = [_places(pool[: growing.used[0]], looked_for) for pool, looked_for in pools]
    if not any(map(len, found)):
        return np.zeros(0, np.int64)
    places: Int64s = np.unique(np.concatenate(found))
    rows = _rows_at(places, growing.start, growing.room)
    kept: Int64s = places[~left_out[rows] & (rows != NONE)]
    return kept


def _looked_for(gone: Gone, of: str | None) -> NDArray[np.bool_]:
    return gone.get(of or "", _NOBODY)


def _filled(parts: Iterator[tuple[str, Int64s]]) -> Iterator[tuple[str, Int64s]]:
    return ((name, places) for name, places in parts if len(places))


def _rows_at(places: Int64s, start: Int64s, length: Slots) -> Int64s:
    """The row whose piece of a pool holds each place; NONE for what no row uses any more."""
    rows = np.flatnonzero(length > 0)
    if not len(places) or not len(rows):
        return np.full(len(places), NONE, np.int64)
    rows = rows[np.argsort(start[rows], kind="stable")]
    at = rows[np.maximum(np.searchsorted(start[rows], places, "right") - 1, 0)]
    inside = (start[at] <= places) & (places < start[at] + length[at])
    return np.where(inside, at, NONE)


def _places_of(start: Int64s, length: Slots, rows: Slots) -> Int64s:
    """All places of some rows' pieces of a pool."""
    pieces = [np.arange(start[row], start[row] + length[row]) for row in rows.tolist()]
    return np.concatenate([np.zeros(0, np.int64), *pieces])


@numba.njit(cache=True, nogil=True)
def _places(values: Array, gone: NDArray[np.bool_]) -> Int64s:
    """Where an array of slots holds one that is looked for."""
    count = 0
    for value in values:
        count += 0 <= value < len(gone) and gone[value]
    out, at = np.empty(count, np.int64), 0
    for i in range(len(values)):
        if 0 <= values[i] < len(gone) and gone[values[i]]:
            out[at] = i
            at += 1
    return out


@numba.njit(cache=True, nogil=True)
def _let_go(pool: Slots, start: Int64s, length: Slots, rows: Int64s, gone: NDArray[np.bool_]) -> None:
    """Take values out of rows, whose order stays."""
    for row in rows:
        kept = start[row]
        for i in range(start[row], start[row] + length[row]):
            if not (0 <= pool[i] < len(gone) and gone[pool[i]]):
                pool[kept] = pool[i]
                kept += 1
        for i in range(kept, start[row] + length[row]):
            pool[i] = 0
        length[row] = kept - start[row]
