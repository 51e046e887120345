"""Sets of slots in small open hash tables: the different ones of many, what each weighs, and who is a member.

A request meets thousands of slots with repeats. Sorting them costs ten times as much as entering each into a
table that stays in the processor's nearest cache.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import Slots

_GOLDEN = np.uint32(2654435769)
_MANY_KEYS = 8
"""With so many keys a value, halving sorted keys costs less than entering them."""


@numba.njit(cache=True, nogil=True)
def table(most: int) -> Slots:
    """An empty table for so many slots: int32, a power of two long and at most half full."""
    size = 16
    while size < 2 * most:
        size *= 2
    return np.full(size, -1, np.int32)


@numba.njit(cache=True, nogil=True, inline="always")
def place(table: Slots, slot: int) -> int:
    """The place of a slot in a table, or the empty place where it would be entered."""
    at = int((np.uint32(slot) * _GOLDEN) >> np.uint32(8)) & (len(table) - 1)
    while table[at] >= 0 and table[at] != slot:
        at = (at + 1) & (len(table) - 1)
    return at


class Positions(NamedTuple):
    """Where each of some different slots is among them."""

    table: Slots
    at: Slots


@numba.njit(cache=True, nogil=True)
def positions(slots: Slots) -> Positions:
    """Of slots that differ, none of them NONE."""
    entered = table(len(slots))
    at = np.empty(len(entered), np.int32)
    for i in range(len(slots)):
        free = place(entered, slots[i])
        entered[free], at[free] = slots[i], i
    return Positions(entered, at)


@numba.njit(cache=True, nogil=True, inline="always")
def position(among: Positions, slot: int) -> int:
    """Where a slot is; -1 where it is not among them."""
    found = place(among.table, slot)
    return among.at[found] if slot >= 0 and among.table[found] == slot else -1


@numba.njit(cache=True, nogil=True)
def grouped(slots: Slots) -> tuple[Slots, NDArray[np.int32]]:
    """The different slots in the order they are first met, and which of these each slot is, -1 for NONE."""
    entered, number = table(len(slots)), np.empty(len(slots), np.int32)
    different = np.empty(len(slots), np.int32)
    of_place = np.empty(len(entered), np.int32)
    count = 0
    for i in range(len(slots)):
        number[i] = -1
        if slots[i] < 0:
            continue
        at = place(entered, slots[i])
        if entered[at] < 0:
            entered[at], of_place[at], different[count] = slots[i], count, slots[i]
            count += 1
        number[i] = of_place[at]
    return different[:count], number


def ordered(slots: Slots) -> Slots:
    """The different slots, int32, in rising order; NONE is passed over."""
    return _without_repeats(np.sort(slots)) if len(slots) else slots


@numba.njit(cache=True, nogil=True)
def _without_repeats(rising: Slots) -> Slots:
    last, kept = np.int32(-1), 0
    for i in range(len(rising)):
        if rising[i] != last:
            last = rising[kept] = rising[i]
            kept += 1
    return rising[:kept]


def distinct(slots: Slots) -> Slots:
    """The different slots, int32, in the order they are first met; NONE is passed over."""
    different, _ = grouped(slots)
    return different


@numba.njit(cache=True, nogil=True)
def tally(slots: Slots, weights: NDArray[np.float64]) -> tuple[Slots, NDArray[np.float64]]:
    """The different slots, as `distinct` gives them, and the sum of the weights of each, in their order."""
    different, number = grouped(slots)
    sums = np.zeros(len(different))
    for i in range(len(slots)):
        if number[i] >= 0:
            sums[number[i]] += weights[i]
    return different, sums


@numba.njit(cache=True, nogil=True, inline="always")
def holds(sorted_keys: Slots, slot: int) -> bool:
    """Whether a slot is among sorted keys."""
    low, left = 0, len(sorted_keys)
    while left > 1:
        half = left // 2
        low = low + half if sorted_keys[low + half] <= slot else low
        left -= half
    return left == 1 and sorted_keys[low] == slot


@numba.njit(cache=True, nogil=True)
def members(values: Slots, sorted_keys: Slots) -> NDArray[np.bool_]:
    """Which values are among sorted keys, bool (n,). NONE never is."""
    found = np.empty(len(values), np.bool_)
    if len(sorted_keys) > _MANY_KEYS * len(values):
        for i in range(len(values)):
            found[i] = values[i] >= 0 and holds(sorted_keys, values[i])
        return found
    entered = table(len(sorted_keys))
    for key in sorted_keys:
        entered[place(entered, key)] = key
    for i in range(len(values)):
        found[i] = values[i] >= 0 and entered[place(entered, values[i])] >= 0
    return found
