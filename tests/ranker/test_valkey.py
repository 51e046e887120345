import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from ranker.errors import JournalUnavailable
from ranker.journal import Entry, Journal
from ranker.valkey import EmbeddedValkey
from tests.live import within
from tests.ranker.processes import kill_valkey, valkeys


@pytest.fixture(autouse=True)
def none_left(tmp_path: Path) -> Iterator[None]:
    """A test that fails leaves no server running."""
    yield
    for folder in (tmp_path, *tmp_path.iterdir()):
        kill_valkey(folder)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that a test may kill."""
    server = EmbeddedValkey(tmp_path / "journal")
    server.start()
    yield server
    server.stop()


def test_a_started_server_answers_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server.start()
    with closing(Journal.at_socket(server.socket)) as journal:
        assert journal.ping()
    assert len(valkeys(tmp_path)) == 1
    server.stop()
    assert valkeys(tmp_path) == []


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    for turn in range(3):
        server = EmbeddedValkey(tmp_path)
        server.start()
        journal = Journal.at_socket(server.socket)
        assert len(list(journal.records(""))) == turn
        journal.append(Entry(time_ms=turn))
        journal.close()
        server.stop()


def filled(folder: Path) -> tuple[list[str], Path]:
    """The positions of entries that a stopped server's file holds, and the file."""
    server = EmbeddedValkey(folder)
    server.start()
    with closing(Journal.at_socket(server.socket)) as journal:
        positions = [journal.append(Entry(time_ms=i)) for i in range(20)]
    server.stop()
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    return positions, file


@pytest.mark.parametrize("torn", [b"*5\r\n$4\r\nXADD\r\n$16\r\nfeedrank:jou", b"*"])
def test_a_torn_end_of_the_file_is_cut_off_and_costs_nothing_acknowledged(
    tmp_path: Path, torn: bytes
) -> None:
    positions, file = filled(tmp_path)
    file.write_bytes(file.read_bytes() + torn)
    server = EmbeddedValkey(tmp_path)
    server.start()
    with closing(Journal.at_socket(server.socket)) as journal:
        newest = journal.append(Entry(time_ms=99))
        assert [position for position, _ in journal.records("")] == [*positions, newest]
    server.stop()


@pytest.mark.parametrize(
    "torn", [b"", b"*5\r\n$4\r\nXADD\r\n$16\r\nfeedrank:jou", b"*5\r\n$4\r\nXADD\r\n$16\r\n"]
)
@pytest.mark.parametrize("zeros", [1, 4096, 200_000])
def test_zeros_at_the_end_are_cut_off_and_cost_nothing_acknowledged(
    tmp_path: Path, torn: bytes, zeros: int, capsys: pytest.CaptureFixture[str]
) -> None:
    positions, file = filled(tmp_path)
    file.write_bytes(file.read_bytes() + torn + bytes(zeros))
    server = EmbeddedValkey(tmp_path)
    server.start()
    with closing(Journal.at_socket(server.socket)) as journal:
        newest = journal.append(Entry(time_ms=99))
        assert [position for position, _ in journal.records("")] == [*positions, newest]
    server.stop()
    said = capsys.readouterr()
    assert f"zero_bytes={zeros}" in re.sub("\x1b[^m]*m", "", said.out + said.err)


def test_zeros_that_something_comes_after_are_damage(tmp_path: Path) -> None:
    _, file = filled(tmp_path)
    file.write_bytes(file.read_bytes() + bytes(4096) + b"*5\r\n")
    with pytest.raises(JournalUnavailable, match="valkey-check-aof --fix"):
        EmbeddedValkey(tmp_path).start()


def test_a_file_damaged_in_its_middle_is_named_with_the_repair(tmp_path: Path) -> None:
    _, file = filled(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"XADD", b"X?DD").replace(b"*5", b"?5", 7))
    with pytest.raises(JournalUnavailable, match="restore a backup with `feedrank restore`"):
        EmbeddedValkey(tmp_path).start()


def test_nobody_else_may_connect(own: EmbeddedValkey) -> None:
    assert own.socket.stat().st_mode & 0o077 == 0


def test_a_server_that_a_crash_left_running_is_taken_over(tmp_path: Path) -> None:
    crash = (
        "import os, sys, pathlib; from ranker.valkey import EmbeddedValkey; "
        "EmbeddedValkey(pathlib.Path(sys.argv[1])).start(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", crash, str(tmp_path)], check=False)
    left = valkeys(tmp_path)
    server = EmbeddedValkey(tmp_path)
    server.start()
    assert valkeys(tmp_path) == left != []
    server.stop()
    assert valkeys(tmp_path) == []


def test_a_server_that_hangs_is_not_joined_by_a_second_one(
    own: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two on one append-only file would destroy it."""
    monkeypatch.setattr("ranker.valkey._START_TIMEOUT_S", 0.5)
    (pid,) = valkeys(own.folder)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(JournalUnavailable):
        EmbeddedValkey(own.folder).start()
    assert valkeys(own.folder) == [pid]
    os.kill(pid, signal.SIGCONT)


def test_a_killed_server_comes_back_with_all_that_was_acknowledged(own: EmbeddedValkey) -> None:
    journal = Journal.at_socket(own.socket)
    positions = [journal.append(Entry(time_ms=i)) for i in range(50)]
    kill_valkey(own.folder)
    assert within(5, journal.ping)
    assert [position for position, _ in journal.records("")] == positions
    journal.close()


def test_a_server_that_can_not_start_says_where_to_read_why(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(JournalUnavailable, match=r"valkey\.log"):
        EmbeddedValkey(tmp_path).start()


def test_a_folder_with_a_long_name_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / ("n" * 120))
    server.start()
    with closing(Journal.at_socket(server.socket)) as journal:
        assert journal.ping()
    server.stop()


def test_a_long_log_is_waited_for(own: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey reads 5,000 entries in over a second here, and answers that it is loading after every 1,024."""
    with redis.Redis(unix_socket_path=str(own.socket)) as client, client.pipeline() as pipeline:
        for _ in range(5_000):
            pipeline.xadd("feedrank:journal", {"e": "1"})
        pipeline.execute()
    own.stop()
    again = EmbeddedValkey(own.folder)
    command = [*again._command(), "--key-load-delay", "300"]
    monkeypatch.setattr(again, "_command", lambda: command)
    monkeypatch.setattr("ranker.valkey._START_TIMEOUT_S", 0.7)
    began = time.monotonic()
    again.start()
    assert time.monotonic() - began > 1
    again.stop()


def test_a_server_that_does_not_answer_is_not_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedValkey(tmp_path)
    elsewhere = [word.replace("valkey.sock", "other.sock") for word in server._command()]
    monkeypatch.setattr(server, "_command", lambda: elsewhere)
    monkeypatch.setattr("ranker.valkey._START_TIMEOUT_S", 0.5)
    with pytest.raises(JournalUnavailable):
        server.start()
    assert valkeys(tmp_path) == []


def test_a_long_log_is_set_aside_and_written_on(own: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    log = own.folder / "valkey.log"
    held = log.read_bytes()
    monkeypatch.setattr("ranker.valkey._LOG_BYTES", len(held) // 2)
    assert within(5, lambda: log.stat().st_size == 0)
    assert log.with_suffix(".log.1").read_bytes() == held
    monkeypatch.setattr("ranker.valkey._LOG_BYTES", 2**20)
    with redis.Redis(unix_socket_path=str(own.socket)) as client:
        client.bgrewriteaof()
    assert within(5, lambda: b"rewriting" in log.read_bytes())
