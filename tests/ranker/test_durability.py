"""Crashes: what was acknowledged is there, and nothing is there twice."""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import feedrank
import grpc
import pytest
from feedrank.v1 import ingest_pb2, ingest_pb2_grpc

from ranker import snapshot
from ranker.archive import Archive, history
from ranker.errors import JournalError, SettingsError
from ranker.events import COUNTERS
from ranker.fold import Fold
from ranker.journal import Entry
from ranker.service import Service, open_journal
from ranker.settings import Settings
from ranker.state import State
from ranker.vectorizer import EmbedderSettings
from tests.live import COMMAND, Server, within
from tests.ranker.histories import DIMENSION, FEW
from tests.ranker.histories import history as random_history
from tests.ranker.processes import kill_valkey, valkeys

CLICK = COUNTERS.index("click")
ROUNDS = 3
"""One of each kind of crash."""


class Sender(threading.Thread):
    """Sends batch after batch, each again and again until it is acknowledged."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.acknowledged = 0
        self.sent_again = 0
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            while not self._send(self.acknowledged):
                self.sent_again += 1
                time.sleep(0.02)
            self.acknowledged += 1

    def has_sent(self, count: int) -> bool:
        return self.acknowledged >= count

    def _send(self, number: int) -> bool:
        """A post, three clicks on the first post, two on this one."""
        clicks = [
            feedrank.Event(
                event_id=f"{number}/{i}",
                viewer_id=f"v{i}",
                post_id="p0" if i < 3 else f"p{number}",
                kind=feedrank.EventKind.EVENT_KIND_CLICK,
            )
            for i in range(5)
        ]
        try:
            with feedrank.Client(self.address) as client:
                client.put_posts([feedrank.Post(id=f"p{number}", author_id="ana", text=f"Moss {number}")])
                client.record_events(clicks)
        except feedrank.Error:
            return False
        return True


def crash(server: Server, round_: int) -> None:
    """Kill it; in some rounds while it writes a snapshot, in some together with its Valkey."""
    if round_ % 2:
        threading.Thread(target=lambda: suppressed(server.client.take_snapshot), daemon=True).start()
        time.sleep(random.Random(round_).uniform(0, 0.05))
    if round_ % 3 == 2:
        kill_valkey(server.data / "journal")
    server.process.kill()
    server.kill()


def suppressed(call: object) -> None:
    with suppress(feedrank.Error):
        call()  # type: ignore[operator]


def folded(data: Path) -> State:
    """A fresh fold of all that the data folder's archive and journal hold."""
    state = State(DIMENSION)
    fold = Fold(state)
    with open_journal(settings_of(data)) as journal:
        for position, payload in history(Archive(data / "archive"), journal):
            fold.apply(position, Entry.FromString(payload))
    return state


def settings_of(data: Path) -> Settings:
    return Settings(data=data, embedder=EmbedderSettings(enabled=False, dimension=DIMENSION), state=FEW)


def test_every_acknowledged_write_survives_kills_and_counts_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", EMBEDDER__DIMENSION=str(DIMENSION)).start()
    sender = Sender(server.address)
    sender.start()
    for round_ in range(ROUNDS):
        assert within(20, partial(sender.has_sent, sender.acknowledged + 5))
        time.sleep(random.Random(round_).uniform(0, 0.3))
        crash(server, round_)
        sender.address = server.start().address
    sender.enough.set()
    sender.join(20)
    live = server.client.status()
    assert server.stop() == 0
    state = folded(server.data)
    count = sender.acknowledged
    clicks = state.posts.counter[: state.posts.size, CLICK, -1]
    assert sender.sent_again > 0
    assert state.post_ids.names == [f"p{number}" for number in range(count)]
    assert clicks.tolist() == [3 * count + 2, *[2] * (count - 1)]
    assert (live.posts, live.poison_entries, live.journal_lag_entries) == (count, 0, 0)


@contextmanager
def kept_down(data: Path) -> Iterator[None]:
    """Kill the Valkey, and hold its folder as a living one would, so that none is started."""
    with (data / "journal" / "valkey.lock").open("ab") as lock:

        def held_by_us() -> bool:
            kill_valkey(data / "journal")  # again, should the next one have been faster
            return not _held(lock)

        assert within(10, held_by_us)
        yield


def _held(lock: object) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except OSError:
        return True
    return False


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a post in it."""
    data = tmp_path_factory.mktemp("alive") / "data"
    server = Server(data, EMBEDDER__DIMENSION=str(DIMENSION)).start()
    server.client.put_posts([feedrank.Post(id="p", author_id="ana", text="Moss")])
    yield server
    assert server.stop() == 0


def put(server: Server, post_id: str) -> ingest_pb2.PutPostsResponse:
    """One call, never repeated by the client."""
    posts = [feedrank.Post(id=post_id, author_id="ana", text="Moss")]
    return ingest_pb2_grpc.IngestStub(server.channel).PutPosts(
        ingest_pb2.PutPostsRequest(posts=posts), timeout=5
    )


def test_without_a_journal_writes_are_unavailable_and_reads_go_on(alive: Server) -> None:
    with kept_down(alive.data):
        with pytest.raises(grpc.RpcError) as refused:
            put(alive, "lost")
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert [post.post_id for post in alive.client.timeline("vic").posts] == ["p"]
        assert alive.client.status().journal_lag_entries == -1


def test_a_valkey_that_died_is_back_soon_and_writes_with_it(alive: Server) -> None:
    (died,) = within(10, lambda: valkeys(alive.data / "journal"))
    kill_valkey(alive.data / "journal")
    assert within(10, lambda: answered(alive, "back"))
    assert put(alive, "back").result.visible
    assert valkeys(alive.data / "journal") != [died]
    assert alive.client.rank_posts("vic", ["p", "back", "lost"]).unknown_post_ids == ["lost"]


def answered(server: Server, post_id: str) -> bool:
    try:
        return bool(put(server, post_id).result.accepted)
    except grpc.RpcError:
        return False


def test_a_second_server_on_a_data_folder_is_refused_with_a_sentence(alive: Server) -> None:
    second = [*COMMAND, "serve", "--data", str(alive.data), "--address", "127.0.0.1:0", "--no-embedder"]
    ended = subprocess.run(second, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "another feedrank uses the data folder" in " ".join(ended.stderr.split())


def test_a_server_that_is_stopped_for_a_while_goes_on_where_it_was(alive: Server) -> None:
    os.kill(alive.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(grpc.RpcError) as late:
            ingest_pb2_grpc.IngestStub(alive.channel).DeletePosts(
                ingest_pb2.DeletePostsRequest(post_ids=["back"]), timeout=1
            )
    finally:
        os.kill(alive.process.pid, signal.SIGCONT)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert within(10, lambda: answered(alive, "on"))
    assert alive.client.rank_posts("vic", ["p", "on"]).unknown_post_ids == []


# restarts in this process


@pytest.fixture(scope="module")
def life_of_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data of a service with two snapshots, an archive, a trimmed journal, and entries after both.

    Nobody is erased in it: what a redacted archive comes to lacks them.
    """
    data = tmp_path_factory.mktemp("lived")
    settings, life = settings_of(data), random_history(seed=11, count=90, erasing=False)
    with Service(settings) as service:
        for number, entry in enumerate(life):
            position = service.journal.append(entry)
            if number in (30, 60):
                assert service.follower.wait_for(position, 5)
                service.upkeep.save()
        assert service.follower.wait_for(position, 5)
        return data, service.state.fingerprint()


@pytest.fixture
def lived(life_of_one: tuple[Path, str], tmp_path: Path) -> tuple[Settings, str]:
    """A copy of that data for one test, and the state's fingerprint."""
    shutil.copytree(life_of_one[0], tmp_path / "data")
    return settings_of(tmp_path / "data"), life_of_one[1]


def restarted(settings: Settings) -> str:
    with Service(settings) as service:
        return service.state.fingerprint()


def newest(settings: Settings) -> Path:
    return settings.data / "snapshots" / snapshot.latest(settings.data / "snapshots")


def test_a_restart_comes_to_the_same_state(lived: tuple[Settings, str]) -> None:
    settings, fingerprint = lived
    assert restarted(settings) == fingerprint


def test_a_torn_snapshot_gives_way_to_the_one_before_and_the_entries_since(
    lived: tuple[Settings, str],
) -> None:
    settings, fingerprint = lived
    (newest(settings) / "user.seen.slots.npy").write_bytes(b"\x93NUMPY half")
    assert restarted(settings) == fingerprint


def test_without_any_snapshot_the_archive_and_the_journal_come_to_the_same_state(
    lived: tuple[Settings, str],
) -> None:
    settings, fingerprint = lived
    for path in (settings.data / "snapshots").iterdir():
        (path / "manifest.json").unlink()
    assert restarted(settings) == fingerprint


def test_a_torn_archive_is_named_when_it_is_needed(lived: tuple[Settings, str]) -> None:
    settings, _ = lived
    torn = Archive(settings.data / "archive").files()[0]
    torn.write_bytes(torn.read_bytes()[:-9])
    assert restarted(settings)  # the snapshot holds what it held
    for path in (settings.data / "snapshots").iterdir():
        (path / "manifest.json").unlink()
    with pytest.raises(JournalError, match=torn.name), Service(settings):
        pass


def test_a_lost_archive_is_a_gap_that_a_start_refuses(lived: tuple[Settings, str]) -> None:
    settings, _ = lived
    for path in [
        *(settings.data / "snapshots").glob("*/manifest.json"),
        *Archive(settings.data / "archive").files(),
    ]:
        path.unlink()
    with pytest.raises(JournalError, match="trimmed"), Service(settings):
        pass


def test_two_services_on_a_data_folder_are_refused(tmp_path: Path) -> None:
    with (
        Service(settings_of(tmp_path)),
        pytest.raises(SettingsError, match="another feedrank"),
        Service(settings_of(tmp_path)),
    ):
        pass


def test_a_service_that_can_not_start_leaves_no_valkey_behind(lived: tuple[Settings, str]) -> None:
    settings, _ = lived
    for path in [
        *(settings.data / "snapshots").glob("*/manifest.json"),
        *Archive(settings.data / "archive").files(),
    ]:
        path.unlink()
    with suppress(JournalError), Service(settings):
        pass
    assert valkeys(settings.data / "journal") == []
