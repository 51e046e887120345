"""Turns: who may read the state, and who may change it, and when."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """Turns between one writer and many readers: readers share, the writer is alone.

    A request reads under one turn, so that all its columns are of one moment and its logged features are
    those that a replay computes, bit for bit. The writer goes before readers that come later, and lets those
    that waited go before its next turn: neither starves. Readers go in the order in which they came, at most
    `readers` at a time: more of them than processors only take each other's caches and interpreter away.
    """

    def __init__(self, readers: int) -> None:
        self._most = readers
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._writers: deque[threading.Lock] = deque()
        self._reading = 0
        self._writing = False
        self._owed = 0
        """Readers that go before the next write."""

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the state still."""
        self._enter(self._waiting)
        try:
            yield
        finally:
            with self._lock:
                self._reading -= 1
                self._admit()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Change the state."""
        self._enter(self._writers)
        try:
            yield
        finally:
            with self._lock:
                self._writing = False
                self._owed = len(self._waiting)
                self._admit()

    def _enter(self, queue: deque[threading.Lock]) -> None:
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            queue.append(gate)
            self._admit()
        gate.acquire()

    def _admit(self) -> None:
        """Open the gates of those whose turn it is."""
        while not self._writing:
            if self._waiting and self._reading < self._most and (self._owed or not self._writers):
                self._waiting.popleft().release()
                self._reading += 1
                self._owed = max(self._owed - 1, 0)
            elif self._writers and not (self._reading or self._owed):
                self._writers.popleft().release()
                self._writing = True
            else:
                return
