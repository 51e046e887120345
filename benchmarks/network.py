"""A network of any size on disk: a snapshot that a server starts on.

A million posts and 100,000 viewers with 200 follows each are written into the state as columns
(benchmarks/backfill.py), to what a fold of the entries of the week comes to, bit for bit; a test holds that.
Users and events take the way of the fold.
"""

from pathlib import Path

from benchmarks import backfill, vectors
from benchmarks.week import ROWS, Week
from ranker import snapshot
from ranker.fold import Fold
from ranker.state import State, StateSettings

DIMENSION = vectors.DIMENSION


def world(posts: int, viewers: int, seed: int) -> Week:
    """A network of a week that ends now."""
    return Week(posts, viewers, seed)


def folded(network: Week) -> State:
    """What the fold of its entries comes to."""
    settings = StateSettings(max_posts=max(1_000_000, 2 * network.posts))
    state = State(DIMENSION, settings)
    fold, number = Fold(state), 0
    for number, entry in enumerate(network.user_entries(), 1):
        fold.apply(f"{number}-0", entry)
    backfill.follow(state, network)
    backfill.post(state, network)
    number += int((network.followed.length > 0).sum()) + -(-network.posts // ROWS)
    for at, entry in enumerate(network.event_entries(), number + 1):
        fold.apply(f"{at}-0", entry)
    return state


def prepare(network: Week, data: Path) -> State:
    """Write the snapshot of a network into a data folder; the state that it holds."""
    state = folded(network)
    snapshot.save(state, data / "snapshots")
    return state
