"""Histories: rows as entries with their own times, and the examples of a server's data folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest

from ranker.archive import Archive
from ranker.errors import InvalidArgument, NotFound
from ranker.heads import NAMES
from ranker.journal import Journal
from ranker.state import State
from ranker.valkey import EmbeddedValkey
from training.histories import example_set, of_rows
from training.replay import Replay
from training.rows import Row

T0 = 1_700_000_000_000


def event(kind: t.EventKind.ValueType, at: int, **fields: Any) -> t.Event:
    return t.Event(viewer_id="ines", kind=kind, post_id="p1", time_ms=T0 + at, **fields)


def some_rows() -> list[Row]:
    return [
        t.Post(id="p1", author_id="ada", created_ms=T0, vector=[1.0, 0.0, 0.0]),
        t.User(id="ines"),
        t.Relation(user_id="ines", target_id="ada", kind=t.RELATION_KIND_FOLLOW),
        event(t.EVENT_KIND_IMPRESSION, 10),
        event(t.EVENT_KIND_LIKE, 20),
    ]


def test_an_entry_bears_the_time_of_its_last_row() -> None:
    entries = [entry for _, entry in of_rows(some_rows())]
    assert [entry.WhichOneof("change") for entry in entries] == ["posts", "users", "relations", "events"]
    assert [entry.time_ms for entry in entries] == [T0, T0, T0, T0 + 20]


def test_a_pause_of_over_a_minute_begins_a_new_entry() -> None:
    rows = [event(t.EVENT_KIND_CLICK, at) for at in (0, 60_000, 60_001)]
    assert [len(entry.events.kinds) for _, entry in of_rows(rows)] == [2, 1]


def test_an_answer_is_not_cut_in_two() -> None:
    shown = [event(t.EVENT_KIND_IMPRESSION, 0, request_id=f"r{i // 24}") for i in range(1_200)]
    assert [len(entry.events.kinds) for _, entry in of_rows(shown)] == [1_008, 192]


def test_every_kind_of_row_folds() -> None:
    rest: list[Row] = [SetPreferencesRequest(viewer_id="ines"), DeletePostsRequest(post_ids=["p1"])]
    replay = Replay(State(3))
    replay.run(of_rows([*some_rows(), *rest]))
    assert replay.state.posts.deleted[0]
    assert replay.state.position == "6-0"


@pytest.mark.parametrize("archived", [0, 2, 4])
@pytest.mark.parametrize("runs", [True, False])
def test_a_data_folder_gives_the_examples_of_its_history(
    tmp_path: Path, request: pytest.FixtureRequest, archived: int, runs: bool
) -> None:
    valkey = EmbeddedValkey(tmp_path / "journal")
    valkey.start()
    request.addfinalizer(valkey.stop)
    journal = Journal.at_socket(valkey.socket)
    for _, entry in of_rows(some_rows()):
        journal.append(entry)
    records = list(journal.records(""))
    Archive(tmp_path / "archive").append(records[:archived])
    if archived:
        journal.trim(records[archived - 1][0])
    if not runs:
        valkey.stop()
    found = example_set(data=tmp_path)
    assert journal.ping() is runs
    journal.close()
    direct = Replay(State(3))
    direct.run(of_rows(some_rows()))
    examples = found.examples
    assert found.about.made_by == "replay"
    assert np.array_equal(examples.features, direct.examples().features, equal_nan=True)
    assert examples.labels[:, NAMES.index("like")].tolist() == [1]


def test_a_folder_that_is_none_of_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no journal"):
        example_set(data=tmp_path)


def test_either_a_server_s_folder_or_a_data_set_is_named(tmp_path: Path) -> None:
    for both_or_none in ({}, {"data": tmp_path, "source": tmp_path}):
        with pytest.raises(InvalidArgument, match="either"):
            example_set(**both_or_none)
