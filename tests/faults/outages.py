"""What can be taken away from a real server while it runs, and the server that it is taken from."""

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeGuard

import feedrank
import psutil
from feedrank.v1.types_pb2 import EVENT_KIND_LIKE

from tests.faults.faulty import FAULTS
from tests.live import Server, free_port, put, within
from tests.ranker.processes import kill_valkey, valkeys
from tests.ranker.server.test_admin import train
from training.playground import World

DIMENSION = 64
DEADLINE_S = 2.0
"""Of a timeline."""
HEALED_WITHIN_S = 60.0
_ROOT = Path(__file__).parents[2]
_NO_EMBEDDER = "kill-embedder"

Reason = tuple[str, str]


class FaultyServer(Server):
    """A server whose parts can be made to fail."""

    command: ClassVar[tuple[str, ...]] = (
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.faults.faulty import main; main()",
    )

    viewers: Sequence[str] = ()
    """Those who liked something, so that all sources have something to do for them."""

    def fail(self, what: str) -> None:
        """From now on."""
        (self.data / FAULTS).mkdir(exist_ok=True)
        (self.data / FAULTS / what).touch()

    def mend(self, what: str) -> None:
        """The end of it."""
        (self.data / FAULTS / what).unlink()

    def lacks(self, what: str) -> bool:
        """Whether it was made to fail and not mended yet."""
        return (self.data / FAULTS / what).exists()

    def is_whole(self) -> bool:
        """Whether a timeline comes without a reason, and a write is taken."""
        post = feedrank.Post(id="healed", author_id="author1", text="All is well again.")
        try:
            written = self.client.put_posts([post], timeout=2)
            page = self.client.timeline(self.viewers[0], timeout=DEADLINE_S)
        except feedrank.Error:
            return False
        return not page.degraded and bool(written.accepted)


@dataclass(frozen=True)
class Fault:
    """What is taken away, and what answers say of it; None: nothing need be said."""

    name: str
    begin: Callable[[FaultyServer], None]
    end: Callable[[FaultyServer], None]
    reason: Reason | None
    refuses_writes: bool = False


def signal_valkey(server: Server, number: signal.Signals) -> None:
    """Send a signal to the embedded Valkey."""
    for pid in valkeys(server.data / "journal"):
        os.kill(pid, number)


def kill_embedder(server: Server) -> None:
    """End the embedder as a crash would; the server starts it again."""
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "embeddings.process" in child.cmdline():
                child.kill()


def kill_embedder_again_and_again(server: FaultyServer) -> None:
    """From now on it is ended whenever the server starts it again."""
    server.fail(_NO_EMBEDDER)

    def kill_on() -> None:
        while server.lacks(_NO_EMBEDDER):
            kill_embedder(server)
            time.sleep(0.05)

    threading.Thread(target=kill_on, daemon=True).start()


def _hide(server: Server) -> None:
    shutil.move(server.data / "models", server.data / "hidden")


def _show(server: Server) -> None:
    shutil.rmtree(server.data / "models", ignore_errors=True)
    shutil.move(server.data / "hidden", server.data / "models")


def _hide_and_restart(server: Server) -> None:
    _hide(server)
    server.stop()
    server.start()


def failing(name: str, what: str, reason: Reason) -> Fault:
    """A fault of `tests.faults.faulty`."""
    return Fault(name, lambda server: server.fail(what), lambda server: server.mend(what), reason)


_AWAY = ("journal", "unavailable")

FAULTS_OF_ONE = (
    Fault(
        "valkey-stopped",
        lambda server: signal_valkey(server, signal.SIGSTOP),
        lambda server: signal_valkey(server, signal.SIGCONT),
        _AWAY,
        refuses_writes=True,
    ),
    Fault("valkey-killed", lambda server: kill_valkey(server.data / "journal"), lambda _: None, None),
    failing("source-hangs", "hang-trending", ("trending", "late")),
    failing("source-hangs-in-c", "spin-co_engagement", ("co_engagement", "late")),
    failing("index-raises", "raise-slices", ("interests", "failed")),
    failing("model-raises", "raise-model", ("model", "failed")),
    Fault("models-gone", _hide, _show, None),
    Fault("models-gone-at-a-start", _hide_and_restart, _show, ("model", "unavailable")),
)
"""Of a server with the embedded Valkey."""

EMBEDDER_KILLED = Fault(
    "embedder-killed",
    kill_embedder_again_and_again,
    lambda server: server.mend(_NO_EMBEDDER),
    ("embedder", "unavailable"),
)


class Relay:
    """A port that leads to another one, until it is cut."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self._to = to
        self._pairs: list[socket.socket] = []
        self._listener = self._listening()

    def cut(self) -> None:
        """End all connections, and take no more."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in self._pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._pairs.clear()

    def mend(self) -> None:
        """Listen again."""
        self._listener = self._listening()

    def _listening(self) -> socket.socket | None:
        listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._take, args=(listener,), daemon=True).start()
        return listener

    def _take(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._to))
                self._pairs += [ours, theirs]
                for way in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=_pump, args=way, daemon=True).start()


def port_cut(relay: Relay) -> Fault:
    """A journal that can't be reached."""
    return Fault("port-cut", lambda _: relay.cut(), lambda _: relay.mend(), _AWAY, refuses_writes=True)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65_536):
            target.sendall(content)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def network(posts: int, *, embedder: bool, days: float = 2.0) -> World:
    """Twenty people, whose posts bring vectors where no embedder makes them."""
    return World(
        authors=20,
        viewers=20,
        post_count=posts,
        days=days,
        end_ms=time.time_ns() // 1_000_000,
        vector_dimension=0 if embedder else DIMENSION,
    )


@contextmanager
def running(folder: Path, *, embedder: bool = False, **settings: str) -> Iterator[FaultyServer]:
    """A server with a small network in it and a model in service."""
    more = {} if embedder else {"EMBEDDER__DIMENSION": str(DIMENSION)}
    server = FaultyServer(folder, embedder=embedder, **more | settings)
    server.start()
    try:
        rows = sorted(network(300, embedder=embedder).rows(), key=lambda row: isinstance(row, feedrank.Event))
        put(server.client, rows)
        server.viewers = sorted({row.viewer_id for row in rows if _is_like(row)})
        train(folder / "models", "first")
        server.client.activate_model("first")
        assert within(60, lambda: not server.client.timeline(server.viewers[0]).degraded)
        yield server
    finally:
        signal_valkey(server, signal.SIGCONT)
        if server in Server.running:
            server.stop()
        kill_valkey(folder / "journal")


def _is_like(row: object) -> TypeGuard[feedrank.Event]:
    return isinstance(row, feedrank.Event) and row.kind == EVENT_KIND_LIKE
