"""The thread that compacts sealed slices while the server answers."""

import os
import sys
import threading

import structlog

from ranker.slices import Reading, Slices

log = structlog.get_logger()

# After a failure: long enough not to burn a core on a slice that fails again, which stays exact meanwhile.
_PAUSE_AFTER_FAILURE_S = 60.0


class Compactor:
    """Compacts what `slices` has sealed, one slice at a time, from `start` to `stop`.

    `reading()` takes the lock that searches share. On Linux the thread yields its processor to the others.
    """

    def __init__(self, slices: Slices, reading: Reading, interval_s: float = 0.5) -> None:
        self._slices = slices
        self._reading = reading
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compactor", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step at work, and wait for it: many seconds where a large index is learned from."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            pause_s = self._compact_one()

    def _compact_one(self) -> float:
        """Compact a slice; returns the seconds to wait."""
        try:
            return 0.0 if self._slices.compact_next(self._reading) else self._interval_s
        except Exception:
            log.exception("compaction failed; the slice is still searched exactly")
            return _PAUSE_AFTER_FAILURE_S
