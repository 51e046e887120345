"""Recent event ids: has this event been folded already?

Two generations of 64-bit hashes: ids enter the young one; when it is full, it becomes the old one, and the
old one is forgotten. So the last `GENERATION` ids are always known, and at most twice as many. A new id is
taken for a known one once in 10^13. A generation is a hash table, 16 MB when it is in use.
"""

import secrets
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch
from ranker.state.columns import Array
from ranker.state.strings import Bytes, Hashes, Int64s, Strings, hash_of_bytes

GENERATION = 1_000_000
# Of this process: hashes are the same in every one, but a caller can't prepare ids that stand in one place.
_SCATTER = np.uint64(secrets.randbits(63) | 1)


def hash_of(text: str) -> int:
    """A 64-bit hash that is the same in every process.

    >>> hash_of("e1") == hash_of("e1") != hash_of("e2")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class RecentIds:
    """The ids of events that were folded."""

    def __init__(self) -> None:
        self._young, self._old = _table(), _table()
        self._counts = np.zeros(2, np.int64)

    def admit(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Which ids are new, bool (n,); they are known from now on. An empty id is always new."""
        return self.admit_all(Strings.of(ids))

    def admit_all(self, ids: Strings) -> NDArray[np.bool_]:
        """Which ids are new, bool (n,); they are known from now on. An empty id is always new."""
        new = np.ones(len(ids.start), np.bool_)
        done = 0
        while (
            done := _admit(*ids, self._young, self._old, _SCATTER, self._counts, GENERATION, new, done)
        ) < len(new):
            self._young, self._old = _table(), self._young
            self._counts[:] = 0, self._counts[0]
        return new

    def __len__(self) -> int:
        return int(self._counts.sum())

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Both generations, each sorted: uint64."""
        yield "young", np.sort(self._young[self._young != 0])
        yield "old", np.sort(self._old[self._old != 0])

    def load(self, young: Array, old: Array) -> None:
        """Take over what `arrays` gave."""
        self._young, self._old = _table(), _table()
        self._counts[:] = len(young), len(old)
        _enter(self._young, _SCATTER, np.asarray(young))
        _enter(self._old, _SCATTER, np.asarray(old))

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return self._young.nbytes + self._old.nbytes


def _table() -> Hashes:
    """Places for twice as many hashes as a generation has; 0 is an empty one."""
    return np.zeros(1 << (2 * GENERATION).bit_length(), np.uint64)


@numba.njit(cache=True, nogil=True)
def _place(table: Hashes, scatter: np.uint64, wanted: np.uint64) -> int:
    """Where a table holds a hash, or the empty place where it would."""
    mask = np.uint64(len(table) - 1)
    at = (wanted * scatter >> np.uint64(32)) & mask
    while table[at] != 0 and table[at] != wanted:
        at = (at + np.uint64(1)) & mask
    return int(at)


@numba.njit(cache=True, nogil=True)
def _admit(
    buffer: Bytes,
    start: Int64s,
    length: Int64s,
    young: Hashes,
    old: Hashes,
    scatter: np.uint64,
    counts: Int64s,
    most: int,
    new: NDArray[np.bool_],
    done: int,
) -> int:
    """Admit ids from `done` on; how many were when the young table was full, or all."""
    hashes, mask = np.empty(len(start), np.uint64), np.uint64(len(young) - 1)
    for i in range(done, len(start)):
        hashes[i] = max(hash_of_bytes(buffer, start[i], length[i], 0), np.uint64(1))
        first = np.int64((hashes[i] * scatter >> np.uint64(32)) & mask)  # where `_place` begins
        fetch(young, first)
        fetch(old, first)
    for i in range(done, len(start)):
        if length[i] == 0:
            continue
        wanted = hashes[i]
        at = _place(young, scatter, wanted)
        new[i] = young[at] == 0 and old[_place(old, scatter, wanted)] == 0
        if new[i]:
            if counts[0] >= most:
                return i
            young[at] = wanted
            counts[0] += 1
    return len(start)


@numba.njit(cache=True, nogil=True)
def _enter(table: Hashes, scatter: np.uint64, held: Hashes) -> None:
    for one in held:
        table[_place(table, scatter, one)] = one
