"""Take the journal, the embedder, the model or a source away, and count the timelines that come all the same.

    python -m tests.faults.answering --calls 10000 --seed 1
    python -m tests.faults.answering --calls 500 --only source-hangs --json

Each fault is the real thing, on a real server, while several callers ask for timelines one after the other:
its Valkey is stopped (SIGSTOP) or killed, the port to one elsewhere is cut, the embedder is killed, the
models folder is gone, a source hangs (in Python, and in C), the vector index or the model raises. A timeline
that comes within its deadline counts as answered. Once the fault must be known, it must also give the right
reason; when the fault has ended, timelines must come without one again, and writes be taken, without a
restart.

Exit 1 where fewer than 999 in 1,000 calls were answered, one of them lacked its reason, a write was refused
slowly or without UNAVAILABLE, or the server did not heal.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import feedrank
import grpc
import psutil
from feedrank.v1.ingest_pb2 import PutPostsRequest
from feedrank.v1.ingest_pb2_grpc import IngestStub
from feedrank.v1.types_pb2 import EVENT_KIND_LIKE

from ranker.valkey import EmbeddedValkey
from tests.faults.faulty import FAULTS
from tests.live import Server, free_port, put, within
from tests.ranker.processes import kill_valkey, valkeys
from tests.ranker.server.test_admin import train
from training.playground import World

DIMENSION = 64
LEAST_ANSWERED = 0.999
_DEADLINE_S = 2.0
_CALLERS = 2
_KNOWN_WITHIN_S = 4.0
"""So long after a fault began, answers say so."""
_HEALED_WITHIN_S = 60.0
_WRITE_REFUSED_WITHIN_S = 3.0
_SLOWEST_MS = 5.0
"""Between two calls of a caller: what is asked is who is answered, not how fast."""
_ROOT = Path(__file__).parents[2]

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


@dataclass(frozen=True)
class Fault:
    """What is taken away, and what answers say of it; None: nothing need be said."""

    name: str
    begin: Callable[[FaultyServer], None]
    end: Callable[[FaultyServer], None]
    reason: Reason | None
    refuses_writes: bool = False


@dataclass
class Tally:
    """What came of the calls beside one fault."""

    fault: str
    calls: int = 0
    answered: int = 0
    without_reason: int = 0
    """Of those that came after the fault must have been known."""
    slowest_ms: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    writes_refused: int = 0
    refused_otherwise: int = 0
    """With another code than UNAVAILABLE."""
    slowest_refusal_ms: float = 0.0
    healed_s: float = float("inf")

    @property
    def good(self) -> bool:
        """Whether the promises were kept."""
        in_time = self.slowest_refusal_ms <= 1000 * _WRITE_REFUSED_WITHIN_S
        told = not (self.without_reason or self.refused_otherwise)
        return self.share >= LEAST_ANSWERED and told and in_time and self.healed

    @property
    def share(self) -> float:
        """Of calls that were answered."""
        return self.answered / max(self.calls, 1)

    @property
    def healed(self) -> bool:
        """Whether the server came back."""
        return self.healed_s <= _HEALED_WITHIN_S


class Callers:
    """Threads that ask for timelines one after the other, until there were so many calls."""

    def __init__(self, server: FaultyServer, fault: Fault, calls: int, seed: int) -> None:
        self.tally = Tally(fault.name)
        self._server = server
        self._fault = fault
        self._calls = calls
        self._seed = seed
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def run(self) -> Tally:
        """The fault, the calls, and its end."""
        self._fault.begin(self._server)
        self._began = time.monotonic()
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(_CALLERS)]
        if self._fault.refuses_writes:
            threads.append(threading.Thread(target=self._write))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._fault.end(self._server)
        ended = time.monotonic()
        if within(_HEALED_WITHIN_S, self._is_healed):
            self.tally.healed_s = time.monotonic() - ended
        return self.tally

    def _ask(self, number: int) -> None:
        drawn = random.Random(f"{self._seed}-{number}")
        # In one call, and so without the client's own repetitions.
        with feedrank.Client(self._server.address) as client:
            while self._wants_more():
                self._ask_once(client, drawn.choice(self._server.viewers))
                time.sleep(drawn.random() * _SLOWEST_MS / 1000)

    def _wants_more(self) -> bool:
        """Whether there were too few calls, or the fault need not be known yet."""
        with self._lock:
            more = self.tally.calls < self._calls
            more |= time.monotonic() < self._began + _KNOWN_WITHIN_S + 1
            self.tally.calls += more
            return more

    def _ask_once(self, client: feedrank.Client, viewer: str) -> None:
        began, code, reasons = time.monotonic(), "OK", set[Reason]()
        try:
            page = client.timeline(viewer, timeout=_DEADLINE_S)
            reasons = {(one.stage, one.reason) for one in page.degraded}
        except feedrank.Error as error:
            code = error.code.name
        spent = time.monotonic() - began
        known = began > self._began + _KNOWN_WITHIN_S and self._fault.reason is not None
        with self._lock:
            self.tally.answered += code == "OK" and spent <= _DEADLINE_S
            self.tally.without_reason += code == "OK" and known and self._fault.reason not in reasons
            self.tally.slowest_ms = max(self.tally.slowest_ms, 1000 * spent)
            self.tally.codes[code] = self.tally.codes.get(code, 0) + 1

    def _write(self) -> None:
        """Writes are refused soon, with UNAVAILABLE: nothing was acknowledged."""
        post = feedrank.Post(id="x", author_id="author1", text="Is anybody there?")
        stub = IngestStub(self._server.channel)
        while time.monotonic() < self._began + _KNOWN_WITHIN_S:
            began = time.monotonic()
            try:
                stub.PutPosts(PutPostsRequest(posts=[post]), timeout=10)
            except grpc.RpcError as error:
                self._count_refusal(error, 1000 * (time.monotonic() - began))
            time.sleep(0.02)

    def _count_refusal(self, error: grpc.RpcError, spent_ms: float) -> None:
        tally = self.tally
        tally.writes_refused += 1
        tally.refused_otherwise += error.code() is not grpc.StatusCode.UNAVAILABLE
        tally.slowest_refusal_ms = max(tally.slowest_refusal_ms, spent_ms)

    def _is_healed(self) -> bool:
        """Whether a timeline comes without a reason, and a write is taken."""
        client = self._server.client
        post = feedrank.Post(id="healed", author_id="author1", text="All is well again.")
        try:
            written = client.put_posts([post], timeout=2)
            return not client.timeline(self._server.viewers[0], timeout=_DEADLINE_S).degraded and bool(
                written.accepted
            )
        except feedrank.Error:
            return False


def signal_valkey(server: Server, number: signal.Signals) -> None:
    """Send a signal to the embedded Valkey."""
    for pid in valkeys(server.data / "journal"):
        os.kill(pid, number)


def kill_embedder(server: Server) -> None:
    """End the embedder as a crash would; the server starts it again."""
    for child in psutil.Process(server.process.pid).children():
        if "embeddings.process" in child.cmdline():
            child.kill()


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

EMBEDDER_KILLED = Fault("embedder-killed", kill_embedder, lambda _: None, None)
"""It is back within seconds, and while it is not, answers say so."""


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


@contextmanager
def external(folder: Path) -> Iterator[Relay]:
    """A Valkey somewhere else, and the port by which it is reached."""
    valkey = EmbeddedValkey(folder)
    port = free_port()
    folder.mkdir()
    process = psutil.Popen(
        [*valkey._command(), "--port", str(port), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        relay = Relay(port)
        assert within(10, lambda: _listens(port))
        yield relay
        relay.cut()
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(folder: Path, *, embedder: bool = False, **settings: str) -> Iterator[FaultyServer]:
    """A server with a small network in it and a model in service."""
    more = {} if embedder else {"EMBEDDER__DIMENSION": str(DIMENSION)}
    server = FaultyServer(folder, embedder=embedder, **more, **settings)
    server.start()
    try:
        dimension = None if embedder else DIMENSION
        world = World(
            authors=20,
            viewers=20,
            post_count=300,
            days=2,
            end_ms=time.time_ns() // 1_000_000,
            vector_dimension=dimension,
        )
        rows = sorted(world.rows(), key=lambda row: isinstance(row, feedrank.Event))
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


@contextmanager
def elsewhere(folder: Path) -> Iterator[tuple[Relay, FaultyServer]]:
    """A server whose journal is reached by a port, and the way there."""
    with (
        external(folder / "valkey") as relay,
        running(folder / "data", JOURNAL=f"redis://127.0.0.1:{relay.port}/0") as server,
    ):
        yield relay, server


def _is_like(row: object) -> bool:
    return isinstance(row, feedrank.Event) and row.kind == EVENT_KIND_LIKE


def measured(folder: Path, calls: int, seed: int, only: str = "") -> Iterator[Tally]:
    """A tally a fault."""
    wanted = [one for one in FAULTS_OF_ONE if only in one.name]
    if wanted:
        with running(folder / "one") as server:
            for fault in wanted:
                yield Callers(server, fault, calls, seed).run()
    if only in "port-cut":
        with elsewhere(folder) as (relay, server):
            yield Callers(server, port_cut(relay), calls, seed).run()
    if only in EMBEDDER_KILLED.name:
        with running(folder / "three", embedder=True) as server:
            yield Callers(server, EMBEDDER_KILLED, calls, seed).run()


def main() -> int:
    """Run all faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000, help="timelines asked for beside each fault")
    parser.add_argument("--seed", type=int, default=1, help="of who asks")
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    asked = parser.parse_args()
    tallies = list[Tally]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for tally in measured(folder, asked.calls, asked.seed, asked.only):
            tallies.append(tally)
            sys.stderr.write(f"{tally}\n")
    good = all(tally.good for tally in tallies)
    if asked.json:
        told = {"good": good, "seed": asked.seed, "faults": [asdict(one) for one in tallies]}
        sys.stdout.write(json.dumps(told) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
