"""Runs the service behind gRPC until it is told to stop."""

import gc
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
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

from ranker.errors import SettingsError
from ranker.follower import Follower
from ranker.metrics import Metrics
from ranker.server.admin import Admin
from ranker.server.controls import Controls, Privacy
from ranker.server.edge import Edge
from ranker.server.feed import Feed
from ranker.server.ingest import Ingest
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


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and stop."""
    stop = SimpleQueue[int]()  # a signal's handler must not set an Event: its lock may be held
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    sys.setswitchinterval(_SWITCH_S)
    metrics = Metrics()
    alive = health.HealthServicer()
    server = _server(settings.server, metrics)
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    _say(alive, health_pb2.HealthCheckResponse.NOT_SERVING)
    with Service(settings) as service:
        _add(server, service, metrics)
        address = _listen(server, settings.server.address)
        _serve_metrics(settings.server.metrics_address, metrics, service)
        _leave_to_collect_only_what_calls_make()
        server.start()
        _say(alive, health_pb2.HealthCheckResponse.SERVING)
        log.info("serving", address=address, data=str(settings.data))
        _wait(stop, service.follower, alive)
        log.info("draining", seconds=settings.server.drain_s)
        _say(alive, health_pb2.HealthCheckResponse.NOT_SERVING)
        server.stop(settings.server.drain_s).wait()
    log.info("stopped")


def _leave_to_collect_only_what_calls_make() -> None:
    """What the start made stays: no collection walks it again while somebody waits for an answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def _wait(stop: "SimpleQueue[int]", follower: Follower, alive: health.HealthServicer) -> None:
    """Wait for a signal. A server whose state stands still says that it does not serve."""
    while True:
        try:
            stop.get(timeout=_LOOK_S)
        except Empty:
            if not follower.alive:
                _say(alive, health_pb2.HealthCheckResponse.NOT_SERVING)
        else:
            return


def _server(settings: ServerSettings, metrics: Metrics) -> grpc.Server:
    most = settings.max_message_mb * 1024 * 1024
    options = (
        ("grpc.max_receive_message_length", most),
        ("grpc.max_send_message_length", most),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
        ("grpc.so_reuseport", 0),
    )
    pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="rpc")
    return grpc.server(pool, interceptors=[Edge(metrics)], options=options)


def _add(server: grpc.Server, service: Service, metrics: Metrics) -> None:
    settings = service.settings.server
    feed_pb2_grpc.add_FeedServicer_to_server(Feed(service.timelines, metrics, settings.deadline_s), server)
    ingest_pb2_grpc.add_IngestServicer_to_server(
        Ingest(service.writer, metrics, service.state.dimension, settings.threads), server
    )
    controls_pb2_grpc.add_ControlsServicer_to_server(Controls(service.writer, service.state), server)
    privacy_pb2_grpc.add_PrivacyServicer_to_server(Privacy(), server)
    admin_pb2_grpc.add_AdminServicer_to_server(Admin(service), server)
    reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)


def _listen(server: grpc.Server, address: str) -> str:
    """The address as bound: port 0 becomes the port that was free."""
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise SettingsError(
            f"{address} can't be listened on: is another server there? Choose with --address"
        ) from error
    host = address.rpartition(":")[0]
    return address if address.startswith("unix:") else f"{host}:{port}"


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
