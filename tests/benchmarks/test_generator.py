"""The load generator, against a real gRPC server that answers as the test wants."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from feedrank.v1 import feed_pb2, ingest_pb2

from benchmarks import calls
from benchmarks.calls import EVENTS, READ, Known, Mix
from benchmarks.generator import Target, generating

KNOWN = Known([f"v{i}" for i in range(9)], [f"p{i}" for i in range(9)], ["a"])
Answer = Callable[[bytes], bytes]


@contextmanager
def answering(answers: dict[str, Answer]) -> Iterator[str]:
    """A server of one thread; its address."""

    class Methods(grpc.GenericRpcHandler):
        def service(self, call: grpc.HandlerCallDetails) -> Any:
            answer = answers[call.method]
            return grpc.unary_unary_rpc_method_handler(lambda content, _: answer(content))

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([Methods()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def page(posts: int) -> bytes:
    rows = [feed_pb2.RankedPost(post_id=f"p{i}", source="fresh") for i in range(posts)]
    return feed_pb2.GetTimelineResponse(posts=rows).SerializeToString()


def test_calls_that_were_due_while_the_server_stalled_count_as_slow() -> None:
    stalls = threading.Semaphore(1)

    def answer(_: bytes) -> bytes:
        time.sleep(0.5 if stalls.acquire(blocking=False) else 0)
        return page(1)

    with answering({READ: answer}) as address, generating(Target(address, KNOWN, "constant"), 1) as generate:
        outcome = generate(Mix(reads=100), 1.0)
    assert outcome.counts["answered_reads"] == 100
    assert outcome.reads.percentile(60) > 0.05  # half of the calls were due within the stall


def test_errors_are_counted_by_code_and_are_never_fast() -> None:
    def fail(_: bytes) -> bytes:
        raise RuntimeError

    with (
        answering({READ: fail}) as address,
        generating(Target(address, KNOWN, deadline_s=0.7), 1) as generate,
    ):
        outcome = generate(Mix(reads=30), 1.0)
    assert outcome.errors == {"UNKNOWN": outcome.counts["calls"]}
    assert outcome.error_share == 1
    assert outcome.reads.percentile(1) >= 0.7


def test_a_timeline_without_posts_is_noticed() -> None:
    target = {READ: lambda _: page(0)}
    with answering(target) as address, generating(Target(address, KNOWN), 1) as generate:
        outcome = generate(Mix(reads=200), 0.5)
    assert outcome.counts["empty"] == outcome.counts["checked"] > 0


def test_processes_share_a_rate_and_sum_up_what_was_acknowledged() -> None:
    def taken(content: bytes) -> bytes:
        answer = ingest_pb2.RecordEventsResponse()
        answer.result.accepted = len(ingest_pb2.RecordEventsRequest.FromString(content).events)
        return answer.SerializeToString()

    with (
        answering({READ: lambda _: page(3), EVENTS: taken}) as address,
        generating(Target(address, KNOWN, "constant", processes=2), 1) as generate,
    ):
        outcome = generate(Mix(reads=40, events=400, events_a_call=20), 1.0)
    assert outcome.counts["answered_reads"] == 40
    assert outcome.counts["events"] == 400
    assert outcome.writes.count == 20


@pytest.mark.parametrize("pattern", ["poisson", "constant"])
def test_calls_arrive_at_the_rate_that_was_asked_for(pattern: calls.Arrivals) -> None:
    due = calls.due(200, pattern, 50, np.random.default_rng(1))
    gaps = np.diff(due)
    assert abs(len(due) / 50 - 200) < 10
    assert (gaps >= 0).all()
    assert abs(gaps.std() / gaps.mean() - (pattern == "poisson")) < 0.05


def test_no_two_events_have_one_id() -> None:
    made = [
        event.event_id
        for name in ("one", "two")
        for content in calls.events(KNOWN, 3, 50, name, np.random.default_rng(1))
        for event in ingest_pb2.RecordEventsRequest.FromString(content).events
    ]
    assert len(set(made)) == len(made) == 300
