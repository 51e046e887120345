"""A person is erased from a server that runs, and from all of its files; and is told what is held."""

import json
import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import feedrank
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feedrank.v1 import privacy_pb2, privacy_pb2_grpc
from feedrank.v1.types_pb2 import Media

from ranker.archive import Archive
from ranker.impression_files import read_log
from ranker.journal import Entry, Journal
from ranker.seen import MARK, People, key_of
from ranker.trees import Forest
from ranker.valkey import EmbeddedValkey
from tests.conftest import DIMENSION, Launch
from tests.live import Server, within
from tests.ranker.test_bundle import facts, stump
from training.bundles import save_bundle

ZOE = "zoe-qxk"
"""Whatever is of this person has `qxk` in it, and nothing else has."""
OTHERS = [f"other{i}" for i in range(6)]
NEEDLES = (b"qxk", b"QXK")


def vector(seed: int) -> list[float]:
    return list(map(float, np.random.default_rng(seed).normal(size=DIMENSION)))


def live_a_little(client: feedrank.Client) -> None:
    """Everything that the contract has, by the person and towards the person."""
    now = time.time_ns() // 1_000_000
    mine = [
        feedrank.Post(
            id=f"post-qxk-{i}", author_id=ZOE, text=f"Mossqxk {i}", language="en",
            topics=["topicqxk", "moss"], safety_labels=["labelqxk"], vector=vector(i),
            created_ms=now - 1000 * i, media=[Media(prompt="promptqxk", alt_text="altqxk")],
        )
        for i in range(5)
    ]  # fmt: skip
    theirs = [
        feedrank.Post(
            id=f"p{i}", author_id=OTHERS[i % 6], text=f"Fern {i}", topics=["moss"], language="en",
            vector=vector(100 + i), created_ms=now - 1000 * i, reply_to_id="post-qxk-1" if i == 3 else "",
        )
        for i in range(40)
    ]  # fmt: skip
    client.put_posts([*mine, *theirs]).raise_if_rejected()
    client.put_users([feedrank.User(id=ZOE, languages=["en"], community_ids=["garden"])]).raise_if_rejected()
    pairs = [(ZOE, "follow", "other1"), ("other1", "follow", ZOE), ("other2", "follow", ZOE),
             (ZOE, "mute", "other5"), ("other4", "block", ZOE)]  # fmt: skip
    client.put_relations([feedrank.relation(*one) for one in pairs]).raise_if_rejected()
    wishes = feedrank.Preferences(muted_words=["wordqxk"], topics_less=["wishqxk"])
    client.set_preferences(ZOE, wishes)
    events = [feedrank.event(ZOE, "like", f"p{i}", event_id=f"event-qxk-{i}") for i in range(8)]
    events += [feedrank.event(one, "like", "post-qxk-1", event_id=f"e-{one}") for one in OTHERS[:3]]
    events += [feedrank.event("other3", "hide", "post-qxk-2"), feedrank.event(ZOE, "impression", "p9")]
    client.record_events(events).raise_if_rejected()
    client.timeline(ZOE, size=10)
    for one in OTHERS:
        client.timeline(one, size=10)


def erase(server: Server, *, now: bool = True, user: str = ZOE) -> privacy_pb2.EraseUserResponse:
    stub = privacy_pb2_grpc.PrivacyStub(server.channel)
    return stub.EraseUser(privacy_pb2.EraseUserRequest(user_id=user, now=now), timeout=60)


def export(server: Server, user: str = ZOE) -> list[dict]:  # type: ignore[type-arg]
    stub, token, pages = privacy_pb2_grpc.PrivacyStub(server.channel), "", []
    while True:
        answer = stub.ExportUser(privacy_pb2.ExportUserRequest(user_id=user, page_token=token), timeout=30)
        pages.append(json.loads(answer.document))
        if not (token := answer.next_page_token):
            return pages


def holding(data: Path) -> list[str]:
    """The files that hold something of the person, as bytes or in what Parquet unpacks."""
    files = [path for path in data.rglob("*") if path.is_file()]
    raw = [str(path) for path in files if any(needle in path.read_bytes() for needle in NEEDLES)]
    packed = [str(path) for path in files if path.suffix == ".parquet" and any(unpacked(path))]
    return raw + packed


def unpacked(path: Path) -> Iterator[bool]:
    for column in pq.read_table(path).columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type) or "dict" in str(column.type):
            for value in column.to_pylist():
                raw = value.encode() if isinstance(value, str) else value or b""
                yield any(needle in raw for needle in NEEDLES)


def settled(server: Server) -> None:
    """All that was served is journaled and in the log."""
    journal = Journal.at_socket(EmbeddedValkey(server.data / "journal").socket)
    assert within(10, lambda: sum(named(journal.records(""), "served")) >= 6)
    assert within(10, lambda: sum(len(table) for table in read_log(server.data / "impressions")) >= 60)
    journal.close()


def named(records: Iterator[tuple[str, bytes]], change: str = "") -> Iterator[int]:
    """For each record: how many pages it has, or whether it names the person."""
    for _, payload in records:
        entry = Entry.FromString(payload)
        yield len(entry.served.pages) if change else int(b"qxk" in payload)


@pytest.fixture(scope="module")
def erased(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Server, privacy_pb2.EraseUserResponse, dict[str, int], list[dict]]]:  # type: ignore[type-arg]
    """Two workers, before whose erasure everything was counted by hand."""
    data = tmp_path_factory.mktemp("privacy") / "data"
    server = Server(data, EMBEDDER__DIMENSION=str(DIMENSION), SERVER__WORKERS="2").start()
    live_a_little(server.client)
    settled(server)
    server.client.take_snapshot()
    settled_again(server)
    pages = export(server)
    journal = Journal.at_socket(EmbeddedValkey(data / "journal").socket)
    rows = list(chain.from_iterable(table.to_pylist() for table in read_log(data / "impressions")))
    before = {
        "journal": sum(named(journal.records(""))),
        "archive": sum(named(Archive(data / "archive").records())),
        "impressions": sum("qxk" in row["viewer_id"] + row["post_id"] for row in rows),
        "snapshots": len(list((data / "snapshots").glob("*/manifest.json"))),
    }
    journal.close()
    assert holding(data)
    answer = erase(server)
    yield server, answer, before, pages
    assert server.stop() == 0


def settled_again(server: Server) -> None:
    server.client.record_events([feedrank.event(ZOE, "like", "p20", event_id="event-qxk-last")])


def test_no_byte_of_the_person_is_left_in_the_data_folder(erased) -> None:  # type: ignore[no-untyped-def]
    server, answer, _, _ = erased
    assert answer.compacted
    assert holding(server.data) == []
    assert "qxk" not in server.log


def test_the_receipt_counts_what_was_there(erased) -> None:  # type: ignore[no-untyped-def]
    _, answer, before, _ = erased
    receipt = answer.receipt
    assert before["archive"] > 0 < before["impressions"]
    assert (receipt.journal_entries, receipt.archive_entries) == (before["journal"], before["archive"])
    assert (receipt.impressions, receipt.snapshots) == (before["impressions"], before["snapshots"])
    known = {"posts": 5, "follows": 1, "mutes": 1, "blocked_by": 1, "profile": 1, "preferences": 1,
             "event": 9, "seen": 1, "liked": 9, "user.follows": 2, "post.engagers": 9}  # fmt: skip
    assert {name: receipt.state[name] for name in known} == known


def test_no_timeline_shows_a_trace(erased) -> None:  # type: ignore[no-untyped-def]
    server, _, _, _ = erased
    for viewer in OTHERS:
        page = server.client.timeline(viewer, size=50, include_seen=True)
        assert page.posts
        assert "qxk" not in str(page)


def test_the_export_had_all_that_was_held(erased) -> None:  # type: ignore[no-untyped-def]
    _, _, _, pages = erased
    whole = pages[0]
    assert {post["text"] for post in whole["posts"]} == {f"Mossqxk {i}" for i in range(5)}
    assert whole["preferences"]["muted_words"] == ["wordqxk"]
    assert (whole["follows"], sorted(whole["followers"])) == (["other1"], ["other1", "other2"])
    assert len(whole["events"]) == 9
    rows = [row for entry in whole["journal"] for row in entry["rows"]]
    assert {"posts", "users", "relations", "preferences", "events", "served"} <= {
        name for row in rows for name in row
    }
    assert len(whole["impressions"]) == 10


def test_who_is_unknown_has_an_empty_document_and_an_empty_receipt(erased) -> None:  # type: ignore[no-untyped-def]
    server, _, _, _ = erased
    assert export(server)[0].keys() <= {"user_id", "sessions", "experiment"}
    assert erase(server, now=False, user="nobody-at-all").receipt.state == {}


def test_an_erasure_that_a_crash_cut_short_is_done_after_the_next_start(launch: Launch) -> None:
    server = launch()
    live_a_little(server.client)
    settled(server)
    server.client.take_snapshot()
    answer = erase(server, now=False)
    assert not answer.compacted
    assert answer.compacted_by_ms > 0
    server.kill()
    assert holding(server.data)
    launch(server)
    assert within(60, lambda: not list((server.data / "erasures").glob("*.due")))
    assert holding(server.data) == []


def test_compaction_comes_within_its_time_without_being_forced(launch: Launch) -> None:
    server = launch()
    live_a_little(server.client)
    began = time.monotonic()
    entry_id = erase(server, now=False).entry_id
    kept = server.data / "erasures"
    assert within(60, lambda: [one.name for one in kept.iterdir()] == [f"{entry_id}.json"])
    assert time.monotonic() - began < 60
    assert holding(server.data) == []


def test_compaction_comes_while_others_are_served_without_a_pause(launch: Launch) -> None:
    server, enough = launch(), threading.Event()
    live_a_little(server.client)
    serving = threading.Thread(target=_serve_others, args=(server.client, enough))
    serving.start()
    try:
        assert erase(server).compacted
    finally:
        enough.set()
        serving.join()
    assert not server.events("erasure_not_compacted")


def _serve_others(client: feedrank.Client, enough: threading.Event) -> None:
    """So that a segment of the impressions is open whenever somebody looks."""
    while not enough.wait(0.02):
        client.timeline(OTHERS[0], size=5, include_seen=True)


def bundle_of(server: Server, version: str, viewer: str, at_ms: int) -> None:
    """Save a model of examples of one viewer, up to a time."""
    told = facts(version).model_copy(update={"from_ms": at_ms - 1_000, "to_ms": at_ms})
    people = People.of([viewer], [], key_of(server.data))
    told = told.model_copy(update={"people": people.facts})
    save_bundle(server.data / "models", Forest(heads=("like",), **stump(0.0, 1.0)), told, people)


def saw(server: Server) -> dict[str, int]:
    return {one.version: one.saw_erased for one in server.client.list_models()}


def test_a_model_that_is_saved_after_an_erasure_is_marked_when_its_examples_are_of_before(
    launch: Launch,
) -> None:
    server = launch()
    live_a_little(server.client)
    read_ms = time.time_ns() // 1_000_000
    erase(server)
    bundle_of(server, "late", ZOE, read_ms)
    bundle_of(server, "other", "other1", read_ms)
    bundle_of(server, "newcomer", ZOE, read_ms + 60_000)
    assert saw(server) == {"late": 1, "other": 0, "newcomer": 0}


def test_a_model_that_is_copied_into_the_folder_is_marked_when_it_is_listed(launch: Launch) -> None:
    server = launch()
    live_a_little(server.client)
    erase(server)
    bundle_of(server, "late", ZOE, time.time_ns() // 1_000_000 - 5_000)
    (server.data / "models" / "late" / MARK).unlink()  # as one that was saved elsewhere
    assert saw(server) == {"late": 1}
