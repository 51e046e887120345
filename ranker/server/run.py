"""Runs the service behind gRPC until it is told to stop."""

import gc
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import Empty, SimpleQueue

import grpc
import structlog
from feedrank.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    controls_pb2,
    controls_pb2_grpc,
    feed_pb2,
    feed_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    privacy_pb2,
    privacy_pb2_grpc,
)
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server
from threadpoolctl import threadpool_limits

from ranker.access.door import Access, Door, Watch
from ranker.access.runtime import check_protobuf
from ranker.board import Board
from ranker.errors import SettingsError
from ranker.follower import Follower
from ranker.metrics import Metrics
from ranker.server.admin import Admin
from ranker.server.admission import Admission, Pressure
from ranker.server.controls import Controls
from ranker.server.edge import Edge
from ranker.server.feed import Feed
from ranker.server.ingest import Ingest
from ranker.server.passing import Passing, address_at, socket_of
from ranker.server.privacy import Privacy
from ranker.server.workers import Workers
from ranker.service import Service
from ranker.settings import ServerSettings, Settings

log = structlog.get_logger()

_LOOK_S = 1.0

_SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (feed_pb2, "Feed"),
        (ingest_pb2, "Ingest"),
        (controls_pb2, "Controls"),
        (privacy_pb2, "Privacy"),
        (admin_pb2, "Admin"),
    )
)


_SWITCH_S = 0.0005
"""A background thread that runs Python code holds a request up no longer than this; Python's own is 5 ms."""


_YOUNG_OBJECTS = 20_000
"""New objects that a collection waits for: those of some ten answers, nearly all gone by themselves."""


def serve(settings: Settings, logs: Mapping[str, str | bool]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and stop. `logs`: as `ranker.logs.set_up` takes it."""
    stop = SimpleQueue[float]()  # a signal's handler must not set an Event: its lock may be held
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.put(settings.server.drain_s))
    check_protobuf()
    Access(settings).check()
    with ExitStack() as opening:
        address, board = settings.server.address, Board()
        if (count := settings.server.workers) > 1:
            metrics_address(settings.server, count - 1)
            address, board = opening.enter_context(reserved(address)), Board.shared(count)
        workers = Workers(settings, board, address, logs)
        opening.callback(workers.stop)
        service = opening.enter_context(Service(settings, board, when_open=workers.start))
        answering = opening.enter_context(Answering(service))
        workers.wait(stop)
        address = answering.listen(address)
        log.info("serving", address=address, data=str(settings.data), workers=count)
        seconds = wait(stop, service.follower, answering.health)
        log.info("draining", seconds=seconds)
        workers.drain()
        answering.drain(seconds)
        workers.stop()
    log.info("stopped")


class Answering:
    """The gRPC edge of one worker, from the first call to the last. Use it as a context manager.

    Each call has a thread of a pool: the work is array code that lets go of the interpreter's lock, and an
    event loop (grpc.aio) tried beside it answered fewer of several callers at a time. An answer is encoded
    once, where it is made.
    """

    def __init__(self, service: Service) -> None:
        settings, board = service.settings.server, service.board
        self.health = health.HealthServicer()
        self.metrics_address = metrics_address(settings, board.worker)
        self._service = service
        self._metrics = Metrics()
        self._access = Access(service.settings)
        self._edge = Edge(self._metrics, known=self._access.rules)
        self._watch = Watch(self._access, self._edge)
        self._settings = settings
        self._reads = Pressure(
            service.state.turn.most, settings.wait_ms / 1000, floor=settings.fewest_candidates
        )
        self._open = ExitStack()
        self._several = board.workers > 1

    def __enter__(self) -> "Answering":
        sys.setswitchinterval(_SWITCH_S)
        # Requests and the compaction are threads themselves: BLAS's would take the processors from them.
        self._open.enter_context(threadpool_limits(1, user_api="blas"))
        passing = [self._between_workers()] if self._several else []
        self._server = self._made([*passing, self._watch, self._edge], Door(self._access, self._edge))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        _say(self.health, health_pb2.HealthCheckResponse.NOT_SERVING)
        return self

    def __exit__(self, *_: object) -> None:
        self.drain(0)
        self._open.close()

    def listen(self, address: str) -> str:
        """Begin to answer; the address as bound."""
        bound = _listen(self._server, address, self._access.credentials())
        self._metrics.watch(
            "read_wait_seconds", "What a read that comes now waits.", lambda: self._reads.wait_s
        )
        _serve_metrics(self.metrics_address, self._metrics, self._service)
        _leave_to_collect_only_what_calls_make()
        self._server.start()
        _say(self.health, health_pb2.HealthCheckResponse.SERVING)
        self._service.board.serve()
        return bound

    def drain(self, seconds: float) -> None:
        """Take no more calls, and give those under way so long to end."""
        _say(self.health, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._server.stop(seconds).wait()

    def _between_workers(self) -> Passing:
        """Answer what other workers pass on, and pass on what is theirs."""
        settings, data, board = self._settings, self._service.settings.data, self._service.board
        private, path = self._made([self._watch, self._edge]), socket_of(data, board.worker)
        path.unlink(missing_ok=True)
        _listen(private, address_at(path))
        path.chmod(0o600)
        private.start()
        self._open.callback(path.unlink, missing_ok=True)
        self._open.callback(lambda: private.stop(settings.drain_s).wait())  # others may have calls here
        passing = Passing(data, board, settings.max_message_mb * 2**20)
        self._open.callback(passing.close)
        return passing

    def _made(
        self, interceptors: list[grpc.ServerInterceptor], *first: grpc.ServerInterceptor
    ) -> grpc.Server:
        admission = Admission(self._settings, self._metrics, self._reads)
        self._open.callback(admission.close)
        server = _server(
            self._settings, [*first, admission, *interceptors], admission.pool, several=self._several
        )
        _add(server, self._service, self._metrics, self._reads)
        return server


def _leave_to_collect_only_what_calls_make() -> None:
    """What the start made stays: no collection walks it again while somebody waits for an answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def wait(stop: "SimpleQueue[float]", follower: Follower, alive: health.HealthServicer) -> float:
    """Wait for the end; the seconds to drain. A worker whose state stands still says it does not serve."""
    while True:
        try:
            return stop.get(timeout=_LOOK_S)
        except Empty:
            if not follower.alive:
                _say(alive, health_pb2.HealthCheckResponse.NOT_SERVING)


def _server(
    settings: ServerSettings,
    interceptors: list[grpc.ServerInterceptor],
    pool: ThreadPoolExecutor,
    *,
    several: bool,
) -> grpc.Server:
    most = settings.max_message_mb * 1024 * 1024
    options = (
        ("grpc.max_receive_message_length", most),
        ("grpc.max_send_message_length", most),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
        ("grpc.so_reuseport", int(several)),
    )
    return grpc.server(pool, interceptors=interceptors, options=options)


def _add(server: grpc.Server, service: Service, metrics: Metrics, reads: Pressure) -> None:
    settings = service.settings.server
    feed = Feed(
        service.timelines, service.follower, metrics, settings, quality=reads.quality, ailing=service.ailing
    )
    feed_pb2_grpc.add_FeedServicer_to_server(feed, server)
    ingest_pb2_grpc.add_IngestServicer_to_server(
        Ingest(service.writer, metrics, service.state.dimension, settings.threads), server
    )
    controls_pb2_grpc.add_ControlsServicer_to_server(
        Controls(service.writer, service.follower, settings.catch_up_s), server
    )
    if service.is_primary:
        privacy_pb2_grpc.add_PrivacyServicer_to_server(Privacy(service), server)
        admin_pb2_grpc.add_AdminServicer_to_server(Admin(service), server)


def _listen(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> str:
    """The address as bound: port 0 becomes the port that was free. With credentials it speaks TLS."""
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise _not_listening(address) from error
    host = address.rpartition(":")[0]
    return address if address.startswith("unix:") else f"{host}:{port}"


def _not_listening(address: str) -> SettingsError:
    return SettingsError(f"{address} can't be listened on: is another server there? Choose with --address")


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """An address that workers share, with its port; no other server listens there, nor comes to meanwhile.

    The port is held by a socket that is bound and never listens.
    """
    host, _, port = address.rpartition(":")
    if not host or address.startswith("unix:"):
        raise SettingsError(
            f"several workers can't listen on {address}: choose host:port with --address, or --workers 1"
        )
    try:
        family, kind, *_, at = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(at)
            at = alone.getsockname()
        held = socket.socket(family, kind)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(at)
    except (OSError, OverflowError, ValueError) as error:
        raise _not_listening(address) from error
    with held:
        yield f"{host}:{at[1]}"


def metrics_address(settings: ServerSettings, worker: int) -> str:
    """Where a worker serves its metrics: the first at the address of the settings, each other one port on."""
    host, _, port = settings.metrics_address.rpartition(":")
    if not worker or not settings.metrics_address:
        return settings.metrics_address
    if not port.isdigit() or not 0 < int(port) <= 65_535 - worker:
        raise SettingsError(
            f"{settings.workers} workers can't serve metrics from {settings.metrics_address} on: "
            "choose host:port with --metrics, and a port with as many after it"
        )
    return f"{host}:{int(port) + worker}"


def _say(alive: health.HealthServicer, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
    for name in ("", *_SERVICES):
        alive.set(name, status)


def _serve_metrics(address: str, metrics: Metrics, service: Service) -> None:
    state, models = service.state, service.models
    metrics.watch("journal_lag_entries", "Entries not folded yet.", service.follower.lag)
    metrics.watch("poison_entries", "Entries set aside.", lambda: service.follower.poison_count)
    metrics.watch("posts", "Posts held.", lambda: state.posts.size)
    metrics.watch("users", "Users held.", lambda: state.users.size)
    metrics.watch("indexed_posts", "Posts that a vector search can find.", lambda: len(service.slices))
    metrics.watch("compaction_due", "1 while a slice waits for compaction.", service.slices.compact_pending)
    metrics.watch("stuck_sources", "Sources that hang.", lambda: service.timelines.aside.count)
    metrics.watch("sessions", "Sessions open.", lambda: len(service.sessions))
    metrics.watch("impressions_written", "Posts served and logged.", lambda: service.impressions.written)
    metrics.watch("impressions_dropped", "Posts served, not logged.", lambda: service.impressions.dropped)
    metrics.watch(
        "impressions_recovered",
        "Logged posts that a killed server left, found at the start.",
        lambda: service.impressions.recovered,
    )
    metrics.watch_label(
        "model_active", "1 for the model that serves.", "version", lambda: models.active.version
    )
    if address:
        host, _, port = address.rpartition(":")
        try:
            start_http_server(int(port), host or "127.0.0.1", registry=metrics.registry)
        except (OSError, OverflowError, ValueError) as error:
            raise SettingsError(
                f"metrics can't be served at {address} ({error}): choose host:port with --metrics"
            ) from error
