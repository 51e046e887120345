"""A feedrank server in its own process, as its users start it, without the embedder."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

_SERVE = "from ranker.cli import app; app()"
_PATIENCE_S = 300.0

Figures = dict[str, float]


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    address: str
    metrics_address: str
    process: subprocess.Popen[bytes]
    start_s: float
    """From the start of the process until it said SERVING."""
    workers: int = 1

    def metrics(self, worker: int = 0) -> Figures:
        """All samples of a worker, by name and label value, such as "feedrank_stage_seconds_sum heads"."""
        host, _, port = self.metrics_address.rpartition(":")
        with urllib.request.urlopen(f"http://{host}:{int(port) + worker}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                " ".join((sample.name, *sample.labels.values())): sample.value
                for family in families
                for sample in family.samples
            }

    def wait_for_compaction(self) -> None:
        """After a start, slices are compressed in the background."""
        while any(self.metrics(worker)["feedrank_compaction_due"] for worker in range(self.workers)):
            time.sleep(0.2)

    @property
    def resident_mb(self) -> float:
        """Memory of the server's process; its Valkey is another."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20


@contextmanager
def running(
    data: Path, posts: int, settings: Mapping[str, str] | None = None, workers: int = 1
) -> Iterator[Server]:
    """A server on a data folder that holds so many posts, from SERVING to its end.

    `settings` as in the environment, such as {"FEEDRANK_STATE__MAX_POSTS": "2000000"}.
    """
    address, metrics = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    options = ["--data", str(data), "--address", address, "--metrics", metrics, "--no-embedder"]
    options += ["--workers", str(workers)]
    began = time.perf_counter()
    with (data / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "serve", *options, "--log-level", "warning"],
            stdout=log,
            stderr=log,
            env={**os.environ, **(settings or {})},
        )
    try:
        if not _serving(address, metrics, process):
            said = (data / "server.log").read_text()[-2_000:]
            raise RuntimeError(f"the server did not come to SERVING; its log ends with:\n{said}")
        server = Server(address, metrics, process, time.perf_counter() - began, workers)
        if (held := server.metrics()["feedrank_posts"]) != posts:
            raise RuntimeError(f"the server holds {held:.0f} posts, not {posts}: delete the folder {data}")
        yield server
    finally:
        process.terminate()
        process.wait()


def _serving(address: str, metrics: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the health service says SERVING, and the primary, the last of its workers, is there."""
    end = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        # A channel that failed once waits before it tries again; a new one tries at once.
        with grpc.insecure_channel(address) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=1.0
                )
            except grpc.RpcError:
                time.sleep(0.02)
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING and _listens(metrics):
                    return True
    return False


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
