"""Calls that were made before. A call says when it was made and a number that nobody else drew:
`feedrank-call: <ms since 1970>-<random>`; the same words a second time are a replay."""

import re
import threading
from collections.abc import Callable, Iterable

from ranker.errors import RateExceeded, Replayed
from ranker.journal import now_ms

WINDOW_MS = 5 * 60_000
"""How far the caller's clock may be off."""
MOST_CALLS = 65_536
_CALL = re.compile(r"(\d{1,15})-([A-Za-z0-9_-]{8,64})")


class Replays:
    """The calls of the last minutes. A call of more than five minutes ago is refused by its time.

    So what came in is kept for twice that, and never more than `most` calls: past it the oldest is forgotten,
    or, where it must not be (`forgets` False), the call is refused.
    """

    def __init__(self, *, forgets: bool, most: int = MOST_CALLS, clock: Callable[[], int] = now_ms) -> None:
        self._forgets = forgets
        self._most = most
        self._clock = clock
        self._came_ms: dict[str, int] = {}
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._came_ms)

    def remember(self, calls: Iterable[str]) -> None:
        """Take calls as made, such as those before a restart."""
        now = self._clock()
        with self._turn:
            self._came_ms.update(dict.fromkeys(calls, now))

    def check(self, caller: str, call: str, attempt: str = "") -> str:
        """Take a call as made; what it is known by. Raises Replayed for one that was, or whose time is off.

        `attempt`: gRPC's own count of repetitions, where the RPC may be repeated.
        """
        now = self._clock()
        self._check_time(call, now)
        key = f"{caller}/{call}/{attempt}"
        with self._turn:
            self._drop_old(now)
            if key in self._came_ms:
                raise Replayed("the call was made before: send a new feedrank-call with each")
            if len(self._came_ms) >= self._most:
                self._make_room(now)
            self._came_ms[key] = now
        return key

    @staticmethod
    def _check_time(call: str, now: int) -> None:
        parts = _CALL.fullmatch(call)
        if parts is None:
            raise Replayed("feedrank-call can't be read: send <ms since 1970>-<8 random letters or more>")
        if abs(int(parts[1]) - now) > WINDOW_MS:
            raise Replayed("the time in feedrank-call is over 5 minutes off: set the caller's clock right")

    def _drop_old(self, now: int) -> None:
        while self._came_ms:
            first = next(iter(self._came_ms))
            if now - self._came_ms[first] <= 2 * WINDOW_MS:
                return
            del self._came_ms[first]

    def _make_room(self, now: int) -> None:
        first = next(iter(self._came_ms))
        if not self._forgets:
            wait_ms = self._came_ms[first] + 2 * WINDOW_MS - now
            raise RateExceeded(
                f"{self._most:,} such calls came in 10 minutes, the most that are told apart: call later",
                wait_ms,
            )
        del self._came_ms[first]
