"""A journal that stops, hangs, is cut off, fills its disk, loses its end, or is trimmed beneath a reader."""

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import redis
from feedrank.v1 import types_pb2
from structlog.testing import capture_logs

from ranker import entries
from ranker.archive import Archive
from ranker.errors import JournalUnavailable
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import STREAM, Entry, Journal
from ranker.service import Service
from ranker.settings import Settings
from ranker.state import State
from ranker.valkey import EmbeddedValkey
from ranker.vectorizer import EmbedderSettings
from ranker.writer import Writer
from tests.live import within
from tests.ranker.processes import valkeys

NOW = 1_795_305_600_000


def settings_of(data: Path, journal: str = "embedded") -> Settings:
    return Settings(data=data, journal=journal, embedder=EmbedderSettings(enabled=False, dimension=4))


def user(name: str) -> Entry:
    return entries.of_users([types_pb2.User(id=name)], NOW)


def written(service: Service, name: str) -> bool:
    """Whether a write was acknowledged."""
    with suppress(JournalUnavailable):
        return bool(service.writer.write(user(name))[0])
    return False


def refused(service: Service, name: str) -> str:
    """What a write that is not acknowledged says."""
    with pytest.raises(JournalUnavailable) as error:
        service.writer.write(user(name))
    return str(error.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    ballast = folder / "ballast"
    handle = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    for size in (1 << 16, 1 << 12, 1):
        with suppress(OSError):
            while os.write(handle, bytes(size)) == size:
                pass
    os.close(handle)
    return ballast


def test_on_a_full_disk_writes_are_refused_and_room_heals_it(small_disk: Path) -> None:
    with Service(settings_of(small_disk / "data")) as service:
        sent = [name for name in map(str, range(20)) if written(service, name)]
        ballast = fill(small_disk)
        sent += [name for name in map(str, range(20, 400)) if written(service, name)]
        assert len(sent) < 400
        assert "is full: make room there" in refused(service, "no room")
        ballast.unlink()
        assert within(20, lambda: written(service, "room"))
        assert set(sent) <= set(service.state.user_ids.names)
    with Service(settings_of(small_disk / "data")) as service:
        assert {*sent, "room"} <= set(service.state.user_ids.names)


def test_a_stop_on_a_full_disk_leaves_the_snapshot_out_and_loses_nothing(small_disk: Path) -> None:
    with capture_logs() as logged, Service(settings_of(small_disk / "data")) as service:
        assert written(service, "ana")
        ballast = fill(small_disk)
    assert [line["repair"] for line in logged if line["event"] == "last_snapshot_not_written"]
    ballast.unlink()
    with Service(settings_of(small_disk / "data")) as service:
        assert service.state.user_ids.names == ["ana"]


def test_a_valkey_that_hangs_refuses_writes_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path)) as service:
        assert written(service, "before")
        (pid,) = valkeys(tmp_path / "journal")
        os.kill(pid, signal.SIGSTOP)
        try:
            assert "check the Valkey server" in refused(service, "during")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert within(10, lambda: written(service, "after"))
        names = service.state.user_ids.names
    assert names in (
        ["before", "after"],
        ["before", "during", "after"],
    )  # what was not acknowledged may be there


class Wire:
    """A TCP connection to a Unix socket that can be cut."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self.whole = True
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and each new one."""
        self.whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Be no more."""
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(self._target)
            self._ends += [near, far]
            while self.whole:
                for end in select.select([near, far], [], [])[0]:
                    with suppress(OSError):
                        if (data := end.recv(65_536)) and self.whole:
                            (far if end is near else near).sendall(data)
                            continue
                    return


def test_a_cut_connection_refuses_writes_and_a_whole_one_heals(
    tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.delete(STREAM)
    with closing(Wire(valkey.socket)) as wire, Service(settings_of(tmp_path, wire.address)) as service:
        assert written(service, "before")
        wire.cut()
        refused(service, "during")
        assert within(5, lambda: not service.follower.connected)
        wire.whole = True
        assert within(10, lambda: written(service, "after"))
        assert within(5, lambda: service.state.user_ids.names == ["before", "after"])


# positions and clocks


def test_positions_rise_though_the_clock_of_valkey_is_set_back(
    journal: Journal, valkey: EmbeddedValkey
) -> None:
    ahead = f"{time.time_ns() // 1_000_000 + 3_600_000}-7"
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.xadd(journal._stream, {"e": user("ahead").SerializeToString()}, id=ahead)
    assert journal.append(user("now")) == ahead.replace("-7", "-8")


def test_entries_whose_time_runs_backwards_fold_with_the_latest_time(journal: Journal) -> None:
    follower = Follower(journal, Fold(State(4)))
    for time_ms in (NOW, NOW - 3_600_000):
        journal.append(entries.of_users([types_pb2.User(id=str(time_ms))], time_ms))
    for record in journal.records(""):
        follower.apply(record)
    assert follower.fold.state.time_ms == NOW
    assert follower.poison_count == 0


@contextmanager
def following(journal: Journal, archive: Archive | None = None) -> Iterator[Follower]:
    follower = Follower(journal, Fold(State(4)), archive=archive)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def lose_all(journal: Journal, valkey: EmbeddedValkey) -> None:
    """What a server does that was put in another's place and had nothing."""
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.delete(journal._stream)


def test_after_a_journal_lost_its_end_and_its_clock_no_write_is_hidden(
    journal: Journal, valkey: EmbeddedValkey
) -> None:
    ahead = f"{time.time_ns() // 1_000_000 + 3_600_000}-7"
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.xadd(journal._stream, {"e": user("ahead").SerializeToString()}, id=ahead)
    with following(journal) as follower:
        assert follower.wait_for(ahead, 5)
        lose_all(journal, valkey)
        with pytest.raises(JournalUnavailable, match="has been set right: try again"):
            Writer(journal, follower).write(user("lost"))
        position, visible = Writer(journal, follower).write(user("found"))
        assert (visible, follower.fold.state.position) == (True, position)
    assert follower.fold.state.user_ids.names == ["ahead", "found"]


def test_a_server_that_starts_on_a_journal_that_ends_early_says_so(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path)) as service:
        assert written(service, "ana")
    shutil.rmtree(tmp_path / "journal" / "appendonlydir")
    with capture_logs() as logged, Service(settings_of(tmp_path)) as service:
        assert written(service, "bea")
        assert service.state.user_ids.names == ["ana", "bea"]
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ["journal_ends_early"]


def late(journal: Journal, follower: Follower, meanwhile: Callable[[list[str]], None]) -> None:
    """Have the follower be away while things happen to the journal, as one that the system stopped."""
    assert follower.wait_for(journal.append(user("before")), 5)
    away, back = threading.Event(), threading.Event()

    def be_away() -> None:
        away.set()
        back.wait(10)

    follower.between_entries(be_away)
    assert away.wait(5)
    positions = [journal.append(user(f"u{i}")) for i in range(5)]
    meanwhile(positions)
    follower._read_at -= 60  # it does not know better: a minute went by
    back.set()


def test_what_was_trimmed_beneath_a_slow_reader_comes_from_the_archive(
    journal: Journal, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")

    def archive_and_trim(positions: list[str]) -> None:
        archive.append(journal.records(""))
        journal.trim(positions[3])

    with following(journal, archive) as follower:
        late(journal, follower, archive_and_trim)
        assert follower.wait_for(journal.append(user("after")), 5)
        assert follower.fold.state.user_ids.names == ["before", "u0", "u1", "u2", "u3", "u4", "after"]


def test_a_slow_reader_without_an_archive_stops_and_names_the_repair(journal: Journal) -> None:
    with capture_logs() as logged, following(journal) as follower:
        late(journal, follower, lambda positions: journal.trim(positions[3]))
        assert within(5, lambda: not follower.alive)
    assert follower.fold.state.user_ids.names == ["before"]
    assert "restore the data folder's archive" in logged[-1]["reason"]
