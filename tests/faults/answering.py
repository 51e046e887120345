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
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import feedrank
import grpc
import psutil
from feedrank.v1.ingest_pb2 import PutPostsRequest
from feedrank.v1.ingest_pb2_grpc import IngestStub

from ranker.valkey import EmbeddedValkey
from tests.faults.outages import (
    DEADLINE_S,
    EMBEDDER_KILLED,
    FAULTS_OF_ONE,
    HEALED_WITHIN_S,
    Fault,
    FaultyServer,
    Reason,
    Relay,
    port_cut,
    running,
)
from tests.live import free_port, within

LEAST_ANSWERED = 0.999
_CALLERS = 2
_KNOWN_WITHIN_S = 4.0
"""So long after a fault began, answers say so."""
_WRITE_REFUSED_WITHIN_S = 3.0
_SLOWEST_MS = 5.0
"""Between two calls of a caller: what is asked is who is answered, not how fast."""


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
        return self.healed_s <= HEALED_WITHIN_S


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
        if within(HEALED_WITHIN_S, self._server.is_whole):
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
            page = client.timeline(viewer, timeout=DEADLINE_S)
            reasons = {(one.stage, one.reason) for one in page.degraded}
        except feedrank.Error as error:
            code = error.code.name
        spent = time.monotonic() - began
        known = began > self._began + _KNOWN_WITHIN_S and self._fault.reason is not None
        with self._lock:
            self.tally.answered += code == "OK" and spent <= DEADLINE_S
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
def elsewhere(folder: Path) -> Iterator[tuple[Relay, FaultyServer]]:
    """A server whose journal is reached by a port, and the way there."""
    with (
        external(folder / "valkey") as relay,
        running(folder / "data", JOURNAL=f"redis://127.0.0.1:{relay.port}/0") as server,
    ):
        yield relay, server


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
