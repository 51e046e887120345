"""Calls a second of each token, over all workers of a server: a token bucket of one second's calls.

Kept as one number a token, the time when the bucket will be full again (the generic cell rate algorithm:
ITU-T I.371, annex A), in a page that workers share. Two workers that write in the same microsecond may let
one call too many through.
"""

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from ranker.access.tokens import MOST_TOKENS, private_folder

_BYTES = 8 * MOST_TOKENS
_BURST_S = 1.0


class Rates:
    """The buckets of all tokens. Time is the system's monotonic clock, which processes share."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """`folder`: where workers find the page."""
        self._clock = clock
        file = os.open(private_folder(folder) / "rates", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(file, _BYTES)
            self._full_s = memoryview(mmap.mmap(file, _BYTES)).cast("d")
        finally:
            os.close(file)

    def take(self, slot: int, calls_per_s: float) -> float:
        """Take a call out of a bucket: 0, or the seconds until there is one again (and none is taken)."""
        now, a_call = self._clock(), 1 / calls_per_s
        most = max(_BURST_S, a_call)
        full = self._full_s[slot]
        # Further ahead than a bucket is deep: written before the machine started anew.
        full = now if not now <= full <= now + most else full
        if full + a_call - now > most + 1e-9:
            return full + a_call - now - most
        self._full_s[slot] = full + a_call
        return 0.0
