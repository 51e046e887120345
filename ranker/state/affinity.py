"""Affinity: how a viewer stood to a few keys (authors, topics) lately.

A row is a small associative array: up to `width` keys, each with fading sums of impressions, of what spoke
for it and of what spoke against it. A new key takes an empty place, else that of the key with the
least fading sum; so what a viewer meets often stays.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots, column
from ranker.state.growing import Field, Int64s, Layout, last_of, move, widened

SUMS = ("impressions", "positive", "negative")
"""The sums of a key, in column order."""

COLUMNS = {"sum": column(np.float32, len(SUMS)), "ms": column(np.int64)}
"""What a row holds beside its keys."""

AUTHOR_HALF_LIFE_MS = 30 * 86_400_000.0
TOPIC_HALF_LIFE_MS = 5 * 86_400_000.0
"""Shorter: a topic is met often, and what people like to read about changes sooner than who writes well."""


class Affinities(NamedTuple):
    """The affinities of a table's rows, for kernels; good until the table grows."""

    keys: Slots
    sums: NDArray[np.float32]
    last_ms: Int64s
    rows: Layout
    half_life_ms: float


def affinities_of(keys: Field, sums: Field, last_ms: Field, half_life_ms: float) -> Affinities:
    """The affinities of fields that grow together."""
    return Affinities(keys.pool, sums.pool, last_ms.pool, keys.rows.layout, half_life_ms)


def add(
    keys: Field,
    sums: Field,
    last_ms: Field,
    rows: Slots,
    values: Slots,
    strengths: NDArray[np.float32],
    amounts: NDArray[np.float32],
    times_ms: Int64s,
    half_life_ms: float,
) -> None:
    """Add events, one after the other; a row or key of NONE and an amount of 0 are passed over.

    keys, sums, last_ms: fields that grow together, changed in place. strengths: float32 (n,), 0 for an
    impression; the sign says for or against. A sum never falls below 0, and what is taken back from a key
    that is not there changes nothing.
    """
    keys.rows.reserve(len(rows))
    held = affinities_of(keys, sums, last_ms, half_life_ms)
    added(held, rows, values, strengths, amounts, times_ms)


@kernel
def added(
    table: Affinities,
    rows: Slots,
    values: Slots,
    strengths: NDArray[np.float32],
    amounts: NDArray[np.float32],
    times_ms: Int64s,
) -> None:
    """`add`, for kernels: the pools have room for all."""
    keys, sums, last_ms, held, half_life_ms = table  # once: in a loop each is counted each time
    start, room, _, width, _ = held
    _ask(keys, sums, last_ms, start, room, rows)
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or values[i] < 0 or amounts[i] == 0:
            continue
        first, t = start[row], times_ms[i]
        place = last_of(keys[first : first + room[row]], values[i])
        if place < 0 and amounts[i] < 0:
            continue
        if place >= 0:
            place += first
        else:
            place = _blank(keys, first, room[row])
            if place < 0 and room[row] < width:
                kept = room[row]
                old = widened(held, row)
                move(keys, old, kept, start[row], room[row], -1)
                move(sums, old, kept, start[row], room[row], 0)
                move(last_ms, old, kept, start[row], room[row], 0)
                place = start[row] + kept
            elif place < 0:
                place = _least(sums, last_ms, start[row], room[row], t, half_life_ms)
            keys[place] = values[i]
            sums[place, :] = 0
            last_ms[place] = t
        ahead = t - last_ms[place]
        if ahead > 0:
            fade = 2.0 ** (-ahead / half_life_ms)
            for s in range(3):
                sums[place, s] = np.float32(sums[place, s] * fade)
            last_ms[place] = t
        which = 0 if strengths[i] == 0 else (1 if strengths[i] > 0 else 2)
        size = 1.0 if which == 0 else abs(strengths[i])
        faded = amounts[i] * size * (2.0 ** (ahead / half_life_ms) if ahead < 0 else 1.0)
        sums[place, which] = np.float32(max(sums[place, which] + faded, 0.0))


@kernel
def _ask(
    keys: Slots, sums: NDArray[np.float32], last_ms: Int64s, start: Int64s, room: Slots, rows: Slots
) -> None:
    """Ask for the memory of all that will be changed."""
    for row in rows:
        if row >= 0:
            fetch(start, row)
            fetch(room, row)
    for row in rows:
        if row >= 0:
            for place in range(start[row], start[row] + room[row], 4):  # of 4 bytes, of 12 and of 8
                fetch(keys, place)
                fetch(sums, place)
                fetch(last_ms, place)


@kernel
def _blank(keys: Slots, first: int, room: int) -> int:
    """The first empty place of a row; -1 where it is full."""
    for place in range(first, first + room):
        if keys[place] < 0:
            return place
    return -1


@numba.njit(cache=True, nogil=True)
def _least(
    sums: NDArray[np.float32], last_ms: Int64s, first: int, room: int, now_ms: int, half_life_ms: float
) -> int:
    """Where a full row holds the key with the least fading sum."""
    place, least = -1, np.inf
    for j in range(first, first + room):
        age = max(now_ms - last_ms[j], 0)
        kept = (sums[j, 0] + sums[j, 1] + sums[j, 2]) * 2.0 ** (-age / half_life_ms)
        if kept < least:
            place, least = j, kept
    return place


def read(
    keys: Field, sums: Field, last_ms: Field, row: int, now_ms: int, half_life_ms: float
) -> tuple[Slots, NDArray[np.float32]]:
    """A row's keys in rising order, int32 (k,), and their sums as they stand, float32 (k, 3)."""
    held = keys.rows
    return _read(keys.pool, sums.pool, last_ms.pool, held.start[row], held.room[row], now_ms, half_life_ms)


@numba.njit(cache=True, nogil=True)
def _read(
    keys: Slots,
    sums: NDArray[np.float32],
    last_ms: Int64s,
    first: int,
    room: int,
    now_ms: int,
    half_life_ms: float,
) -> tuple[Slots, NDArray[np.float32]]:
    known = keys[first : first + room]
    held = np.flatnonzero(known >= 0)
    places = first + held[np.argsort(known[held])]
    now = np.empty((len(places), len(SUMS)), np.float32)
    for i in range(len(places)):
        fade = np.exp2(-max(now_ms - last_ms[places[i]], 0) / half_life_ms)
        for s in range(len(SUMS)):
            now[i, s] = sums[places[i], s] * fade
    return keys[places], now


def look_up(keys: Slots, sums: NDArray[np.float32], wanted: Slots) -> NDArray[np.float32]:
    """The sums of wanted keys of any shape, float32 (..., 3); NaN for keys that are not there.

    `keys` and `sums` are what `read` gave.
    """
    found = np.full((wanted.size, len(SUMS)), np.nan, np.float32)
    _fill(keys, sums, wanted.ravel(), found)
    return found.reshape(*wanted.shape, len(SUMS))


@numba.njit(cache=True, nogil=True)
def _fill(keys: Slots, sums: NDArray[np.float32], wanted: Slots, found: NDArray[np.float32]) -> None:
    for i in range(len(wanted)):
        if wanted[i] >= 0:  # few of a post's places for topics are taken
            at = np.searchsorted(keys, wanted[i])
            if at < len(keys) and keys[at] == wanted[i]:
                found[i] = sums[at]
