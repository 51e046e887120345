"""Half-life counters as features: how many, and how many an impression."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.events import COUNTERS
from ranker.features.declaration import Rows
from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES, HALF_LIVES_MS

_KINDS, _LIVES = len(COUNTERS), len(HALF_LIVES)
_SHOWN = COUNTERS.index("impression")
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
    faded = np.empty((_KINDS, _LIVES), np.float32)
    for i in range(len(slots)):
        row = value[slots[i]]
        age_ms = max(now_ms - last_ms[slots[i]], 0)
        for life in range(_LIVES):
            fade = np.float32(2.0 ** (-age_ms / HALF_LIVES_MS[life]))
            for kind in range(_KINDS):
                faded[kind, life] = row[kind, life] * fade
        for j in range(counts.shape[1]):
            counts[i, j] = faded[counted.kind[j], counted.life[j]]
        for j in range(rates.shape[1]):
            happened = faded[rated.kind[j], rated.life[j]]
            shown = max(faded[_SHOWN, rated.life[j]], happened)
            rates[i, j] = (happened + _BASE * _IMPRESSIONS) / (shown + _IMPRESSIONS)
