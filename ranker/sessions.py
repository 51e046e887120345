"""Sessions: the order that a viewer is paging through.

A cursor names a session and a place in its order. The order only grows at its end, so the same cursor gives
the same page again, and no post comes twice. A session stays with the worker that began it; its key names it.
"""

import base64
import binascii
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker.board import PRIMARY
from ranker.errors import CursorExpired, InvalidArgument
from ranker.pipeline import Ranking
from ranker.query import Ask
from ranker.selection import SPREADS
from ranker.sets import ordered
from ranker.state import State
from ranker.state.columns import Array, Slots
from ranker.state.strings import NO_STRINGS, Strings

_KEY_BYTES = 12


class SessionSettings(BaseModel, frozen=True, extra="forbid"):
    """How long paging goes on."""

    ttl_s: float = Field(1800, gt=0, description="A session unused for so long has expired.")
    max_sessions: int = Field(20_000, ge=1, description="Sessions held; past it the longest unused expire.")
    places: int = Field(100, ge=20, le=1000, description="Posts ordered at a time.")
    candidates: int = Field(
        500, ge=200, le=1000, description="Posts scored at a time; a light ranker chooses them."
    )


@dataclass
class Session:
    """An order of posts. Columns have one entry a place; ids, as bytes, outlive the renumbering of slots."""

    key: bytes
    ask: Ask
    ids: Strings = NO_STRINGS
    brought: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    propensity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    score: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    spreads: dict[str, NDArray[np.float64]] = field(
        default_factory=lambda: {name: np.zeros(0) for name in SPREADS}
    )
    """The factors that were the selection's; the scores have them in."""
    left_out: Strings = NO_STRINGS
    """Posts that say what one in the order says."""
    complete: bool = False
    """Nothing more will come after the last place."""
    variant: tuple[str, str] | None = None
    """The experiment and variant that its first page counted for, empty words for none; None before it."""
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The key as text, 16 characters."""
        return base64.urlsafe_b64encode(self.key).decode()

    def extend(self, ranking: Ranking, state: State, *, whole: bool) -> None:
        """Put a ranking after the last place. An empty one ends the session, if nothing was degraded."""
        posts = ranking.scored.posts
        self.ids = self.ids.followed_by(state.post_ids.strings(posts.slot))
        self.left_out = self.left_out.followed_by(state.post_ids.strings(ranking.left_out))
        self.brought = _longer(self.brought, posts.brought)
        self.propensity = _longer(self.propensity, ranking.propensity)
        self.score = _longer(self.score, ranking.scored.score)
        for name, held in self.spreads.items():
            self.spreads[name] = _longer(held, ranking.scored.multipliers[name])
        self.complete = whole and not len(posts)

    def __len__(self) -> int:
        return len(self.score)

    def ends_at(self, place: int) -> bool:
        """Whether nothing follows from a place on."""
        return self.complete and place >= len(self)

    def slots(self, state: State) -> Slots:
        """The posts as they are numbered now; NONE for those that left."""
        return state.post_ids.find(self.ids)

    def settled(self, state: State) -> Slots:
        """The posts that need not be ranked again, sorted."""
        return ordered(state.post_ids.find(self.ids.followed_by(self.left_out)))

    def cursor(self, place: int) -> str:
        """What continues at a place."""
        return base64.urlsafe_b64encode(self.key + place.to_bytes(4, "big")).decode()


class Sessions:
    """The open sessions, bounded in number and time."""

    def __init__(self, settings: SessionSettings, worker: int = PRIMARY) -> None:
        """`worker`: the number, below 256, of the process among those of its server."""
        self.settings = settings
        self._worker = worker
        self._open: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, ask: Ask) -> Session:
        """A new session."""
        key = bytes([self._worker]) + secrets.token_bytes(_KEY_BYTES - 1)
        session = Session(key, ask, used=time.monotonic())
        with self._lock:
            self._open[session.key] = session
            while len(self._open) > self.settings.max_sessions:
                self._open.popitem(last=False)
        return session

    def resume(self, cursor: str, ask: Ask) -> tuple[Session, int]:
        """The session that a cursor names, and the place where it goes on."""
        key, place = _decode(cursor)
        now = time.monotonic()
        with self._lock:
            session = self._open.get(key)
            if session is None or now - session.used > self.settings.ttl_s:
                self._open.pop(key, None)
                raise CursorExpired("the cursor has expired: start again without a cursor")
            session.used = now
            self._open.move_to_end(key)
        if _options(session.ask) != _options(ask):
            raise InvalidArgument(
                "cursor", "cursor belongs to another viewer, surface or option: start again without it"
            )
        if place > len(session):
            raise InvalidArgument("cursor", "cursor was not given by this service: start again without it")
        return session, place

    def of(self, viewer_id: str) -> list[dict[str, str | int | list[str]]]:
        """What is kept of a viewer's sessions, for the viewer to read."""
        with self._lock:
            held = [one for one in self._open.values() if one.ask.viewer_id == viewer_id]
        return [
            {"session_id": one.name, "surface": one.ask.surface, "post_ids": one.ids.texts()} for one in held
        ]

    def end(self, viewer_id: str) -> int:
        """End the sessions of a viewer; how many there were."""
        with self._lock:
            ended = [key for key, one in self._open.items() if one.ask.viewer_id == viewer_id]
            for key in ended:
                del self._open[key]
        return len(ended)

    @property
    def nbytes(self) -> int:
        """Bytes, estimated: of a session itself, and of each place an id and some numbers."""
        with self._lock:
            return sum(2_000 + 60 * (len(one) + len(one.left_out.start)) for one in self._open.values())

    def __len__(self) -> int:
        return len(self._open)


def _longer(held: Array, more: Array) -> Array:
    return np.concatenate([held, more]) if len(held) else more


def worker_of(cursor: str) -> int:
    """The worker that began a cursor's session. Raises InvalidArgument."""
    return _decode(cursor)[0][0]


def _options(ask: Ask) -> tuple[object, ...]:
    return ask.viewer_id, ask.surface, ask.community_id, ask.chronological, ask.include_seen


def _decode(cursor: str) -> tuple[bytes, int]:
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument(
            "cursor", "cursor was not given by this service: start again without it"
        ) from error
    if len(raw) != _KEY_BYTES + 4:
        raise InvalidArgument("cursor", "cursor was not given by this service: start again without it")
    return raw[:_KEY_BYTES], int.from_bytes(raw[_KEY_BYTES:], "big")
