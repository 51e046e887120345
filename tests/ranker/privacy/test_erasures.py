"""Erasures: what waits for what."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feedrank.v1 import privacy_pb2
from feedrank.v1.types_pb2 import Post

from ranker import entries
from ranker.errors import Busy
from ranker.fold.erasure import Erased
from ranker.journal import now_ms
from ranker.seen import People, key_of
from ranker.server.privacy import Privacy
from ranker.service import Service
from tests.fuzz.rpc import Context
from tests.live import within
from tests.ranker.test_backup import settings_of
from tests.training.test_example_files import some
from training import example_files


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(settings_of(tmp_path / "data")) as service:
        yield service


def erase(service: Service, user_id: str) -> str:
    position, _ = service.writer.write(entries.of_erasure(user_id, now_ms()))
    assert service.follower.wait_for(position, 5)
    return position


def test_an_erasure_that_another_is_done_before_settles_meanwhile(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[float] = []
    free = threading.Event()
    compact = service.erasures._compact

    def slow(due: Sequence[Erased]) -> None:
        began.append(time.monotonic())
        free.wait(30)
        compact(due)
        began.append(time.monotonic())

    monkeypatch.setattr(service.erasures, "_compact", slow)
    first = erase(service, "ana")
    assert within(10, lambda: len(began) == 1)
    second = erase(service, "omar")
    time.sleep(1.2)
    service.erasures._hurry.set()
    free.set()
    assert service.erasures.wait_for(second, 20).compacted
    assert service.erasures.receipt(first).compacted
    assert began[2] - began[1] < 0.5


def test_more_erasures_than_may_wait_are_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranker.privacy.erasures._MOST_DUE", 1)
    monkeypatch.setattr(service.erasures, "_compact", lambda _: threading.Event().wait(2))
    privacy, someone = Privacy(service), privacy_pb2.EraseUserRequest(user_id="ana")
    assert privacy.EraseUser(someone, Context()).entry_id
    with pytest.raises(Busy, match="look at the log"):
        privacy.EraseUser(someone, Context())


def test_old_receipts_go(service: Service) -> None:
    position = erase(service, "ana")
    service.erasures.wait_for(position, 20)
    folder = service.settings.data / "erasures"
    old = folder / f"{now_ms() - 3_651 * 86_400_000}-0.json"
    old.write_text("{}")
    service.erasures.wait_for(erase(service, "omar"), 20)
    assert not old.exists()
    assert (folder / f"{position}.json").exists()


def examples_of(folder: Path, viewer: str) -> None:
    """A set of examples of one post that a viewer was shown."""
    made = some(rows=4)
    ids = np.array([f"post of {viewer}"] * len(made.posts), np.object_)
    example_files.write(folder, replace(made, posts=replace(made.posts, ids=ids)))


def test_examples_in_the_data_folder_that_hold_a_person_are_deleted_and_counted(service: Service) -> None:
    data = service.settings.data
    service.writer.write(entries.of_posts([Post(id="post of ana", author_id="ana")], now_ms()))
    for viewer in ("ana", "omar"):
        examples_of(data / "examples" / viewer, viewer)
    parts = len(list((data / "examples" / "ana").glob("*.parquet")))
    receipt = service.erasures.wait_for(erase(service, "ana"), 20)
    assert receipt.examples_files == parts > 1
    assert [path.name for path in (data / "examples").iterdir()] == ["omar"]


def test_examples_that_a_crash_left_half_written_go_too(service: Service) -> None:
    data = service.settings.data
    service.writer.write(entries.of_posts([Post(id="post of ana", author_id="ana")], now_ms()))
    examples_of(data / "examples" / "ana", "ana")
    (data / "examples" / "ana" / "manifest.json").unlink()
    left = (data / "examples" / "ana").rename(data / "examples" / ".ana.4194305.tmp")
    torn = left / "examples-00001.parquet"
    torn.write_bytes(b"PAR1 half of ana's")
    written = data / "examples" / f".now.{os.getpid()}.tmp"
    written.mkdir()
    (written / "examples-00000.parquet").write_bytes(b"PAR1 half")
    service.erasures.wait_for(erase(service, "ana"), 20)
    assert (left.exists(), written.exists()) == (False, True)


def test_examples_that_have_rows_of_a_viewer_are_deleted_though_they_name_nobody(service: Service) -> None:
    data = service.settings.data
    for viewer in ("ana", "omar"):
        people = People.of([viewer], [], key_of(data))
        example_files.write(data / "examples" / viewer, replace(some(rows=4), people=people))
    receipt = service.erasures.wait_for(erase(service, "ana"), 20)
    assert receipt.examples_files > 0
    assert [path.name for path in (data / "examples").iterdir()] == ["omar"]


def test_an_answer_to_an_erasure_has_the_counts(service: Service) -> None:
    privacy = Privacy(service)
    for number in range(20):
        user = f"user{number}"
        service.writer.write(entries.of_posts([Post(id=f"of {user}", author_id=user)], now_ms()))
        answer = privacy.EraseUser(privacy_pb2.EraseUserRequest(user_id=user), Context())
        assert answer.receipt.state["posts"] == 1


def test_an_erasure_that_a_full_disk_does_not_take_is_folded_and_done_when_there_is_room(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ranker.privacy.erasures._AGAIN_S", 0.05)
    folder = service.settings.data / "erasures"
    folder.write_text("where its files would lie")
    position = erase(service, "ana")
    assert not service.follower.poison
    service.erasures._hurry.set()
    folder.unlink()
    assert service.erasures.wait_for(position, 20).compacted
