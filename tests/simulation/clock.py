"""The virtual clock. What reads `time` in the service reads this one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

NOW_MS = 1_795_305_600_000


class Clock:
    """A wall clock that may be set, and seconds that only pass."""

    def __init__(self) -> None:
        self.wall_ms = NOW_MS
        self.seconds = 1_000.0

    def pass_s(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.wall_ms += int(seconds * 1000)

    def set_back(self, milliseconds: int) -> None:
        """Somebody sets the wall clock back."""
        self.wall_ms -= milliseconds

    @contextmanager
    def running(self) -> Iterator[None]:
        """All of this process lives by this clock, save for threads that wait: they hold the real one."""
        with (
            patch.object(time, "monotonic", lambda: self.seconds),
            patch.object(time, "time_ns", lambda: self.wall_ms * 1_000_000),
            patch.object(time, "time", lambda: self.wall_ms / 1000),
        ):
            yield
