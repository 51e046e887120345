"""Recent event ids: has this event been folded already?

Two generations of 64-bit hashes: ids enter the young one; when it is full, it becomes the old one, and the
old one is forgotten. So the last `GENERATION` ids are always known, and at most twice as many. Two
different ids share a hash once in 10^13 pairs.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import Array

GENERATION = 1_000_000


def hash_of(text: str) -> int:
    """A 64-bit hash that is the same in every process.

    >>> hash_of("e1") == hash_of("e1") != hash_of("e2")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class RecentIds:
    """The ids of events that were folded."""

    def __init__(self) -> None:
        self.young: set[int] = set()
        self.old: set[int] = set()

    def admit(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Which ids are new, bool (n,); they are known from now on. An empty id is always new."""
        return np.fromiter((self._admit_one(one) for one in ids), np.bool_, len(ids))

    def _admit_one(self, one: str) -> bool:
        if not one:
            return True
        key = hash_of(one)
        if key in self.young or key in self.old:
            return False
        if len(self.young) >= GENERATION:
            self.young, self.old = set(), self.young
        self.young.add(key)
        return True

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Both generations, each sorted: uint64."""
        yield "young", np.sort(np.fromiter(self.young, np.uint64, len(self.young)))
        yield "old", np.sort(np.fromiter(self.old, np.uint64, len(self.old)))

    def load(self, young: Array, old: Array) -> None:
        """Take over what `arrays` gave."""
        self.young, self.old = set(young.tolist()), set(old.tolist())

    @property
    def nbytes(self) -> int:
        """Bytes, estimated: a set's place and the number."""
        return 80 * (len(self.young) + len(self.old))
