"""Turns: who may read the state, and who may change it, and when."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class _Place(NamedTuple):
    """In a queue."""

    gate: threading.Lock
    patient_until: float
    """By time.monotonic; a writer lets readers pass before."""


class Turn:
    """Turns between one writer and many readers: readers share, the writer is alone.

    A request reads under one turn, so that all its columns are of one moment and its logged features are
    those that a replay computes, bit for bit. The writer goes before readers that come once its patience has
    ended, and lets those that waited go before its next turn: neither starves. Readers go in the order in
    which they came, at most `readers` at a time: more of them than processors only take each other's caches
    and interpreter away.
    """

    def __init__(self, readers: int) -> None:
        self.most = readers
        """Readers at a time."""
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._writers: deque[_Place] = deque()
        self._reading = 0
        self._writing = False
        self._owed = 0
        """Readers that go before the next write."""
        self._owner: int | None = None
        """The thread whose turn it is to write."""

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
    def write(self, patience_s: float = 0.0) -> Iterator[None]:
        """Change the state. Readers that come go first for so long, unless there is a moment without any.

        What a thread writes within its turn is of that turn.
        """
        if self._owner == threading.get_ident():
            yield
            return
        self._enter(self._writers, time.monotonic() + patience_s)
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            with self._lock:
                self._owner = None
                self._writing = False
                self._owed = len(self._waiting)
                self._admit()

    def _enter(self, queue: deque[_Place], patient_until: float = 0.0) -> None:
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            queue.append(_Place(gate, patient_until))
            self._admit()
        gate.acquire()

    def _admit(self) -> None:
        """Open the gates of those whose turn it is."""
        while not self._writing:
            if self._waiting and self._reading < self.most and (self._owed or not self._barred):
                self._waiting.popleft().gate.release()
                self._reading += 1
                self._owed = max(self._owed - 1, 0)
            elif self._writers and not (self._reading or self._owed):
                self._writers.popleft().gate.release()
                self._writing = True
            else:
                return

    @property
    def _barred(self) -> bool:
        """Whether a writer waits that lets nobody pass any more."""
        return bool(self._writers) and time.monotonic() >= self._writers[0].patient_until
