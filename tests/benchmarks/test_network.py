"""Networks that are written as columns."""

from pathlib import Path

import numpy as np

from benchmarks import network
from benchmarks.week import Week
from ranker import snapshot
from ranker.fold import Fold
from ranker.state import State

SMALL = Week(posts=1_300, viewers=90, seed=5, follows=12, end_ms=1_795_305_600_000)


def test_a_state_written_as_columns_is_the_fold_of_its_entries() -> None:
    state = State(network.DIMENSION)
    fold = Fold(state)
    for number, entry in enumerate(SMALL.entries(), 1):
        fold.apply(f"{number}-0", entry)
    made = network.folded(SMALL)
    theirs = dict(made.arrays())
    assert [name for name, array in state.arrays() if not np.array_equal(array, theirs[name])] == []
    assert made.fingerprint() == state.fingerprint()


def test_viewers_follow_different_authors_and_nobody_follows_oneself() -> None:
    rows = np.split(SMALL.followed.author, np.cumsum(SMALL.followed.length)[:-1])
    assert all((np.diff(row) > 0).all() for row in rows)
    assert all(viewer not in row for viewer, row in enumerate(rows))
    assert SMALL.follows / 2 < np.median(SMALL.followed.length) <= SMALL.follows


def test_nobody_meets_a_post_before_it_is_written() -> None:
    done = SMALL.happened
    assert (done.time_ms >= SMALL.posted.created_ms[done.post]).all()
    assert (np.diff(done.time_ms) >= 0).all()


def test_a_snapshot_of_it_is_restored(tmp_path: Path) -> None:
    made = network.prepare(SMALL, tmp_path)
    state = State(network.DIMENSION)
    assert snapshot.restore(state, tmp_path / "snapshots") == made.position
    assert state.fingerprint() == made.fingerprint()
