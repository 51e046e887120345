"""The calls of a load: when each is due, and what it says, as bytes, so that sending costs little."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from feedrank.v1 import feed_pb2, ingest_pb2, types_pb2
from numpy.typing import NDArray

from benchmarks import vectors
from ranker.events import NUMBERS

Arrivals = Literal["poisson", "constant"]

KINDS = {
    "impression": 0.75,
    "click": 0.09,
    "dwell": 0.07,
    "like": 0.06,
    "reply": 0.01,
    "repost": 0.01,
    "hide": 0.01,
}
"""Shares of the events."""

READ = "/feedrank.v1.Feed/GetTimeline"
EVENTS = "/feedrank.v1.Ingest/RecordEvents"
POSTS = "/feedrank.v1.Ingest/PutPosts"
PAGE = 20


@dataclass(frozen=True)
class Known:
    """What the server knows, by id."""

    viewers: Sequence[str]
    posts: Sequence[str]
    authors: Sequence[str]


@dataclass(frozen=True)
class Mix:
    """Calls a second of each kind, and rows of a write."""

    reads: float
    events: float = 0
    posts: float = 0
    events_a_call: int = 500
    posts_a_call: int = 5

    def __mul__(self, share: float) -> "Mix":
        return Mix(
            self.reads * share, self.events * share, self.posts * share, self.events_a_call, self.posts_a_call
        )


@dataclass(frozen=True)
class Call:
    """One call: `due` is in seconds from the start."""

    due: float
    method: str
    content: bytes


def planned(
    known: Known, mix: Mix, arrivals: Arrivals, seconds: float, name: str, rng: np.random.Generator
) -> list[Call]:
    """All calls of a stretch, in order. `name` makes the ids of events and posts new to the server."""
    rates = (mix.reads, mix.events / mix.events_a_call, mix.posts / mix.posts_a_call)
    times = [due(rate, arrivals, seconds, rng) for rate in rates]
    contents = (
        reads(known, len(times[0]), rng),
        events(known, len(times[1]), mix.events_a_call, name, rng),
        posts(known, len(times[2]), mix.posts_a_call, name, rng),
    )
    calls = [
        Call(at, method, content)
        for method, some, made in zip((READ, EVENTS, POSTS), times, contents, strict=True)
        for at, content in zip(some.tolist(), made, strict=True)
    ]
    return sorted(calls, key=lambda call: call.due)


def due(rate: float, arrivals: Arrivals, seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """When calls at a rate are due, rising, within so many seconds.

    "constant" is evenly spaced from a random start. "poisson" is what many independent people do: their
    number is drawn first, then their times are uniform.
    """
    if arrivals == "constant":
        count = round(rate * seconds)
        return np.asarray((np.arange(count) + rng.random()) / max(rate, 1e-9), np.float64)
    return np.sort(rng.random(rng.poisson(rate * seconds)) * seconds)


def reads(known: Known, count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """First pages of random viewers."""
    for viewer in rng.integers(0, len(known.viewers), count).tolist():
        asked = feed_pb2.GetTimelineRequest(viewer_id=known.viewers[viewer], size=PAGE)
        yield asked.SerializeToString()


def events(known: Known, count: int, rows: int, name: str, rng: np.random.Generator) -> Iterator[bytes]:
    """Batches of what random viewers did with random posts."""
    for batch in range(count):
        drawn = zip(
            rng.integers(0, len(known.viewers), rows).tolist(),
            rng.integers(0, len(known.posts), rows).tolist(),
            drawn_kinds(rng, rows).tolist(),
            strict=True,
        )
        written = [
            types_pb2.Event(
                event_id=f"{name}-{batch}-{row}",
                viewer_id=known.viewers[viewer],
                post_id=known.posts[post],
                kind=kind,
                dwell_ms=12_000 if kind == types_pb2.EVENT_KIND_DWELL else 0,
            )
            for row, (viewer, post, kind) in enumerate(drawn)
        ]
        yield ingest_pb2.RecordEventsRequest(events=written).SerializeToString()


def drawn_kinds(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Kinds of events by their shares, as the contract's numbers."""
    return rng.choice([NUMBERS[kind] for kind in KINDS], count, p=list(KINDS.values()))


def posts(known: Known, count: int, rows: int, name: str, rng: np.random.Generator) -> Iterator[bytes]:
    """Batches of new posts that bring their vectors."""
    made = vectors.drawn(rng, count * rows).reshape(count, rows, vectors.DIMENSION)
    for batch in range(count):
        authors = rng.integers(0, len(known.authors), rows).tolist()
        written = [
            types_pb2.Post(
                id=f"{name}-{batch}-{row}",
                author_id=known.authors[author],
                text=f"Post {row} of batch {batch} of {name}.",
                language="en",
                vector=made[batch, row].tolist(),
            )
            for row, author in enumerate(authors)
        ]
        yield ingest_pb2.PutPostsRequest(posts=written).SerializeToString()
