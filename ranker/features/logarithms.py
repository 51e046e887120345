"""ln(1 + count) of whole columns at once.

The library's logarithm takes one number at a time. This one is plain arithmetic, of which the compiler makes
vector instructions: an odd polynomial in (m - 1) / (m + 1), where m is the mantissa about 1 (Abramowitz and
Stegun, "Handbook of mathematical functions", 1964, 4.1.27). It is as exact as float32 is.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.kernels import kernel

_LN_2 = np.log(2.0)
_MANTISSA_BITS = np.int64(52)
_ABOUT_1 = np.int64(0x3FE6A09E667F3BCD)
"""The bits of the square root of a half: what lies above it, up to twice that, has the exponent 0."""
_BLOCK = 16
"""Rows whose columns are taken together."""


@kernel
def take(rows: NDArray[np.float32], columns: NDArray[np.int64]) -> None:
    """Replace counts by ln(1 + count) in some columns of rows, float32 (n, k). NaN stays NaN."""
    width = len(columns)
    value = np.ones(_BLOCK * width)
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        for i in range(len(block)):
            for j in range(width):
                value[i * width + j] = 1.0 + block[i, columns[j]]
        _replace(value)
        for i in range(len(block)):
            for j in range(width):
                block[i, columns[j]] = value[i * width + j]


@kernel
def _replace(value: NDArray[np.float64]) -> None:
    """Of numbers from 1 on by their natural logarithms."""
    bits = value.view(np.int64)
    exponent = np.empty(len(value), np.int64)
    for i in range(len(value)):
        exponent[i] = (bits[i] - _ABOUT_1) >> _MANTISSA_BITS
    unknown = value - value
    for i in range(len(value)):
        bits[i] -= exponent[i] << _MANTISSA_BITS
    for i in range(len(value)):
        s = (value[i] - 1.0) / (value[i] + 1.0)
        t = s * s
        series = 2.0 + t * (2 / 3 + t * (2 / 5 + t * (2 / 7 + t * (2 / 9 + t * (2 / 11)))))
        value[i] = exponent[i] * _LN_2 + s * series + unknown[i]
