"""The greatest of some values, by one sort of whole numbers, which the processor sorts many at a time."""

import numpy as np
from numpy.typing import NDArray

from ranker.kernels import kernel

Numbers = NDArray[np.int32]
Values = NDArray[np.float32]
Keys = NDArray[np.uint64]

_SIGN, _ALL, _HALF = np.uint32(0x80000000), np.uint32(0xFFFFFFFF), np.uint64(32)


def greatest(numbers: Numbers, values: Values, k: int) -> tuple[Numbers, Values]:
    """The at most `k` greatest values, without NaN, and their numbers: best first, equal ones by number.

    `numbers` (n,) int32 from 0 on, `values` (n,) float32.

    >>> greatest(np.array([7, 3, 5, 4], np.int32), np.array([1, 2, np.nan, 2], np.float32), 2)
    (array([3, 4], dtype=int32), array([2., 2.], dtype=float32))
    """
    keys = _keys(numbers, values)
    if len(keys) > k > 0:
        keys.partition(k - 1)
    kept = keys[:k]
    kept.sort()
    return _read(kept)


@kernel
def _keys(numbers: Numbers, values: Values) -> Keys:
    """Whole numbers that rise as the values fall: a value's bits, turned so that they compare as it does."""
    keys, one = np.empty(len(values), np.uint64), np.empty(1, np.float32)
    bits = one.view(np.uint32)
    known = 0
    for i in range(len(values)):
        one[0] = values[i] + np.float32(0)  # of the two zeros one
        rising = bits[0] ^ (_ALL if bits[0] & _SIGN else _SIGN)
        keys[known] = np.uint64(rising ^ _ALL) << _HALF | np.uint64(numbers[i])
        known += values[i] == values[i]
    return keys[:known]


@kernel
def _read(keys: Keys) -> tuple[Numbers, Values]:
    """The numbers and the values of keys."""
    numbers, bits = np.empty(len(keys), np.int32), np.empty(len(keys), np.uint32)
    for i in range(len(keys)):
        rising = np.uint32(keys[i] >> _HALF) ^ _ALL
        bits[i] = rising ^ (_SIGN if rising & _SIGN else _ALL)
        numbers[i] = np.int32(keys[i] & np.uint64(_ALL))
    return numbers, bits.view(np.float32)
