"""Aside: what may hang is run by another thread, and waited for no longer than there is time.

A job that is late is left behind: its thread goes on until it returns, and whatever comes of it is lost.
While one is out, its name is `stuck` and should not be run again; so there are never more threads than jobs
at a time, and those that were left behind before the first of a name was known to be late.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Aside:
    """Threads that wait for jobs. They are made when needed, and stay."""

    def __init__(self) -> None:
        self._idle = deque[_Thread]()
        self._lock = threading.Lock()
        self._out = Counter[str]()
        """Jobs that were left behind and have not returned, by name."""

    def run(self, job: Callable[[], None], timeout_s: float, at: Callable[[], str]) -> bool:
        """Run a job, and wait for its end; False when it did not come, and the job is left behind.

        `at`: the name of what hangs, asked then. The job neither raises nor writes what is read after that.
        """
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread()
        if thread.runs(job, timeout_s):
            self._idle.append(thread)
            return True
        return self._leave(thread, at())

    def stuck(self, name: str) -> bool:
        """Whether a job of that name was left behind and has not returned."""
        return name in self._out

    @property
    def count(self) -> int:
        """Jobs that were left behind and have not returned."""
        with self._lock:
            return self._out.total()

    def _leave(self, thread: "_Thread", name: str) -> bool:
        """Leave a job behind; True when it has just returned after all."""
        with self._lock:
            self._out[name] += 1
        if thread.leaves(lambda: self._back(thread, name)):
            log.warning("left_behind", name=name)
            return False
        self._back(thread, name)
        return True

    def _back(self, thread: "_Thread", name: str) -> None:
        with self._lock:
            self._out[name] -= 1
            self._out += Counter()  # drops what is at none
        self._idle.append(thread)


class _Thread:
    """One thread, and the two gates between it and the one that waits for it."""

    def __init__(self) -> None:
        self._job: Callable[[], None] = lambda: None
        self._left: Callable[[], None] | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        threading.Thread(target=self._run, name="aside", daemon=True).start()

    def runs(self, job: Callable[[], None], timeout_s: float) -> bool:
        """Run a job; whether it ended in time."""
        self._job, self._ended = job, False
        self._go.release()
        return self._done.acquire(timeout=timeout_s)

    def leaves(self, back: Callable[[], None]) -> bool:
        """Have `back` called at the job's end; False when it has ended."""
        with self._lock:
            if not self._ended:
                self._left = back
                return True
        self._done.acquire()
        return False

    def _run(self) -> None:
        while True:
            self._go.acquire()
            try:
                self._job()
            except Exception:
                log.exception("aside_failed")
            self._job = _nothing
            with self._lock:
                back, self._left, self._ended = self._left, None, True
            if back is None:
                self._done.release()
            else:
                back()


def _nothing() -> None:
    """What a thread holds between jobs: none of a request's arrays."""
