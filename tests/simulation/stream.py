"""A Valkey stream in memory, as redis-py's client shows it, with connections that break.

It stands for a server with `appendfsync always`: an entry whose answer was given is on its disk, one whose
answer was not given may or may not be there after a crash.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

import redis

from tests.simulation.clock import Clock
from tests.simulation.faults import Rates

Position = tuple[int, int]


def position_of(text: str | bytes) -> Position:
    """A stream id as numbers; "0-0" for an empty one."""
    milliseconds, _, sequence = (text.decode() if isinstance(text, bytes) else text or "0-0").partition("-")
    return int(milliseconds), int(sequence or 0)


def named(position: Position) -> str:
    """A stream id as text."""
    return f"{position[0]}-{position[1]}"


class StreamServer:
    """One stream. `log` is all that was ever in it, also what was trimmed away."""

    def __init__(self, clock: Clock) -> None:
        self.log: list[tuple[Position, bytes]] = []
        self.first = 0
        """The place in the log of the first entry that was not trimmed."""
        self.up = True
        self._clock = clock

    def add(self, payload: bytes) -> Position:
        """Append; ids only grow, whatever the clock says."""
        last = self.log[-1][0] if self.log else (0, 0)
        fresh = self._clock.wall_ms, 0
        position = fresh if fresh > last else (last[0], last[1] + 1)
        self.log.append((position, payload))
        return position

    def at(self, position: Position) -> bytes | None:
        """The entry of a position, trimmed or not; None where there never was one."""
        return next((payload for there, payload in reversed(self.log) if there == position), None)


class Connection:
    """What `ranker.journal.Journal` holds: the few commands that it sends."""

    def __init__(
        self, server: StreamServer, draw: random.Random, rates: Rates, point: Callable[[str], None]
    ) -> None:
        """`point`: told of each command, before and after it is done; the process may die there."""
        self.cut = False
        self._server = server
        self._draw = draw
        self._rates = rates
        self._point = point

    def xadd(self, _stream: str, fields: Mapping[bytes, bytes]) -> bytes:
        self._reach("xadd")
        position = self._server.add(fields[b"e"])
        self._answer("xadd")
        return named(position).encode()

    def xread(self, streams: Mapping[str, str], count: int, block: int | None = None) -> list[Any]:  # noqa: ARG002
        self._reach("xread")
        ((stream, after),) = streams.items()
        wanted = position_of(after)
        held = self._server.log[self._server.first :]
        found = [(named(at).encode(), {b"e": payload}) for at, payload in held if at > wanted][:count]
        self._answer("xread")
        return [[stream.encode(), found]] if found else []

    def xinfo_stream(self, _stream: str) -> dict[str, Any]:
        self._reach("xinfo")
        log, first = self._server.log, self._server.first
        if not log:
            raise redis.ResponseError("no such key")
        held = log[first:]
        return {
            "length": len(held),
            "entries-added": len(log),
            "last-generated-id": named(log[-1][0]).encode(),
            "first-entry": (named(held[0][0]).encode(), {b"e": held[0][1]}) if held else None,
        }

    def xtrim(self, _stream: str, *, minid: str, approximate: bool) -> int:
        assert not approximate
        self._reach("xtrim")
        before, server = self._server.first, self._server
        while server.first < len(server.log) and server.log[server.first][0] < position_of(minid):
            server.first += 1
        self._answer("xtrim")
        return server.first - before

    def ping(self) -> bool:
        self._reach("ping")
        return True

    def close(self) -> None:
        """Nothing is held."""

    def _reach(self, command: str) -> None:
        self._point(f"before {command}")
        if self.cut or not self._server.up or self._draw.random() < self._rates.refused:
            raise redis.ConnectionError("connection refused")

    def _answer(self, command: str) -> None:
        self._point(f"after {command}")
        if self._draw.random() < self._rates.unanswered:
            raise redis.TimeoutError("timed out")
