"""Replay equals live, bit for bit."""

from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import snapshot
from ranker.archive import Archive, history
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Entry, Journal, order
from ranker.state import NONE, State, StateSettings
from ranker.valkey import EmbeddedValkey
from tests.ranker import histories
from tests.ranker.histories import FEW, MANY, Ear, one_by_one, records

SEED = st.integers(0, 2**32)
LENGTH = st.integers(0, 60)
CAPS = st.sampled_from([FEW, MANY])


@settings(max_examples=60, deadline=None)
@given(SEED, LENGTH, CAPS)
def test_a_second_fold_of_a_history_comes_to_the_same_state(
    seed: int, length: int, caps: StateSettings
) -> None:
    first, second = (Ear(caps).hear(records(seed, length)) for _ in range(2))
    assert first.state.fingerprint() == second.state.fingerprint()


@settings(max_examples=60, deadline=None)
@given(SEED, LENGTH, LENGTH, CAPS)
def test_a_copy_and_the_entries_since_come_to_the_same_state(
    seed: int, before: int, after: int, caps: StateSettings
) -> None:
    whole, part, restored = Ear(caps), Ear(caps), Ear(caps)
    life = records(seed, before + after)
    whole.hear(life)
    state = part.hear(life[:before]).state
    restored.state.load(dict(state.arrays()), state.facts)
    assert restored.state.fingerprint() == part.state.fingerprint()
    restored.hear(life[before:])
    assert restored.state.fingerprint() == whole.state.fingerprint()


@settings(max_examples=8, deadline=None)
@given(SEED, LENGTH, LENGTH, CAPS)
def test_a_snapshot_on_disk_and_the_entries_since_come_to_the_same_state(
    seed: int, before: int, after: int, caps: StateSettings
) -> None:
    whole, restored = Ear(caps), Ear(caps)
    life = records(seed, before + after)
    with TemporaryDirectory() as folder:
        snapshot.save(whole.hear(life[:before]).state, Path(folder))
        assert snapshot.restore(restored.state, Path(folder)) == whole.state.position
    restored.hear(life[before:])
    assert restored.state.fingerprint() == whole.hear(life[before:]).state.fingerprint()


@settings(max_examples=150, deadline=None)
@given(SEED, LENGTH)
def test_rows_come_to_the_same_state_whatever_calls_they_came_in(seed: int, length: int) -> None:
    """While nothing is evicted: that is looked at once an entry."""
    together, apart = State(histories.DIMENSION), State(histories.DIMENSION)
    for entry in histories.history(seed, length):
        Fold(together).apply("1-0", entry)
        for row in one_by_one(entry):
            Fold(apart).apply("1-0", row)
    assert together.fingerprint() == apart.fingerprint()


@settings(max_examples=200, deadline=None)
@given(SEED, LENGTH, CAPS)
def test_any_history_leaves_a_sound_state(seed: int, length: int, caps: StateSettings) -> None:
    ear = Ear(caps).hear(records(seed, length))
    assert_sound(ear.state)
    posts = ear.state.posts
    assert len(ear.slices) == posts.has_vector[: posts.size].sum()


def assert_sound(state: State) -> None:
    """References point to rows, lists are sorted, sums are not negative, both sides of a relation agree."""
    sizes = {name: len(ids) for name, (_, ids) in state.tables.items()}
    sizes |= {"topic": len(state.topic_ids), "label": len(state.label_ids)}
    assert sizes["post"] <= state.settings.max_posts
    assert sizes["user"] <= state.settings.max_users
    for table, ids in state.tables.values():
        named = [name for name in ids.names if name]
        assert len(named) == len(set(named))
        assert table.size == len(ids) < table.capacity
        for name, column in table.columns.items():
            values = getattr(table, name)
            assert not column.of or (
                values.min(initial=NONE) >= NONE and values.max(initial=NONE) < sizes[column.of]
            )
            assert column.of or column.dtype != np.float32 or (np.isfinite(values) & (values >= 0)).all()
            assert (values[table.size :] == column.fill).all()
        for name, rows in table.raggeds.items():
            for row in range(table.size if rows.of else 0):
                held = getattr(table, name)[row].tolist()
                assert held == sorted(set(held))
                assert not held or (held[0] >= 0 and held[-1] < sizes[rows.of or ""])
    users = state.users
    follows = np.concatenate([users.follows[row] for row in range(users.size + 1)])
    assert users.followers[: users.size].tolist() == np.bincount(follows, minlength=users.size).tolist()
    blocks = {(user, int(target)) for user in range(users.size) for target in users.blocks[user]}
    assert blocks == {(int(by), user) for user in range(users.size) for by in users.blocked_by[user]}


def test_histories_meet_what_they_are_to_meet() -> None:
    """Else the tests above would prove little."""
    ears = [Ear(FEW).hear(records(seed, 120)) for seed in range(5)]
    assert all(ear.poison for ear in ears)
    assert all(len(ear.state.post_ids) < 21 for ear in ears)
    for column in ("hidden", "blocks", "follows", "mutes", "preferences"):
        assert any(getattr(ear.state.users, column).length.any() for ear in ears)
    assert any(ear.state.users.interest_weight.pool.any() for ear in ears)


@settings(max_examples=6, deadline=None)
@given(seed=SEED, length=LENGTH, cut=LENGTH)
def test_a_live_server_a_replica_and_an_archive_come_to_the_same_state(
    valkey: EmbeddedValkey, seed: int, length: int, cut: int
) -> None:
    stream = uuid4().hex
    journal = Journal.at_socket(valkey.socket, stream)
    states = [State(histories.DIMENSION, FEW) for _ in range(3)]
    live, replica = (Follower(Journal.at_socket(valkey.socket, stream), Fold(s)) for s in states[:2])
    live.start()
    positions = [journal.append(entry) for entry in histories.history(seed, length)]
    replica.start()
    for follower in (live, replica):
        assert follower.wait_for(positions[-1] if positions else "", 10)
        follower.stop()
        follower.journal.close()
    with TemporaryDirectory() as folder:
        if cut < len(positions):
            archive = Archive(Path(folder))
            archive.append(r for r in list(journal.records("")) if order(r[0]) <= order(positions[cut]))
            journal.trim(positions[cut])
        for position, payload in history(Archive(Path(folder)), journal):
            Fold(states[2]).apply(position, Entry.FromString(payload))
    journal.close()
    assert len({state.fingerprint() for state in states}) == 1
