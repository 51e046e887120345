"""A network on disk: a simulated network, folded into a snapshot that a server starts on."""

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from feedrank.v1.types_pb2 import Event

from ranker import entries, snapshot
from ranker.fold import Fold
from ranker.state import State
from training.playground.world import World
from training.rows import Row, timed

DIMENSION = 384
_WINDOW_MS = 300_000
_MOST_ROWS = 1_000


def world(posts: int, viewers: int, seed: int) -> World:
    """A week that ends now, with one author to 50 posts and one page a viewer and day."""
    return World(
        seed=seed,
        authors=max(posts // 50, 3),
        viewers=viewers,
        post_count=posts,
        pages_a_day=1.0,
        end_ms=time.time_ns() // 1_000_000,
        vector_dimension=DIMENSION,
    )


def prepare(network: World, data: Path) -> State:
    """Fold a network and write the snapshot into a data folder; the state that it holds."""
    state = State(DIMENSION)
    fold = Fold(state)
    for number, entry in enumerate(_history(network.rows()), 1):
        fold.apply(f"{number}-0", entry)
    snapshot.save(snapshot.Content.of(state), data / "snapshots")
    return state


def _history(rows: Iterable[Row]) -> Iterator[entries.Entry]:
    """Rows as entries: in each five minutes what is not an event comes first, so that batches are long."""
    for _, window in groupby(timed(rows), lambda pair: pair[0] // _WINDOW_MS):
        pairs = sorted(window, key=lambda pair: isinstance(pair[1], Event))
        for _, alike in groupby(pairs, lambda pair: type(pair[1])):
            yield from _batches(list(alike))


def _batches(pairs: list[tuple[int, Row]]) -> Iterator[entries.Entry]:
    """Rows of one kind as entries, each timed by its last row."""
    make = entries.OF.get(type(pairs[0][1]).DESCRIPTOR.name)
    if make is None:
        yield from (entries.of_preferences(row, time_ms) for time_ms, row in pairs)  # type: ignore[arg-type]
        return
    for start in range(0, len(pairs), _MOST_ROWS):
        some = pairs[start : start + _MOST_ROWS]
        yield make([row for _, row in some], max(time_ms for time_ms, _ in some))
