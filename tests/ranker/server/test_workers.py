"""A server of several processes, as its callers and its operator see it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import feedrank
import grpc
import psutil
import pytest
from feedrank.v1 import feed_pb2_grpc

from ranker.board import Board
from ranker.errors import SettingsError
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.impression_files import read_log
from ranker.impression_files import worker_of as worker_of_file
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal
from ranker.metrics import Metrics
from ranker.models import Models
from ranker.server.edge import Edge
from ranker.server.feed import Feed
from ranker.server.passing import Passing, address_at, socket_of
from ranker.server.run import metrics_address, reserved
from ranker.server.workers import Reader, Workers
from ranker.sessions import Sessions, SessionSettings, worker_of
from ranker.settings import ServerSettings, Settings
from ranker.timelines import Timelines
from tests.conftest import DIMENSION, Launch
from tests.live import Server, within
from tests.ranker.network import playground
from tests.ranker.processes import kill_valkey

WORKERS = 2
_POSTS = 60

Clients = list[feedrank.Client]
"""One for each worker, by number."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, and posts enough for pages. In an address their folder's name would say something else."""
    server = Server(tmp_path_factory.mktemp("workers#1?50%41") / "data", **SETTINGS).start()
    server.client.put_posts(posts())
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def clients(server: Server) -> Iterator[Clients]:
    with ExitStack() as opening:
        yield one_for_each_worker(server, opening)


SETTINGS = {"EMBEDDER__DIMENSION": str(DIMENSION), "SERVER__WORKERS": str(WORKERS)}


def posts(name: str = "p") -> list[feedrank.Post]:
    return [feedrank.Post(id=f"{name}{i}", author_id=f"{name}a{i}", text=f"Word {i}") for i in range(_POSTS)]


def one_for_each_worker(server: Server, opening: ExitStack) -> Clients:
    """Clients by worker: connections are made until all have been met."""
    met: dict[int, feedrank.Client] = {}
    for number in range(60):
        client = opening.enter_context(feedrank.Client(server.address))
        cursor = client.timeline(f"knocking-{number}", size=1).cursor
        met.setdefault(worker_of(cursor), client)
        if len(met) == WORKERS:
            break
    return [met[worker] for worker in range(WORKERS)]


def ids(page: feedrank.GetTimelineResponse) -> list[str]:
    return [post.post_id for post in page.posts]


def readers(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children()
    return [one for one in children if "ranker.server.worker" in one.cmdline()]


def test_connections_come_to_all_workers(clients: Clients) -> None:
    assert len(clients) == WORKERS


@pytest.mark.parametrize("writer", range(WORKERS))
def test_what_one_worker_acknowledged_another_knows_in_the_next_read(clients: Clients, writer: int) -> None:
    written, read = clients[writer], clients[1 - writer]
    for number in range(100):
        post = feedrank.Post(id=f"now-{writer}-{number}", author_id="mei", text="Now.")
        assert written.put_posts([post]).visible
        assert not read.rank_posts("ana", [post.id]).unknown_post_ids


def test_what_is_deleted_at_one_worker_is_gone_at_another(clients: Clients) -> None:
    viewer, (one, two) = "someone", clients
    one.put_relations([feedrank.relation(viewer, "follow", f"pa{i}") for i in range(20)])
    for _ in range(20):
        gone = ids(two.timeline(viewer, surface="following", include_seen=True))[0]
        one.delete_posts([gone])
        assert gone not in ids(two.timeline(viewer, surface="following", include_seen=True))


def test_preferences_set_at_one_worker_are_those_of_another(clients: Clients) -> None:
    for number in range(50):
        clients[number % 2].set_preferences("bo", feedrank.Preferences(muted_words=[f"w{number}"]))
        assert list(clients[1 - number % 2].get_preferences("bo").muted_words) == [f"w{number}"]


@pytest.mark.parametrize("first", range(WORKERS))
def test_a_session_that_changes_workers_repeats_nothing(clients: Clients, first: int) -> None:
    viewer, shown, cursor = f"pager-{first}", list[str](), ""
    for turn in count(first):
        page = clients[turn % WORKERS].timeline(viewer, size=7, cursor=cursor)
        shown += ids(page)
        if not (cursor := page.cursor):
            break
    assert turn > first + 5
    assert len(set(shown)) == len(shown) >= 30


def test_pages_asked_at_one_connection_are_made_by_all_workers(clients: Clients) -> None:
    begun = set[int]()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            pages = pool.map(lambda number: clients[0].timeline(f"crowd-{number}", size=5), range(16))
            begun |= {worker_of(page.cursor) for page in pages}
            if len(begun) == WORKERS:
                break
    assert begun == set(range(WORKERS))


def test_the_same_cursor_gives_the_same_page_at_every_worker(clients: Clients) -> None:
    cursor = clients[0].timeline("again", size=5).cursor
    one, two = (client.timeline("again", size=5, cursor=cursor) for client in clients)
    assert ids(one) == ids(two)
    assert len(ids(one)) == 5
    assert one.cursor == two.cursor


def test_an_error_of_another_workers_call_is_the_same_error(clients: Clients) -> None:
    cursor = clients[0].timeline("ana", size=5).cursor
    for client in clients:
        with pytest.raises(feedrank.InvalidArgument, match="another viewer") as caught:
            client.timeline("somebody-else", size=5, cursor=cursor)
        assert caught.value.field == "cursor"


def test_admin_calls_are_answered_by_the_primary(server: Server, clients: Clients) -> None:
    assert {client.status().uptime_ms > 0 for client in clients} == {True}
    entry_id = clients[1].take_snapshot().entry_id
    assert (server.data / "snapshots" / entry_id / "manifest.json").exists()
    assert [model.version for model in clients[1].list_models()] == [
        model.version for model in clients[0].list_models()
    ]
    with pytest.raises(feedrank.Error, match="there is no bundle"):
        clients[1].activate_model("nothing")


def test_an_experiment_begins_at_all_workers(clients: Clients) -> None:
    halves = [
        feedrank.ExperimentVariant(name=name, model_version="prior", share_basis_points=5_000)
        for name in ("a", "b")
    ]
    clients[1].start_experiment("which", halves)
    try:
        variants = {client.timeline("ana", include_seen=True).experiment_variant for client in clients}
        assert variants in ({"a"}, {"b"})
    finally:
        clients[0].stop_experiment("which")
    assert {client.timeline("ana", include_seen=True).experiment_variant for client in clients} == {""}


def test_a_terminals_signals_come_to_the_primary_only(server: Server) -> None:
    assert {os.getpgid(one.pid) for one in readers(server)} & {os.getpgid(server.process.pid)} == set()


def test_each_worker_has_metrics_of_its_own(server: Server) -> None:
    addresses = [one["metrics"] for one in server.events("worker_serving")]
    host, _, port = server.metrics_address.rpartition(":")
    assert addresses == [f"{host}:{int(port) + 1}"]
    assert "feedrank_posts " in server.metrics()


@dataclass(frozen=True)
class Past:
    """What was before something happened to a server."""

    server: Server
    family: list[psutil.Process]
    """Its other processes."""
    answers: list[feedrank.GetTimelineResponse]
    """A page of each worker."""
    acknowledged: list[str] = field(default_factory=list)
    """Posts."""


def past(server: Server) -> Past:
    with ExitStack() as opening:
        clients = one_for_each_worker(server, opening)
        answers = [client.timeline(f"v{i}", size=5) for i, client in enumerate(clients)]
    return Past(server, psutil.Process(server.process.pid).children(recursive=True), answers)


@pytest.fixture(scope="module")
def reborn(server: Server) -> Past:
    """A reader was killed, and another started."""
    server.client.take_snapshot()
    before = past(server)
    os.kill(readers(server)[0].pid, signal.SIGKILL)
    assert within(10, lambda: server.events("worker_died"))
    assert server.client.put_posts(posts()).accepted == _POSTS
    assert within(40, lambda: len(server.events("worker_serving")) == 2)
    return before


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """All workers had served something, and some people wrote, when somebody pressed Ctrl-C."""
    server = Server(tmp_path_factory.mktemp("stopped") / "data", **SETTINGS).start()
    server.client.put_posts(posts())
    before = past(server)
    writers = [threading.Thread(target=write, args=(server, name, before.acknowledged)) for name in "uvwxyz"]
    for one in writers:
        one.start()
    assert within(10, lambda: len(before.acknowledged) > 20)
    for reader in readers(server):
        reader.send_signal(signal.SIGINT)
    assert server.stop() == 0
    for one in writers:
        one.join()
    return before


def write(server: Server, name: str, acknowledged: list[str]) -> None:
    """Put posts until the server is gone."""
    with feedrank.Client(server.address) as client:
        for number in count():
            post = feedrank.Post(id=f"{name}{number}", author_id=name, text="Word.")
            try:
                client.put_posts([post], timeout=1)
            except feedrank.Error:
                return
            acknowledged.append(post.id)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """The primary was killed."""
    server = Server(tmp_path_factory.mktemp("killed") / "data", **SETTINGS).start()
    server.client.put_posts(posts())
    before = past(server)
    server.kill()
    yield before
    kill_valkey(server.data / "journal")


def test_a_reader_that_died_answers_again(reborn: Past) -> None:
    with ExitStack() as opening:
        for client in one_for_each_worker(reborn.server, opening):
            assert len(client.timeline("ana").posts) == 20


def test_a_session_ends_with_its_worker(reborn: Past) -> None:
    with ExitStack() as opening:
        for client in one_for_each_worker(reborn.server, opening):
            assert client.timeline("v0", size=5, cursor=reborn.answers[0].cursor).posts
            with pytest.raises(feedrank.CursorExpired):
                client.timeline("v1", size=5, cursor=reborn.answers[1].cursor)


def test_a_reader_starts_from_the_primarys_snapshot(reborn: Past) -> None:
    first, again = (one for one in reborn.server.events("restored") if one.get("worker") == 1)
    assert (first["posts"], again["entries"] < 10) == (0, True)
    assert again["posts"] >= _POSTS


def test_a_stop_leaves_no_process_and_no_socket(stopped: Past) -> None:
    assert len(stopped.family) >= WORKERS
    assert not psutil.wait_procs(stopped.family, timeout=10)[1]
    assert not list(stopped.server.data.rglob("*.sock"))
    assert is_free(stopped.server.address)


def test_a_terminals_signal_is_no_death_of_a_worker(stopped: Past) -> None:
    assert not stopped.server.events("worker_died")
    assert all(line.startswith("{") for line in stopped.server.log.splitlines())


def test_all_that_workers_served_is_in_one_log(stopped: Past) -> None:
    folder = stopped.server.data / "impressions"
    logged = {name for table in read_log(folder) for name in table["request_id"].to_pylist()}
    assert {answer.request_id for answer in stopped.answers} <= logged
    assert {worker_of_file(path) for path in folder.glob("*.parquet")} == set(range(WORKERS))


def test_readers_end_when_the_primary_is_killed(killed: Past) -> None:
    ours = [one for one in killed.family if one.is_running() and "valkey" not in one.name()]
    assert not psutil.wait_procs(ours, timeout=10)[1]
    assert is_free(killed.server.address)


def test_a_killed_server_starts_again_with_all_it_acknowledged(killed: Past, launch: Launch) -> None:
    again = launch(killed.server)
    with ExitStack() as opening:
        for client in one_for_each_worker(again, opening):
            assert not client.rank_posts("ana", [post.id for post in posts()]).unknown_post_ids


def test_a_stop_loses_no_write_of_any_worker(stopped: Past, launch: Launch) -> None:
    client = launch(stopped.server).client
    assert len(stopped.acknowledged) > 20
    assert not client.rank_posts("ana", stopped.acknowledged[-1_000:]).unknown_post_ids


def test_a_worker_that_is_behind_says_so(tmp_path: Path) -> None:
    """`server.catch_up_s` is over soon, and it answers from what it has."""
    board = Board.shared(2)
    Board(2, 1, board.file).acknowledge("4000000000000-0")
    with (
        serving(feed_of(tmp_path, 0, board), "127.0.0.1:0") as port,
        feedrank.Client(f"127.0.0.1:{port}") as client,
    ):
        answer = client.timeline("vera")
    assert [(one.stage, one.reason) for one in answer.degraded] == [("state", "behind")]


@pytest.mark.parametrize("address", ["unix:/tmp/feedrank.sock", "50051"])
def test_several_workers_need_a_port(address: str) -> None:
    with pytest.raises(SettingsError, match="choose host:port with --address, or --workers 1"):
        reserved(address).__enter__()


def test_a_port_that_another_has_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsError, match="can't be listened on"):
            reserved(address).__enter__()


def test_a_port_of_several_workers_is_refused_to_another_server(server: Server) -> None:
    with pytest.raises(SettingsError, match="is another server there"):
        reserved(server.address).__enter__()


def test_metrics_need_a_port_for_each_worker() -> None:
    settings = ServerSettings(workers=3, metrics_address="127.0.0.1:65534")
    assert metrics_address(settings, 1) == "127.0.0.1:65535"
    with pytest.raises(SettingsError, match="--metrics"):
        metrics_address(settings, 2)


def test_a_reader_that_dies_again_and_again_is_started_ever_more_rarely() -> None:
    pauses = [Reader(1, deaths=deaths).pause_s for deaths in range(1, 10)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == 30


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """One reader to look after, that is not started yet."""
    workers = Workers(Settings(data=tmp_path), Board.shared(2), "127.0.0.1:0", {})
    yield workers
    workers.stop()


def test_a_reader_that_the_system_does_not_start_is_tried_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    workers._watch.start()
    assert within(10, lambda: workers._readers[0].deaths > 1)


def test_a_reader_that_dies_before_it_was_told_anything_is_started_again(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")

    def told(_: int) -> bytes:
        time.sleep(0.3)
        return b"{}\n"

    monkeypatch.setattr(workers, "_told", told)
    socket_of(tmp_path, 1).touch()
    workers._watch.start()
    assert within(10, lambda: workers._readers[0].deaths > 1)
    assert not socket_of(tmp_path, 1).exists()


@pytest.mark.parametrize(("place", "lives"), [("4-0", False), ("9-0", True)])
def test_a_reader_that_stands_still_while_the_primary_folds_is_killed(
    workers: Workers, place: str, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ranker.server.workers._STUCK_S", 0.3)
    board, reader = workers._board, workers._readers[0]
    reader.process = subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE)
    it, process = Board(2, 1, board.file), reader.process
    board.fold("9-0")
    it.fold(place)
    it.serve()
    workers._watch.start()
    assert within(1.5, lambda: process.poll() is not None) is not lives


def test_an_orphan_that_does_not_come_to_an_end_is_ended() -> None:
    told = (
        "import queue, threading, time; from ranker.server.worker import _watch_primary as watch\n"
        "answers = threading.Event(); answers.set()\n"
        "threading.Thread(target=watch, args=(queue.SimpleQueue(), answers)).start(); time.sleep(60)"
    )
    orphan = subprocess.Popen([sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    orphan.communicate(timeout=30)
    assert orphan.returncode == 1


def test_a_page_finds_a_worker_that_is_just_back(tmp_path: Path) -> None:
    """The channel to it has waited ever longer between its tries to connect."""
    feed, board = feed_of(tmp_path, 1), Board.shared(2)
    passing = Passing(tmp_path, board, 2**20)
    with serving(feed, "127.0.0.1:0") as port, feedrank.Client(f"127.0.0.1:{port}") as client:
        cursor = client.timeline("vera", size=2).cursor
    with (
        serving(feed_of(tmp_path, 0), "127.0.0.1:0", passing) as port,
        feedrank.Client(f"127.0.0.1:{port}") as client,
    ):
        assert not within(2, lambda: not is_expired(client, cursor))
        with serving(feed, address_at(socket_of(tmp_path, 1))):
            Board(2, 1, board.file).serve()
            assert client.timeline("vera", size=2, cursor=cursor).posts
    passing.close()


def test_a_first_page_for_a_worker_that_is_gone_is_made_here(tmp_path: Path) -> None:
    board = Board.shared(2)
    passing = Passing(tmp_path, board, 2**20)
    with (
        serving(feed_of(tmp_path, 0), "127.0.0.1:0", passing, Edge(Metrics())) as port,
        feedrank.Client(f"127.0.0.1:{port}") as client,
        board.under_way(0),
        board.under_way(0),
    ):
        Board(2, 1, board.file).serve()
        assert board.idlest() == 1
        assert worker_of(client.timeline("vera", size=2).cursor) == 0
    passing.close()


def feed_of(folder: Path, worker: int, board: Board | None = None) -> Feed:
    """That of a worker with some people in it, whose fold does not run."""
    town = playground()
    follower = Follower(Journal.at_socket(folder / "no.sock"), Fold(town.state, town.slices), board)
    log = ImpressionLog(folder, follower.journal, ImpressionSettings())
    timelines = Timelines(town.view, Models(folder), Sessions(SessionSettings(), worker), log)
    return Feed(timelines, follower, Metrics(), ServerSettings())


@contextmanager
def serving(feed: Feed, address: str, *interceptors: grpc.ServerInterceptor) -> Iterator[int]:
    """It answers; the port."""
    edge = grpc.server(ThreadPoolExecutor(1), interceptors=list(interceptors))
    feed_pb2_grpc.add_FeedServicer_to_server(feed, edge)
    port = edge.add_insecure_port(address)
    edge.start()
    yield port
    edge.stop(0).wait()


def is_expired(client: feedrank.Client, cursor: str) -> bool:
    try:
        client.timeline("ana", cursor=cursor)
    except feedrank.CursorExpired:
        return True
    return False


def is_free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return one.connect_ex((host, int(port))) != 0
