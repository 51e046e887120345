"""Servers that tests share, and servers of a test's own."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import feedrank
import pytest

from tests.live import Server, put
from tests.ranker.processes import kill_valkey
from training.playground import World

Launch = Callable[..., Server]

DIMENSION = 64
"""Of vectors in servers without an embedder."""


def pytest_configure() -> None:
    """A console takes its size once, from the environment, where some import has put that of no terminal."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@dataclass(frozen=True)
class Network:
    """A server with the playground's people in it, whose posts bring their own vectors."""

    server: Server
    world: World

    @property
    def client(self) -> feedrank.Client:
        return self.server.client


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its embedder, as it comes."""
    server = Server(tmp_path_factory.mktemp("full") / "data", embedder=True).start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A server without an embedder, and 80 people with a history of 4 days."""
    data = tmp_path_factory.mktemp("network") / "data"
    server = Server(data, EMBEDDER__DIMENSION=str(DIMENSION)).start()
    now_ms = time.time_ns() // 1_000_000
    world = World(authors=80, viewers=80, post_count=1_500, days=4, end_ms=now_ms, vector_dimension=DIMENSION)
    put(server.client, sorted(world.rows(), key=_rank))
    yield Network(server, world)
    assert server.stop() == 0


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Starts servers for one test, without an embedder if not told otherwise, and stops those that run."""
    started: list[Server] = []

    def start(server: Server | None = None, **settings: str) -> Server:
        fresh = Server(
            tmp_path_factory.mktemp("own") / "data", **{"EMBEDDER__DIMENSION": str(DIMENSION)} | settings
        )
        started.append(server or fresh)
        return started[-1].start()

    yield start
    for server in started:
        if server in Server.running:
            server.stop()
    for server in started:
        kill_valkey(server.data / "journal")  # that of one that was killed and not started again


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """What the servers said stands beside a failure."""
    report = yield
    if report.failed:
        report.sections += [(f"log of the server at {one.data}", one.log[-4_000:]) for one in Server.running]
    return report


def _rank(row: object) -> int:
    """Posts before events, so that a kind goes in few calls; within a kind the order stays."""
    return isinstance(row, feedrank.Post) + 2 * isinstance(row, feedrank.Event)
