"""Heat: how much people do with a post these hours, as one number a post whose order holds at any time.

Sums that fade by one half-life fade alike: which of two is larger never changes while nothing is added. So
what is kept of a post is its sum's logarithm, with the time of the sum in half-lives added to it. Two such
numbers compare as the sums do at any later moment, and no counter is read to find the largest of thousands.
Source: Cormode et al., "Forward decay", ICDE 2009.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.events import COUNTERS
from ranker.state import counters
from ranker.state.columns import Slots

_SIX_HOURS = counters.HALF_LIVES.index("6h")
_HALF_LIFE_MS = float(counters.HALF_LIVES_MS[_SIX_HOURS])
_WEIGHTS = np.array(
    [
        {"like": 1.0, "reply": 1.5, "share": 2.0, "click": 0.2, "negative": -2.0}.get(name, 0.0)
        for name in COUNTERS
    ]
)
_RISE = 256.0
"""Added to logarithms, so that each is above 0 and can carry the sum's sign: a float32 is at least 2^-149."""


@numba.njit(cache=True, nogil=True)
def update(
    heat: NDArray[np.float64], counter: NDArray[np.float32], counter_ms: NDArray[np.int64], rows: Slots
) -> None:
    """Make the heat of rows, float64 (posts,), of their counters; a row of NONE is passed over.

    Engagement is weighted: a share counts twice a like, and a wish for less takes two away. The heat of a sum
    above 0 is above 0, that of one below 0 below, and that of none is 0.
    """
    for row in rows:
        if row < 0:
            continue
        total = 0.0
        for kind in range(len(_WEIGHTS)):
            total += _WEIGHTS[kind] * counter[row, kind, _SIX_HOURS]
        heat[row] = 0.0
        if total != 0:
            height = np.log2(abs(total)) + counter_ms[row] / _HALF_LIFE_MS + _RISE
            heat[row] = height if total > 0 else -height


def read(heat: NDArray[np.float64], now_ms: int) -> NDArray[np.float32]:
    """The weighted sums as they stand at a time, which heats were made of: float32, of the same shape."""
    sums = np.sign(heat) * np.exp2(np.abs(heat) - _RISE - now_ms / _HALF_LIFE_MS)
    return sums.astype(np.float32)
