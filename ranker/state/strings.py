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

    def texts(self) -> list[str]:
        """The strings as Python's.

        >>> Strings.of(["né", "", "wren"]).texts()
        ['né', '', 'wren']
        """
        raw, ends = self.buffer.tobytes(), (self.start + self.length).tolist()
        return [raw[start:end].decode() for start, end in zip(self.start.tolist(), ends, strict=True)]

    def only(self, rows: NDArray[np.intp]) -> Self:
        """Some of them, in this order."""
        return self._replace(start=self.start[rows], length=self.length[rows])

    def followed_by(self, more: "Strings") -> "Strings":
        """These and more of them."""
        if not len(self.start) or not len(more.start):
            return self if len(self.start) else more
        start = np.concatenate([self.start, more.start + len(self.buffer)])
        buffer = only_read(np.concatenate([self.buffer, more.buffer]))
        return Strings(buffer, start, np.concatenate([self.length, more.length]))


NO_STRINGS = Strings.of([])


def only_read(buffer: Bytes) -> Bytes:
    """A view that can't be written, as those of Python's bytes: kernels are compiled for no other."""
    view = buffer.view()
    view.flags.writeable = False
    return view


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(
    a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """One round of SipHash."""
    a += b
    c += d
    b = (b << np.uint64(13) | b >> np.uint64(51)) ^ a
    d = (d << np.uint64(16) | d >> np.uint64(48)) ^ c
    a = (a << np.uint64(32) | a >> np.uint64(32)) + d
    c += b
    b = (b << np.uint64(17) | b >> np.uint64(47)) ^ c
    d = (d << np.uint64(21) | d >> np.uint64(43)) ^ a
    return a, b, c << np.uint64(32) | c >> np.uint64(32), d


@numba.njit(cache=True, nogil=True, inline="always")
def hash_of_bytes(buffer: Bytes, start: int, length: int, seed: int) -> np.uint64:
    """SipHash-1-3 of one string (Aumasson and Bernstein, INDOCRYPT 2012); the same in every process.

    Whoever does not know the seed can't make strings that share a hash: of MurmurHash64A they are known.
    """
    key, other = np.uint64(seed), np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    a, b = key ^ np.uint64(0x736F6D6570736575), other ^ np.uint64(0x646F72616E646F6D)
    c, d = key ^ np.uint64(0x6C7967656E657261), other ^ np.uint64(0x7465646279746573)
    at, end = start, start + length
    while at + 8 <= end:
        word = np.uint64(0)
        for i in range(8):
            word |= np.uint64(buffer[at + i]) << np.uint64(8 * i)
        a, b, c, d = _mixed(a, b, c, d ^ word)
        a ^= word
        at += 8
    word = np.uint64(length) << np.uint64(56)
    for i in range(end - at):
        word |= np.uint64(buffer[at + i]) << np.uint64(8 * i)
    a, b, c, d = _mixed(a, b, c, d ^ word)
    a ^= word
    c ^= np.uint64(0xFF)
    for _ in range(3):
        a, b, c, d = _mixed(a, b, c, d)
    return a ^ b ^ c ^ d


@numba.njit(cache=True, nogil=True)
def hashes(buffer: Bytes, start: Int64s, length: Int64s, seed: int) -> Hashes:
    """`hash_of_bytes` of n strings: uint64 (n,)."""
    out = np.empty(len(start), np.uint64)
    for i in range(len(start)):
        out[i] = hash_of_bytes(buffer, start[i], length[i], seed)
    return out
