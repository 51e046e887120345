"""Columns of strings as one buffer of bytes: no Python object a string."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Int64s = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class Strings(NamedTuple):
    """n strings in UTF-8: the one at i is `buffer[start[i] : start[i] + length[i]]`.

    buffer: uint8; start, length: int64 (n,). The buffer is only read.

    >>> Strings.of(["no", "", "wren"])[2:]
    (array([2, 0, 4]),)
    """

    buffer: Bytes
    start: Int64s
    length: Int64s

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """The bytes of texts."""
        joined = "".join(texts)
        parts = texts if joined.isascii() else [text.encode() for text in texts]
        length = np.fromiter(map(len, parts), np.int64, len(parts))
        raw = joined.encode()
        return cls(np.frombuffer(raw, np.uint8), np.cumsum(length) - length, length)

    def only(self, rows: NDArray[np.intp]) -> Self:
        """Some of them, in this order."""
        return self._replace(start=self.start[rows], length=self.length[rows])


@numba.njit(cache=True, nogil=True, inline="always")
def hash_of_bytes(buffer: Bytes, start: int, length: int, seed: int) -> np.uint64:
    """MurmurHash64A (Austin Appleby, public domain) of one string; the same in every process."""
    m = np.uint64(0xC6A4A7935BD1E995)
    r = np.uint64(47)
    h = np.uint64(seed) ^ (np.uint64(length) * m)
    at, end = start, start + length
    while at + 8 <= end:
        k = np.uint64(0)
        for i in range(8):
            k |= np.uint64(buffer[at + i]) << np.uint64(8 * i)
        k *= m
        k ^= k >> r
        h = (h ^ (k * m)) * m
        at += 8
    if at < end:
        for i in range(end - at):
            h ^= np.uint64(buffer[at + i]) << np.uint64(8 * i)
        h *= m
    h ^= h >> r
    h *= m
    return h ^ (h >> r)


@numba.njit(cache=True, nogil=True)
def hashes(buffer: Bytes, start: Int64s, length: Int64s, seed: int) -> Hashes:
    """`hash_of_bytes` of n strings: uint64 (n,)."""
    out = np.empty(len(start), np.uint64)
    for i in range(len(start)):
        out[i] = hash_of_bytes(buffer, start[i], length[i], seed)
    return out
