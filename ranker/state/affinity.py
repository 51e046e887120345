"""Affinity: how a viewer stood to a few keys (authors, topics) lately.

A row is a small associative array: up to `width` keys, each with fading sums of impressions, of what spoke
for it and of what spoke against it. A new key takes an empty place, else that of the key with the
least fading sum; so what a viewer meets often stays.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import Slots

SUMS = ("impressions", "positive", "negative")
"""The sums of a key, in column order."""

AUTHOR_HALF_LIFE_MS = 30 * 86_400_000.0
TOPIC_HALF_LIFE_MS = 5 * 86_400_000.0
"""Shorter: a topic is met often, and what people like to read about changes sooner than who writes well."""


@numba.njit(cache=True, nogil=True)
def add(
    keys: Slots,
    sums: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    rows: Slots,
    values: Slots,
    strengths: NDArray[np.float32],
    amounts: NDArray[np.float32],
    times_ms: NDArray[np.int64],
    half_life_ms: float,
) -> None:
    """Add events, one after the other; a row or key of NONE and an amount of 0 are passed over.

    keys: int32 (rows, width); sums: float32 (rows, width, 3); last_ms: int64 (rows, width); in place.
    strengths: float32 (n,), 0 for an impression; the sign says for or against. A sum never falls below 0,
    and what is taken back from a key that is not there changes nothing.
    """
    for i in range(len(rows)):
        row, key, t = rows[i], values[i], times_ms[i]
        if row < 0 or key < 0 or amounts[i] == 0:
            continue
        place = _place(keys[row], sums[row], last_ms[row], key, t, half_life_ms)
        if keys[row, place] != key and amounts[i] < 0:
            continue
        if keys[row, place] != key:
            keys[row, place] = key
            sums[row, place, :] = 0
            last_ms[row, place] = t
        ahead = t - last_ms[row, place]
        if ahead > 0:
            for s in range(3):
                sums[row, place, s] = np.float32(sums[row, place, s] * 2.0 ** (-ahead / half_life_ms))
            last_ms[row, place] = t
        which = 0 if strengths[i] == 0 else (1 if strengths[i] > 0 else 2)
        size = 1.0 if which == 0 else abs(strengths[i])
        faded = amounts[i] * size * 2.0 ** (min(ahead, 0) / half_life_ms)
        sums[row, place, which] = np.float32(max(sums[row, place, which] + faded, 0.0))


@numba.njit(cache=True, nogil=True)
def _place(
    keys: Slots,
    sums: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    key: int,
    now_ms: int,
    half_life_ms: float,
) -> int:
    """Where a row holds a key, else its first empty place, else that of the key with the least fading sum."""
    place, least = -1, np.inf
    for j in range(len(keys)):
        if keys[j] == key:
            return j
        if keys[j] < 0:
            kept = -1.0
        else:
            age = max(now_ms - last_ms[j], 0)
            kept = (sums[j, 0] + sums[j, 1] + sums[j, 2]) * 2.0 ** (-age / half_life_ms)
        if kept < least:
            place, least = j, kept
    return place


def read(
    keys: Slots,
    sums: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    row: int,
    now_ms: int,
    half_life_ms: float,
) -> tuple[Slots, NDArray[np.float32]]:
    """A row's keys in rising order, int32 (k,), and their sums as they stand, float32 (k, 3)."""
    held = np.flatnonzero(keys[row] >= 0)
    order = held[np.argsort(keys[row, held])]
    age = np.maximum(now_ms - last_ms[row, order], 0)
    fade = np.exp2(-age / half_life_ms)[:, None]
    return keys[row, order], (sums[row, order] * fade).astype(np.float32)


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
