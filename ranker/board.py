"""The board: what the workers of one server tell each other, in a page of shared memory that has no name.

Each worker writes numbers of its own and reads everybody's. A position is one 64-bit number there, written
and read in one piece, so nobody takes a lock.
"""

import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ranker.journal import order

PRIMARY = 0
"""The worker that starts and keeps what a server has only once."""

ALONE = -1

_ROWS = 4
_WORTH_PASSING = 2
"""A page is passed on to a worker that has so many fewer under way: passing costs a twentieth of a page."""
_SEQUENCE_BITS = 22
_MOST_IN_A_MS = (1 << _SEQUENCE_BITS) - 1
_MOST = (1 << 64) - 1
_BEGINNING = 1
_NEVER = np.iinfo(np.int64).max


def number_of(position: str) -> int:
    """A position as one number that sorts as the journal does.

    It is too small past 4 million entries of one millisecond, and past the year 2109.

    >>> number_of("5-10") > number_of("5-9") > number_of("4-11") > number_of("") == 0
    True
    """
    milliseconds, sequence = order(position)
    return min(milliseconds << _SEQUENCE_BITS | min(sequence, _MOST_IN_A_MS), _MOST)


def position_of(number: int) -> str:
    """The position of a number.

    >>> position_of(number_of("1763800000000-3"))
    '1763800000000-3'
    """
    return f"{number >> _SEQUENCE_BITS}-{number & _MOST_IN_A_MS}"


class Board:
    """One column a worker: what it acknowledged and folded last, whether it serves, lacks the embedder.

    Below, row by row, each worker counts the pages that it has under way at every worker.
    """

    def __init__(self, workers: int = 1, worker: int = PRIMARY, file: int = ALONE) -> None:
        """`file`: the descriptor of a nameless file, which all workers have; ALONE: there are no others."""
        self.workers = workers
        self.worker = worker
        self.file = file
        rows = np.frombuffer(mmap.mmap(file, _size(workers)), np.uint64).reshape(-1, workers)
        self._acknowledged, self._folded, self._serving, self._bereft = rows[:_ROWS]
        self._pages = rows[_ROWS:].view(np.int64)
        self._turn = threading.Lock()

    @classmethod
    def shared(cls, workers: int) -> "Board":
        """A new board. Its file is gone with the last process that has it."""
        with tempfile.TemporaryFile() as file:
            file.write(bytes(_size(workers)))  # real blocks: a full disk is an error here, not a SIGBUS
            file.flush()
            return cls(workers, file=os.dup(file.fileno()))

    def acknowledge(self, position: str) -> None:
        """Tell that a caller was promised to see an entry in the next read."""
        with self._turn:  # of this worker's calls
            self._acknowledged[self.worker] = max(int(self._acknowledged[self.worker]), number_of(position))

    def fold(self, position: str) -> None:
        """Tell how far this worker's state has come. At the empty position it follows from the beginning."""
        self._folded[self.worker] = max(number_of(position), _BEGINNING)

    def place(self, worker: int) -> int:
        """How far a worker's state has come, as `number_of` tells; 0 for one that does not follow."""
        return int(self._folded[worker])

    def behind(self) -> str:
        """The newest position that any worker acknowledged, if it is not folded here; else empty."""
        newest = int(self._acknowledged.max())
        return position_of(newest) if newest > int(self._folded[self.worker]) else ""

    def folded_by_all(self, position: str) -> str:
        """A position, or an earlier one up to which all workers have folded that follow the journal."""
        least = min((int(one) for one in self._folded if one), default=0)
        return position_of(least) if 0 < least < number_of(position) else position

    def serve(self) -> None:
        """Tell that this worker answers calls."""
        self._serving[self.worker] = 1

    def serves(self, worker: int) -> bool:
        """Whether a worker answers calls."""
        return bool(self._serving[worker])

    @property
    def embedder_lost(self) -> bool:
        """Whether the embedder ended, or could not start, and is not back yet."""
        return bool(self._bereft[PRIMARY])

    @embedder_lost.setter
    def embedder_lost(self, lost: bool) -> None:
        self._bereft[PRIMARY] = lost

    @contextmanager
    def under_way(self, worker: int) -> Iterator[None]:
        """Tell that a worker has one page more to make, as long as this lasts."""
        with self._turn:
            self._pages[self.worker, worker] += 1
        try:
            yield
        finally:
            with self._turn:
                self._pages[self.worker, worker] -= 1

    def idlest(self) -> int:
        """Who makes the next page: this worker, or another that has far fewer under way."""
        pages = self._pages.sum(axis=0)
        best = int(np.where(self._serving > 0, pages, _NEVER).argmin())
        return best if pages[self.worker] - pages[best] >= _WORTH_PASSING else self.worker

    def clear(self, worker: int) -> None:
        """Tell that a worker has ended. What it acknowledged stays."""
        self._folded[worker] = self._serving[worker] = 0
        self._pages[worker] = 0


def _size(workers: int) -> int:
    """Bytes of a board."""
    return 8 * workers * (_ROWS + workers)
