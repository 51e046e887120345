"""The server as its operator sees it: health, reflection, metrics, stop and start."""

import re
import signal
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import feedrank
import grpc
import pytest
from feedrank.v1 import feed_pb2_grpc, ingest_pb2_grpc
from feedrank.v1.feed_pb2 import GetTimelineRequest
from feedrank.v1.ingest_pb2 import StreamEventsRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from threadpoolctl import threadpool_info

from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Journal
from ranker.server import run
from ranker.service import Service
from ranker.state import State
from tests.conftest import Launch, Network
from tests.live import Server, within
from tests.ranker.test_backup import settings_of

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICES = [f"feedrank.v1.{name}" for name in ("Feed", "Ingest", "Controls", "Privacy", "Admin")]


def test_reflection_lists_the_services(network: Network) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(network.server.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=10)
    listed = {one.name for one in answer.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= listed


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_each_service_has_a_health(network: Network, service: str) -> None:
    assert network.server.health(service) == SERVING


def test_the_first_moment_of_serving_can_answer(launch: Launch) -> None:
    server = launch()
    assert not server.client.timeline("ana", timeout=1).posts
    assert server.client.put_posts([feedrank.Post(id="p", author_id="a", text="Hello.")], timeout=1).visible


def test_a_matrix_takes_one_processor_while_calls_are_answered(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path / "data")) as service, run.Answering(service):
        assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {1}


def test_the_metrics_tell_what_happened(network: Network) -> None:
    for viewer in network.world.user_ids[:12]:  # some have seen most that there is for them
        network.client.timeline(viewer)
    with pytest.raises(feedrank.InvalidArgument):
        network.client.timeline("")
    found = values(network.server.metrics())
    for name in (
        'feedrank_requests_total{code="OK",method="GetTimeline"}',
        'feedrank_requests_total{code="INVALID_ARGUMENT",method="GetTimeline"}',
        'feedrank_request_seconds_count{method="PutPosts"}',
        *(f'feedrank_stage_seconds_count{{stage="{stage}"}}' for stage in ("filters", "features", "heads")),
        *(f'feedrank_candidates_total{{source="{source}"}}' for source in ("in_network", "fresh")),
        'feedrank_removed_total{filter="seen"}',
        'feedrank_rows_total{kind="posts",outcome="accepted"}',
        "feedrank_posts",
        "feedrank_users",
        "feedrank_indexed_posts",
        'feedrank_model_active{version="prior"}',
    ):
        assert found[name] > 0, name


def test_the_lag_of_the_journal_is_measured(network: Network) -> None:
    assert within(2, lambda: values(network.server.metrics())["feedrank_journal_lag_entries"] == 0)


def test_what_an_answer_lacks_is_counted(launch: Launch) -> None:
    """A deadline that is nearly over leaves no time for the sources. The caller gives none."""
    server = launch(SERVER__DEADLINE_S="0.000001")
    answer = feed_pb2_grpc.FeedStub(server.channel).GetTimeline(GetTimelineRequest(viewer_id="ana"))
    assert {one.reason for one in answer.degraded} == {"late"}
    assert 'feedrank_degraded_total{reason="late",stage="in_network"}' in values(server.metrics())


def test_the_server_never_loads_torch(full: Server) -> None:
    maps = Path(f"/proc/{full.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system does not show the libraries of a process")
    assert full.client.status().indexed_posts >= 0
    assert "libfaiss" in maps.read_text() or "_swigfaiss" in maps.read_text()
    assert "libtorch" not in maps.read_text()


def test_a_stop_lets_calls_end_and_a_start_has_all_they_wrote(launch: Launch) -> None:
    server = launch()
    acknowledged: list[str] = []

    def write(writer: int) -> None:
        with feedrank.Client(server.address) as client:
            for i in count():
                post = feedrank.Post(id=f"p{writer}-{i}", author_id=f"a{writer}", text=f"Number {i}.")
                try:
                    client.put_posts([post], timeout=1)
                except feedrank.Error:
                    return
                acknowledged.append(post.id)

    writers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for one in writers:
        one.start()
    assert within(30, lambda: len(acknowledged) > 20)
    assert server.stop() == 0
    for one in writers:
        one.join()
    assert server.events("stopped")
    client = launch(server).client
    unknown = client.rank_posts("ana", acknowledged[-1_000:]).unknown_post_ids
    assert not unknown


def test_a_call_under_way_ends_well_when_the_server_stops(launch: Launch) -> None:
    server = launch()

    def batches() -> Iterator[StreamEventsRequest]:
        yield StreamEventsRequest(events=[feedrank.event("ana", "follow", author_id="ben")])
        assert within(10, lambda: server.events("draining"))
        yield StreamEventsRequest(events=[feedrank.event("ana", "follow", author_id="mei")])

    with grpc.insecure_channel(server.address) as channel:
        call = ingest_pb2_grpc.IngestStub(channel).StreamEvents.future(batches())
        assert within(10, lambda: server.client.status().users == 2)
        assert server.stop() == 0
        assert call.result().result.accepted == 2


def test_health_says_not_serving_while_the_server_drains(launch: Launch) -> None:
    server = launch()
    stub = health_pb2_grpc.HealthStub(server.channel)
    said = []

    def watch() -> None:
        try:
            said.extend(one.status for one in stub.Watch(health_pb2.HealthCheckRequest(), timeout=20))
        except grpc.RpcError:
            said.append(-1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert within(10, lambda: said)
    server.process.terminate()
    watcher.join()
    server.stop()
    assert said[:2] == [SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]


def test_many_signals_stop_it_as_one(launch: Launch) -> None:
    """A terminal's Ctrl-C and a parent's SIGTERM come together, and some people press twice."""
    server = launch()
    for _ in range(20):
        server.process.send_signal(signal.SIGINT)
        server.process.terminate()
    assert server.stop() == 0


def test_a_restart_remembers_people_and_preferences(launch: Launch) -> None:
    server = launch()
    server.client.put_relations([feedrank.relation("ana", "follow", "ben")])
    server.client.set_preferences("ana", feedrank.Preferences(muted_words=["rain"]))
    server.client.put_posts([feedrank.Post(id="p", author_id="ben", text="Sun.")])
    server.stop()
    client = launch(server).client
    assert list(client.get_preferences("ana").muted_words) == ["rain"]
    assert [post.post_id for post in client.timeline("ana", surface="following").posts] == ["p"]


def test_a_second_server_on_the_same_data_says_so(launch: Launch) -> None:
    server = launch()
    second = Server(server.data)
    with pytest.raises(AssertionError, match="another feedrank uses the data folder"):
        second.start()
    assert second.process.wait() == 2
    assert "Traceback" not in second.log


def test_a_wrong_embedder_model_leaves_the_service_serving(launch: Launch) -> None:
    server = launch(EMBEDDER__ENABLED="true", EMBEDDER__MODEL="no-such/model", EMBEDDER__DIMENSION="384")
    server.client.put_relations([feedrank.relation("ana", "follow", "ben")])
    server.client.put_posts([feedrank.Post(id="p", author_id="ben", text="Without a vector.")])
    assert within(30, lambda: server.events("embedder_lost"))
    status = server.client.status()
    assert (status.posts_without_vector, status.embedder_ready, status.embedder_model) == (1, False, "none")
    assert [post.post_id for post in server.client.timeline("ana", surface="following").posts] == ["p"]
    assert server.stop() == 0


def values(page: str) -> dict[str, float]:
    """The samples of a metrics page."""
    samples = re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", page, re.MULTILINE)
    return {name: float(value) for name, value in samples}


def test_a_server_whose_fold_has_ended_says_that_it_does_not_serve() -> None:
    follower = Follower(Journal.connect("unix:///nowhere"), Fold(State(4)))
    stop, health = SimpleQueue[float](), HealthServicer()
    health.set("", SERVING)
    waiting = threading.Thread(target=run.wait, args=(stop, follower, health))
    waiting.start()
    asked = health_pb2.HealthCheckRequest()
    said = within(5, lambda: health.Check(asked, None).status == health_pb2.HealthCheckResponse.NOT_SERVING)
    stop.put(0)
    waiting.join()
    assert said
