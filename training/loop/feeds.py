"""The feeds that are compared: each answers a viewer from a network of its own."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from feedrank.journal.v1 import journal_pb2

from ranker import query
from ranker.candidates import Candidates, among
from ranker.events import COUNTERS
from ranker.fold import Fold
from ranker.pipeline import Trace
from ranker.query import Ask, Query
from ranker.state import State, counters
from ranker.surfaces import FOR_YOU
from training.playground.audience import Audience

Entry = journal_pb2.Entry
Doubles = npt.NDArray[np.float64]

LEARNED, UNTRAINED = "learned", "untrained"
ARMS = (LEARNED, UNTRAINED, "oracle", "popular", "chronological", "random")
"""What is compared: the server with all its learning, the server with its prior alone, and simple feeds."""

_LIKE = COUNTERS.index("like")
_POPULAR_FOR = counters.HALF_LIVES.index("3d")


class Feed(Protocol):
    """What is compared: it hears of everything that happens, and answers."""

    def write(self, entry: Entry) -> None:
        """Take in what happened."""

    def page(self, viewer: int, now_ms: int, visit: int) -> tuple[str, list[int]]:
        """A request id, and the numbers of the posts on a viewer's page, top first."""

    def at_night(self, now_ms: int) -> None:
        """What is done once a day."""


class Moment(NamedTuple):
    """What a simple feed orders by: a viewer, by number and as a query, and the posts that may be shown."""

    viewer: int
    asked: Query
    posts: Candidates


Order = Callable[[Moment], Doubles]
"""Scores of the posts: the highest comes first."""


class Simple:
    """A feed that puts all that a viewer may see and has not met into one order.

    What may be seen is decided by feedrank's own filters, the same as for a timeline.
    """

    def __init__(self, audience: Audience, size: int, order: Order) -> None:
        self.audience = audience
        self.size = size
        self.order = order
        self.state = State(audience.world.vector_dimension)
        self._fold = Fold(self.state)
        self._entries = 0

    def write(self, entry: Entry) -> None:
        """Fold it."""
        self._entries += 1
        self._fold.apply(f"{self._entries}-0", entry)

    def at_night(self, now_ms: int) -> None:
        """Nothing to do."""

    def page(self, viewer: int, now_ms: int, visit: int) -> tuple[str, list[int]]:
        """The best by the order, and a record that they were served."""
        name = self.audience.world.user_ids[viewer]
        asked = query.build(self.state, Ask(name, now_ms, size=self.size))
        found = np.arange(self.state.posts.size, dtype=np.int32)
        posts = FOR_YOU.filter(asked, Candidates.of(self.state, found), Trace())
        unread = posts[~self.audience.read[viewer, posts.slot]]
        best = np.argsort(-self.order(Moment(viewer, asked, unread)), kind="stable")[: self.size]
        shown = unread.slot[best].tolist()
        ids = [self.state.post_ids.names[slot] for slot in shown]
        pages = [journal_pb2.ServedPage(viewer_id=name, post_ids=ids, time_ms=now_ms)]
        self.write(Entry(time_ms=now_ms, served=journal_pb2.Served(pages=pages)))
        return f"v{visit}", shown


def chronological(now: Moment) -> Doubles:
    """The newest of the authors whom the viewer follows, then the newest in languages the viewer reads."""
    first = among(now.posts.author, now.asked.follows) * 2.0 + among(now.posts.language, now.asked.reads)
    return np.asarray(first * 1e14 + now.posts.created_ms)


def popular(now: Moment) -> Doubles:
    """Most liked over all viewers, likes fading with a half-life of three days, in languages one reads."""
    of, half_life = now.posts.state.posts, counters.HALF_LIVES_MS[[_POPULAR_FOR]]
    lately = of.counter[..., _POPULAR_FOR, None]
    likes = counters.read(lately, of.counter_ms, now.posts.slot, now.asked.now_ms, half_life)[:, _LIKE, 0]
    readable = among(now.posts.language, now.asked.reads)
    return np.asarray(readable * 1e6 + likes + now.posts.created_ms / 1e15, np.float64)


def oracle(audience: Audience) -> Order:
    """By the hidden truth."""
    return lambda now: audience.utilities(now.viewer, now.posts.slot, now.asked.now_ms).astype(np.float64)


def at_random(seed: int) -> Order:
    """In random order."""
    rng = np.random.default_rng([seed, *b"random"])
    return lambda now: rng.random(len(now.posts))
