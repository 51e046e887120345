"""Replay equals live, bit for bit."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest
from feedrank.v1 import types_pb2
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranker import entries, features, query, snapshot
from ranker.archive import Archive, history
from ranker.candidates import Candidates
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Entry, Journal, Record, order
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.service import Service, open_journal
from ranker.settings import Settings
from ranker.state import NONE, State, StateSettings
from ranker.valkey import EmbeddedValkey
from ranker.vectorizer import EmbedderSettings
from tests.ranker import histories
from tests.ranker.histories import FEW, MANY, Ear, one_by_one, records
from training.playground import World
from training.rows import Row

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
    copied = snapshot.Content.of(part.hear(life[:before]).state)
    restored.state.load(copied.arrays, copied.facts)
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
        snapshot.save(snapshot.Content.of(whole.hear(life[:before]).state), Path(folder))
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
        assert table.size == len(ids) == len(set(ids.names)) < table.capacity
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
    ears = [Ear(FEW).hear(records(seed, 60)) for seed in range(5)]
    assert all(ear.poison for ear in ears)
    assert all(len(ear.state.post_ids) < 21 for ear in ears)
    for column in ("hidden", "blocks", "follows", "mutes", "preferences"):
        assert any(getattr(ear.state.users, column).length.any() for ear in ears)
    assert any(ear.state.users.interest_weight.any() for ear in ears)


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


# what was served


DIMENSION = 16
NOW = histories.NOW


def written() -> Iterator[Entry]:
    """A small network's life as entries, in order."""
    world = World(authors=40, viewers=40, post_count=300, days=3, end_ms=NOW, vector_dimension=DIMENSION)
    for kind, rows in groupby(world.rows(), type):
        while few := list(islice(rows, 50 if kind.__name__ in entries.OF else 1)):
            yield entry_of(few)


def entry_of(rows: list[Row]) -> Entry:
    first = rows[0]
    if isinstance(first, SetPreferencesRequest):
        return entries.of_preferences(first, NOW)
    if isinstance(first, DeletePostsRequest):
        return entries.of_deletions(first.post_ids, NOW)
    return entries.OF[type(first).__name__](rows, NOW)


@dataclass(frozen=True)
class Answered:
    """One answer as it was logged, with the state as it was then."""

    state: State
    ask: Ask
    post_ids: list[str]
    rows: NDArray[np.float32]

    def recomputed(self, post_ids: list[str]) -> NDArray[np.float32]:
        """The feature rows by the code that serves."""
        posts = Candidates.of(self.state, self.state.post_ids.slots(post_ids))
        return features.compute(query.build(self.state, self.ask), posts)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Answered]]:
    """Answers of a service that others wrote to meanwhile, and that wrote a snapshot in between."""
    data = tmp_path_factory.mktemp("served")
    embedder = EmbedderSettings(enabled=False, dimension=DIMENSION)
    settings = Settings(data=data, embedder=embedder)
    with Service(settings) as service:
        serve_while_writing(service)
    with open_journal(settings) as journal:
        yield replayed(data, history(Archive(data / "archive"), journal))


def serve_while_writing(service: Service) -> None:
    life = list(written())
    for entry in life[: len(life) // 2]:
        service.writer.write(entry)
    rest = threading.Thread(target=lambda: [service.writer.write(entry) for entry in life[len(life) // 2 :]])
    rest.start()
    people = [*service.state.user_ids.names[:30], "newcomer"]
    for turn in range(3 * len(people)):
        surface = (types_pb2.SURFACE_FOR_YOU, types_pb2.SURFACE_DISCOVER)[turn % 2]
        ask = Ask(people[turn % len(people)], NOW - turn, surface=surface)
        service.timelines.page(ask, "", Trace())
        if turn == len(people):
            service.upkeep.save()
    rest.join()


def replayed(data: Path, records: Iterator[Record]) -> Iterator[Answered]:
    """Each answer, with a fresh state folded up to the entry that the answer names."""
    state = State(DIMENSION)
    fold = Fold(state)
    logged = [row for file in (data / "impressions").iterdir() for row in pq.read_table(file).to_pylist()]
    logged.sort(key=lambda row: (order(row["entry_id"]), row["request_id"], row["place"]))
    for _, group in groupby(logged, lambda row: row["request_id"]):
        rows = list(group)
        while order(state.position) < order(rows[0]["entry_id"]):
            position, payload = next(records)
            fold.apply(position, Entry.FromString(payload))
        assert state.position == rows[0]["entry_id"]
        ask = Ask(rows[0]["viewer_id"], rows[0]["time_ms"], surface=rows[0]["surface"])
        values = np.array([row["features"] for row in rows], np.float32)
        yield Answered(state, ask, [row["post_id"] for row in rows], values)


def test_the_features_of_what_was_served_are_those_that_a_replay_computes(
    answers: Iterator[Answered],
) -> None:
    served, moments = 0, set()
    for answer in answers:
        served += len(answer.post_ids)
        moments.add(answer.state.position)
        assert answer.recomputed(answer.post_ids).tobytes() == answer.rows.tobytes()
        for post_id, row in zip(answer.post_ids, answer.rows, strict=True):
            assert answer.recomputed([post_id]).tobytes() == row.tobytes()
    assert served > 1_000
    assert len(moments) > 20
