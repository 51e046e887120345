"""Patience: what a call does when the server refuses it for having too much to do.

A refusal says when to come again, in the trailer `retry-after-ms`, and that nothing was done; so any call may
be made again. It waits as long as it is told, and gives up after a few times, or when its time would be over.
"""

from __future__ import annotations

import time

from google.protobuf.message import Message

from feedrank.errors import Error, ResourceExhausted
from feedrank.v1.feed_pb2 import GetTimelineRequest

REFUSALS = 3
"""So often a call is made again."""


class Patience:
    """The time of one call, all attempts together.

    >>> patience = Patience(2.0)
    >>> busy = ResourceExhausted("too much to do")
    >>> busy.retry_after_s = 0.1
    >>> [patience.wait_s(busy) for _ in range(4)]
    [0.1, 0.1, 0.1, None]
    >>> Patience(0.05).wait_s(busy) is None
    True
    """

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s
        self._refusals = 0

    @property
    def left_s(self) -> float:
        """Seconds that the call may still take."""
        return max(self._end - time.monotonic(), 0.0)

    def wait_s(self, error: Error) -> float | None:
        """Seconds until the call is made again; None: it has failed."""
        if not isinstance(error, ResourceExhausted) or not error.retry_after_s:
            return None
        self._refusals += 1
        again = self._refusals <= REFUSALS and error.retry_after_s < self.left_s
        return error.retry_after_s if again else None


def of_page(request: Message) -> tuple[tuple[str, str], ...]:
    """Metadata that tells a later page from a first one: under load the server refuses later ones first."""
    later = isinstance(request, GetTimelineRequest) and request.cursor
    return (("feedrank-page", "later"),) if later else ()
