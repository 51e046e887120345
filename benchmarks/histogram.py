"""A histogram of durations that keeps its precision over six decades.

Buckets are those of the HDR histogram (Gil Tene, HdrHistogram): linear within each power of two, here 1,024
to a power, so that a percentile is at most 0.1 % above the truth. Counts of several processes are added. The
PyPI package `hdrhistogram` does the same; it needs setuptools and pbr at run time, and counts one by one.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]

_BITS = 10
_PART = 1 << _BITS
_POWERS = 26  # of two: up to 2^36 microseconds, 19 hours
_BUCKETS = (_POWERS + 1) * _PART


@dataclass
class Histogram:
    """Durations in seconds, counted in microseconds.

    >>> spent = Histogram.of([0.010] * 98 + [0.020, 3.0])
    >>> [round(1000 * spent.percentile(p)) for p in (50, 99, 100)]
    [10, 20, 3000]
    """

    counts: Counts = field(default_factory=lambda: np.zeros(_BUCKETS, np.int64))

    @classmethod
    def of(cls, seconds: ArrayLike) -> Self:
        """Of some durations; a negative one counts as 0."""
        microseconds = np.maximum(np.asarray(seconds, np.float64) * 1e6, 0).astype(np.int64)
        return cls(np.bincount(_bucket(microseconds), minlength=_BUCKETS))

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return int(self.counts.sum())

    def percentile(self, percent: float) -> float:
        """The least duration in seconds that so many percent do not pass, rounded up to its bucket's end.

        NaN when there are none.
        """
        if not self.count:
            return float("nan")
        wanted = max(int(np.ceil(self.count * percent / 100 - 1e-9)), 1)
        return _end(int(np.searchsorted(np.cumsum(self.counts), wanted))) / 1e6


def _bucket(value: Counts) -> Counts:
    """Where each value counts: those under 1,024 in a bucket of their own."""
    power = np.maximum(np.frexp(np.maximum(value, 1).astype(np.float64))[1] - 1 - _BITS, -1) + 1
    part = value >> np.maximum(power - 1, 0)
    bucket = np.where(power == 0, value, power * _PART + part - _PART)
    return np.minimum(bucket, _BUCKETS - 1)


def _end(bucket: int) -> int:
    """The largest value of a bucket."""
    if bucket < _PART:
        return bucket
    power, part = divmod(bucket, _PART)
    return ((_PART + part + 1) << (power - 1)) - 1
