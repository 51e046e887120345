"""A feedrank server in a process of its own, as somebody would run it, and the network that lives in it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

import feedrank
import grpc
from feedrank.identity import Identity
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc

COMMAND = (sys.executable, "-c", "from ranker.cli import main; main()")
"""The entry point of `feedrank`, in this interpreter."""

_START_S = 60.0


class Server:
    """`feedrank serve` on a free port. `settings` are environment variables, without their prefix.

    If not told otherwise it swaps no posts: many a test compares orders.
    """

    running: ClassVar[list["Server"]] = []
    command: ClassVar[tuple[str, ...]] = COMMAND

    def __init__(
        self, data: Path, *, embedder: bool = False, identity: Identity | None = None, **settings: str
    ) -> None:
        """`identity`: who the client and the channel are to the server."""
        self.data = data
        self.identity = identity or Identity()
        self.log_file = data.with_suffix(".log")
        plain = {"EMBEDDER__ENABLED": str(embedder).lower(), "EXPLORATION__SWAP_SHARE": "0"}
        self.settings = plain | settings
        self.waits_for_embedder = embedder

    def start(self) -> "Server":
        """Start it, and wait until its health is SERVING."""
        self.metrics_address = f"127.0.0.1:{free_port()}"
        options = ("--data", str(self.data), "--address", "127.0.0.1:0", "--metrics", self.metrics_address)
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.command, "serve", *options, "--log-json"],
                stderr=log,
                cwd=self.data,
                env=self._environment(),
            )
        Server.running.append(self)
        try:
            self._wait()
        except BaseException:
            Server.running.remove(self)
            self.process.kill()
            raise
        return self

    def _wait(self) -> None:
        self.address = within(_START_S, self._address)
        self.channel = channel_to(self.address, self.identity)
        self.client = feedrank.Client(self.address, **asdict(self.identity))
        assert within(_START_S, self.health) == health_pb2.HealthCheckResponse.SERVING
        if self.waits_for_embedder:
            assert within(_START_S, lambda: self.client.status().embedder_ready)

    def stop(self) -> int:
        """End it as an operator would, with SIGTERM; its exit code."""
        self._let_go()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def kill(self) -> None:
        """End it as a crash would, with SIGKILL. Its Valkey stays, and the next start takes it over."""
        self._let_go()
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote, JSON lines."""
        return self.log_file.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        lines = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == name]

    def health(self, service: str = "") -> int:
        """The health of a service, as grpc.health.v1 numbers it."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10, wait_for_ready=True)
        return int(answer.status)

    def metrics(self) -> str:
        """The metrics as Prometheus reads them."""
        with urlopen(f"http://{self.metrics_address}/metrics", timeout=10) as page:
            text: str = page.read().decode()
        return text

    def _address(self) -> str:
        assert self.process.poll() is None, f"the server ended: {self.log}"
        said = self.events("serving")
        return str(said[0]["address"]) if said else ""

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDRANK_")}
        return kept | {f"FEEDRANK_{name}": value for name, value in self.settings.items()}

    def _let_go(self) -> None:
        if self in Server.running:
            Server.running.remove(self)
            self.client.close()
            self.channel.close()


def channel_to(address: str, identity: Identity) -> grpc.Channel:
    """A bare channel; it sends no token by itself."""
    credentials = identity.credentials(address, None)
    return grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)


def within(seconds: float, what: Callable[[], Any]) -> Any:
    """Ask until the answer is true, or time is up; the last answer."""
    end = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.01)
    return answer


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def put(client: feedrank.Client, rows: Iterable[Any]) -> None:
    """Send rows of all kinds in their order; each must be accepted."""
    send: dict[type, Callable[[list[Any]], Any]] = {
        feedrank.Post: client.put_posts,
        feedrank.User: client.put_users,
        feedrank.Relation: client.put_relations,
        feedrank.Event: client.record_events,
        DeletePostsRequest: lambda few: client.delete_posts([one for row in few for one in row.post_ids]),
    }
    for kind, some in groupby(rows, type):
        if kind is SetPreferencesRequest:
            for row in some:
                client.set_preferences(row.viewer_id, row.preferences)
        else:
            send[kind](list(some)).raise_if_rejected()
