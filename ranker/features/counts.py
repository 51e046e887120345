"""Half-life counters as features: how many, and how many an impression."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.events import COUNTERS
from ranker.features.declaration import Rows
from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES, HALF_LIVES_MS

_KINDS, _LIVES = len(COUNTERS), len(HALF_LIVES)
_SHOWN = COUNTERS.index("impression")
_LN_2, _TERMS = np.log(2.0), 9
_EXPONENT_OF_1, _MANTISSA_BITS = np.int64(1023), np.int64(52)
_NOTHING_LEFT = 1000.0
"""Half-lives, after which a float32 is 0."""
_BASE, _IMPRESSIONS = np.float32(0.05), np.float32(10)
"""A rate is drawn to `_BASE` by the weight of so many impressions."""


class Cells(NamedTuple):
    """Some counters at some half-lives: int32 (k,) each."""

    kind: Slots
    life: Slots


def cells(*named: tuple[str, str]) -> Cells:
    """By name, as (counter, half-life)."""
    kinds = [COUNTERS.index(counter) for counter, _ in named]
    lives = [HALF_LIVES.index(life) for _, life in named]
    return Cells(np.array(kinds, np.int32), np.array(lives, np.int32))


@numba.njit(inline="always")
def _lives(age_ms: float, life: int) -> float:
    """An age in half-lives."""
    return float(min(age_ms / HALF_LIVES_MS[life], _NOTHING_LEFT))


@kernel
def _fades(last_ms: NDArray[np.int64], slots: Slots, now_ms: int) -> NDArray[np.float32]:
    """What is left of sums after their ages, by half-life: float32 (half-lives, n), to 1e-8.

    2^-x is 2^-k e^z with a whole k and z from -ln 2 to 0, and e^z its Taylor series: plain arithmetic, of
    which the compiler makes vector instructions.
    """
    age_ms, left = np.empty(len(slots)), np.empty(len(slots))
    bits = left.view(np.int64)
    out = np.empty((_LIVES, len(slots)), np.float32)
    for i in range(len(slots)):
        age_ms[i] = max(now_ms - last_ms[slots[i]], 0)
    for life in range(_LIVES):
        for i in range(len(slots)):
            bits[i] = (_EXPONENT_OF_1 - np.int64(_lives(age_ms[i], life))) << _MANTISSA_BITS
        for i in range(len(slots)):
            lives = _lives(age_ms[i], life)
            z, series = (np.floor(lives) - lives) * _LN_2, 1.0
            for n in range(_TERMS, 0, -1):
                series = 1.0 + series * z * (1.0 / n)
            out[life, i] = left[i] * series
    return out


@kernel
def fill(
    value: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    slots: Slots,
    now_ms: int,
    counted: Cells,
    rated: Cells,
    counts: Rows,
    rates: Rows,
) -> None:
    """Write counts and rates of rows of counters, as `ranker.state.counters.read` gives them.

    counts: (n, len(counted)). rates: (n, len(rated)): how often an impression led to it, smoothed.
    """
    for slot in slots:
        fetch(value, slot)
        fetch(last_ms, slot)
    fade = _fades(last_ms, slots, now_ms)
    faded = np.empty((_KINDS, _LIVES), np.float32)
    for i in range(len(slots)):
        row = value[slots[i]]
        for kind in range(_KINDS):
            for life in range(_LIVES):
                faded[kind, life] = row[kind, life] * fade[life, i]
        for j in range(counts.shape[1]):
            counts[i, j] = faded[counted.kind[j], counted.life[j]]
        for j in range(rates.shape[1]):
            happened = faded[rated.kind[j], rated.life[j]]
            shown = max(faded[_SHOWN, rated.life[j]], happened)
            rates[i, j] = (happened + _BASE * _IMPRESSIONS) / (shown + _IMPRESSIONS)
