"""What training sees of a served post is what the ranker saw when it served it, bit for bit."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feedrank.v1 import types_pb2
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest

from ranker import entries
from ranker.archive import Archive, history
from ranker.impression_files import read_log
from ranker.journal import Entry, Record, order
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.service import Service, open_journal
from ranker.settings import Settings
from ranker.state import State
from ranker.vectorizer import EmbedderSettings
from tests.live import within
from training.playground import World
from training.replay import Replay
from training.rows import Row

DIMENSION = 16
NOW = 1_795_305_600_000
POSTS = 10_000

NARROW = (
    "request_id",
    "session_id",
    "viewer_id",
    "surface",
    "time_ms",
    "entry_id",
    "place",
    "post_id",
    "source",
    "propensity",
)
FOLLOWING = types_pb2.SURFACE_FOLLOWING
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"surface": types_pb2.SURFACE_FOR_YOU},
    {"surface": types_pb2.SURFACE_DISCOVER},
    {"surface": types_pb2.SURFACE_FOR_YOU, "include_seen": True},
    {"surface": FOLLOWING},
    {"surface": FOLLOWING, "chronological": True},
    {"surface": types_pb2.SURFACE_COMMUNITY},
)


def written() -> list[Entry]:
    """A small network's life as entries, in order."""
    world = World(authors=60, viewers=60, post_count=600, days=3, end_ms=NOW, vector_dimension=DIMENSION)
    return [
        entry_of(few)
        for kind, rows in groupby(world.rows(), type)
        for few in parts(rows, 20 if kind.__name__ in entries.OF else 1)
    ]


def parts(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while few := list(islice(rows, size)):
        yield few


def entry_of(rows: list[Row]) -> Entry:
    first = rows[0]
    if isinstance(first, SetPreferencesRequest):
        return entries.of_preferences(first, NOW)
    if isinstance(first, DeletePostsRequest):
        return entries.of_deletions(first.post_ids, NOW)
    return entries.OF[type(first).__name__](rows, NOW)


def serve_while_writing(service: Service) -> None:
    """Sessions of several pages on every surface, and callers' own posts, until enough were served."""
    life = written()
    for entry in life[: len(life) // 2]:
        service.writer.write(entry)
    enough = threading.Event()
    rest = threading.Thread(target=write_slowly, args=(service, life[len(life) // 2 :], enough))
    rest.start()
    people = [*service.state.user_ids.names[:40], "newcomer"]
    served = 0
    for turn in count():
        before = service.state.position
        ask = {"community_id": service.state.community_ids.names[0]} | QUESTIONS[turn % len(QUESTIONS)]
        served += session(service, Ask(people[turn % len(people)], NOW - turn, size=40, **ask))
        served += ranked(service, people[turn % len(people)], turn)
        if turn == 20:
            service.upkeep.save()
        if served >= POSTS:
            break
        within(5, partial(written_since, service, before, rest))  # else all could be of few moments
    enough.set()
    rest.join()


def written_since(service: Service, position: str, writer: threading.Thread) -> bool:
    return service.state.position != position or not writer.is_alive()


def write_slowly(service: Service, life: list[Entry], enough: threading.Event) -> None:
    for entry in life:
        service.writer.write(entry)
        if enough.wait(0.002):
            break


def session(service: Service, ask: Ask) -> int:
    """Up to three pages; the posts of them."""
    served, cursor = 0, ""
    for _ in range(3):
        page = service.timelines.page(ask, cursor, Trace())
        served, cursor = served + len(page.placed), page.cursor
        if not cursor:
            break
    return served


def ranked(service: Service, viewer: str, turn: int) -> int:
    """The caller's own posts; how many."""
    asked = service.state.post_ids.names[turn % 50 :: 50]
    ask = Ask(viewer, NOW - turn, size=len(asked))
    return len(service.timelines.rank_posts(ask, asked, apply_filters=False, trace=Trace()).page.placed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a service that answered while others wrote to it."""
    data = tmp_path_factory.mktemp("served")
    with Service(settings(data)) as service:
        serve_while_writing(service)
    return data


def settings(data: Path) -> Settings:
    return Settings(data=data, embedder=EmbedderSettings(enabled=False, dimension=DIMENSION))


def rows_logged(data: Path) -> list[dict[str, Any]]:
    """The rows of the log, each with its features as bytes."""
    table = pa.concat_tables(read_log(data / "impressions"))
    matrix = table["features"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    rows: list[dict[str, Any]] = table.select(NARROW).to_pylist()
    return [row | {"features": values.tobytes()} for row, values in zip(rows, matrix, strict=True)]


@dataclass(frozen=True)
class Answered:
    """One answer as it was logged, and the replay up to the entry that it names."""

    replay: Replay
    ask: Ask
    post_ids: list[str]
    features: list[bytes]
    """Of each post."""

    def differing(self, post_ids: list[str]) -> set[str]:
        """Of posts that are computed together, those that do not have the features that were logged."""
        logged = dict(zip(self.post_ids, self.features, strict=True))
        rows = self.replay.rows(self.ask, post_ids)
        return {one for one, row in zip(post_ids, rows, strict=True) if row.tobytes() != logged[one]}


def replayed(data: Path, records: Iterator[Record]) -> Iterator[Answered]:
    """Each answer, with a fresh state folded up to the entry that the answer names."""
    replay = Replay(State(DIMENSION))
    logged = sorted(
        rows_logged(data), key=lambda row: (order(row["entry_id"]), row["request_id"], row["place"])
    )
    for _, group in groupby(logged, lambda row: row["request_id"]):
        rows = list(group)
        while order(replay.state.position) < order(rows[0]["entry_id"]):
            position, payload = next(records)
            replay.fold.apply(position, Entry.FromString(payload))
        assert replay.state.position == rows[0]["entry_id"]
        ask = Ask(rows[0]["viewer_id"], rows[0]["time_ms"], surface=rows[0]["surface"])
        yield Answered(replay, ask, [row["post_id"] for row in rows], [row["features"] for row in rows])


def test_the_features_of_what_was_served_are_those_that_training_computes(folder: Path) -> None:
    served, moments, surfaces = 0, set(), set()
    with open_journal(settings(folder)) as journal:
        for answer in replayed(folder, history(Archive(folder / "archive"), journal)):
            served += len(answer.post_ids)
            moments.add(answer.replay.state.position)
            surfaces.add(answer.ask.surface)
            assert not answer.differing(answer.post_ids)
            alone = answer.post_ids[served % len(answer.post_ids)]
            assert not answer.differing([alone])
    assert served >= POSTS
    assert len(moments) > 50
    assert surfaces == {1, 2, 3, 4}


def test_the_log_says_what_each_row_was(folder: Path) -> None:
    rows = rows_logged(folder)
    assert {"caller", "fresh", "in_network", "trending", "community"} <= {row["source"] for row in rows}
    assert all((row["session_id"] == "") == (row["source"] == "caller") for row in rows)
    assert {row["propensity"] < 1 for row in rows} == {True, False}
    places = [(row["request_id"], row["place"]) for row in rows]
    assert len(places) == len(set(places))
