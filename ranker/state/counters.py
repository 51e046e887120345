"""Half-life counters: sums that fade, so that "how often lately" is one number.

A row holds `kinds x half-lives` sums and the time of its last update. An amount that came `d` ms before
the row's time counts `2^(-d / half-life)`; the last half-life is endless, so its sum is a plain total.
Out-of-order times are welcome: the result depends on the times only, save for rounding.
Source: Cormode et al., "Forward decay", ICDE 2009, in its exponential form.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots

HALF_LIVES_MS = np.array([30 * 60_000.0, 6 * 3_600_000.0, 3 * 86_400_000.0, np.inf])
HALF_LIVES = ("30min", "6h", "3d", "ever")
"""The half-lives by name, in column order."""

_AHEAD = 16
"""Rows: so many before one is changed its memory is asked for."""


@kernel
def add(
    value: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    rows: Slots,
    kinds: NDArray[np.int8],
    amounts: NDArray[np.float32],
    times_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
) -> None:
    """Add amounts, one after the other; a row of NONE and an amount of 0 are passed over.

    value: float32 (rows, kinds, half-lives), changed in place; never falls below 0.
    last_ms: int64 (rows,), changed in place.
    """
    for i in range(-_AHEAD, len(rows)):
        if i + _AHEAD < len(rows) and rows[i + _AHEAD] >= 0 and amounts[i + _AHEAD] != 0:
            fetch(value, rows[i + _AHEAD])
            fetch(last_ms, rows[i + _AHEAD])
        row = rows[i] if i >= 0 else -1
        if row < 0 or amounts[i] == 0:
            continue
        ahead = times_ms[i] - last_ms[row]
        if ahead > 0:
            for h in range(len(half_lives_ms)):
                fade = 2.0 ** (-ahead / half_lives_ms[h])
                for k in range(value.shape[1]):
                    value[row, k, h] = np.float32(value[row, k, h] * fade)
            last_ms[row] = times_ms[i]
        for h in range(len(half_lives_ms)):
            faded = amounts[i] * (2.0 ** (ahead / half_lives_ms[h]) if ahead < 0 else 1.0)
            value[row, kinds[i], h] = np.float32(max(value[row, kinds[i], h] + faded, 0.0))


@numba.njit(cache=True, nogil=True)
def read(
    value: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    rows: Slots,
    now_ms: int,
    half_lives_ms: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The counters of rows as they stand at a time: float32 (n, kinds, half-lives); a row of NONE reads 0."""
    out = np.zeros((len(rows), value.shape[1], value.shape[2]), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        if row < 0:
            continue
        for h in range(len(half_lives_ms)):
            fade = 2.0 ** (-max(now_ms - last_ms[row], 0) / half_lives_ms[h])
            for k in range(value.shape[1]):
                out[i, k, h] = np.float32(value[row, k, h] * fade)
    return out
