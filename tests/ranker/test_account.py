"""The account of SECURITY.md on a real Valkey: enough for feedrank, and for nothing else."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import feedrank
import pytest
import redis
from typer.testing import CliRunner

from ranker.cli import app
from ranker.journal import STREAM, Entry, Journal, order
from ranker.secret import masked
from ranker.valkey import find_binary
from tests.conftest import DIMENSION, Launch
from tests.live import Server, free_port, within
from tests.ranker.access.callers import Callers

PAGE = Path(__file__).parents[2] / "SECURITY.md"
ACCOUNT = re.search(r"^ {4}(ACL SETUSER feedrank .*)$", PAGE.read_text(), re.MULTILINE)
PASSWORD = "s3cr3t-of-the-journal"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey with the account that the page gives, and no other that could be used; where it is."""
    folder, port = tmp_path_factory.mktemp("valkey"), free_port()
    process = subprocess.Popen(
        [find_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    assert ACCOUNT is not None
    with redis.Redis(port=port) as client:
        assert within(10, lambda: _answers(client))
        client.execute_command(*ACCOUNT[1].replace("PASSWORD", PASSWORD).split())
        client.execute_command("ACL", "SETUSER", "default", "off")
    yield f"redis://feedrank:{PASSWORD}@127.0.0.1:{port}/0"
    process.kill()
    process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_the_journal_writes_reads_and_trims_with_it(address: str) -> None:
    with closing(Journal.connect(address, f"{STREAM}:1")) as journal:
        positions = [journal.append(Entry(time_ms=n)) for n in range(5)]
        assert [position for position, _ in journal.records("")] == positions
        assert journal.read(positions[-1], block_ms=20) == []
        journal.trim(positions[3])
        assert [position for position, _ in journal.records("")] == positions[3:]
        journal.check_unbroken(positions[3])
        assert journal.ping()


@pytest.mark.parametrize("there", [True, False])
def test_the_journal_goes_past_a_position_with_it(address: str, there: bool) -> None:
    with closing(Journal.connect(address, f"{STREAM}:2:{there}")) as journal:
        if there:
            journal.append(Entry(time_ms=1))
        ahead = f"{time.time_ns() // 1_000_000 + 3_600_000}-7"
        assert journal.go_past(ahead)
        assert order(journal.append(Entry(time_ms=2))) > order(ahead)


@pytest.mark.parametrize(
    "words",
    [
        "CONFIG GET dir",
        "CONFIG SET dir /tmp",
        "EVAL return(1) 0",
        "FUNCTION LIST",
        "FLUSHALL",
        "KEYS *",
        "SHUTDOWN NOSAVE",
        "ACL LIST",
        "REPLICAOF 127.0.0.1 1",
        "MODULE LIST",
        "DEL feedrank:journal",
        "XADD other * e 1",
        "XREAD STREAMS other 0",
        "PUBLISH news 1",
    ],
)
def test_everything_else_is_refused(address: str, words: str) -> None:
    with redis.from_url(address) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*words.split())


def test_a_server_runs_with_it_and_writes_its_password_nowhere(
    address: str, tmp_path: Path, launch: Launch
) -> None:
    data = tmp_path / "data"
    token = Callers(data).token(name="everything")
    server = Server(
        data, identity=Callers(data).identity(token), JOURNAL=address, EMBEDDER__DIMENSION=str(DIMENSION)
    )
    server.identity = type(server.identity)(token=token)
    launch(server)
    server.client.put_posts([feedrank.Post(id="p1", author_id="ben", text="by the sea")]).raise_if_rejected()
    assert server.client.status().posts == 1
    unknown = "frt_0123456789ab_" + "x" * 43
    with feedrank.Client(server.address, token=unknown) as stranger, pytest.raises(feedrank.Unauthenticated):
        stranger.timeline("ana")
    written = [path.read_bytes() for path in (server.log_file, *data.rglob("*")) if path.is_file()]
    for secret in (PASSWORD, token.split("_", 2)[2], "x" * 43):
        assert not [one for one in written if secret.encode() in one]


def test_a_password_that_is_wrong_is_not_repeated(address: str) -> None:
    wrong = address.replace(PASSWORD, "wr0ng-passw0rd")
    shown = CliRunner().invoke(app, ["config"], env={"FEEDRANK_JOURNAL": wrong, "COLUMNS": "300"})
    assert "redis://feedrank:***@127.0.0.1" in shown.stdout
    assert "wr0ng" not in shown.stdout
    with closing(Journal.connect(wrong)) as journal, pytest.raises(Exception) as refused:  # noqa: PT011
        journal.append(Entry(time_ms=1))
    assert "wr0ng" not in str(refused.value)
    with pytest.raises(Exception) as refused:  # noqa: PT011
        Journal.connect("redis://feedrank:wr0ng-passw0rd@:nowhere/x")
    assert "wr0ng" not in masked(str(refused.value))
