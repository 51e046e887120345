"""Admission on a real gRPC server whose method takes as long as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import feedrank
import grpc
import pytest
from feedrank.v1.admin_pb2 import StatusResponse
from feedrank.v1.feed_pb2 import GetTimelineRequest, GetTimelineResponse
from feedrank.v1.ingest_pb2 import RecordEventsRequest, RecordEventsResponse
from feedrank.v1.privacy_pb2 import EraseUserResponse
from prometheus_client import generate_latest

from ranker.metrics import Metrics
from ranker.server.admission import LATER_PAGE, PAGE_KEY, RETRY_AFTER, Admission, Pressure
from ranker.settings import ServerSettings
from tests.live import within

PAGE = "/feedrank.v1.Feed/GetTimeline"
EVENTS = "/feedrank.v1.Ingest/RecordEvents"
ERASE, STATUS = "/feedrank.v1.Privacy/EraseUser", "/feedrank.v1.Admin/Status"
BUSY = grpc.StatusCode.RESOURCE_EXHAUSTED
TOOK_S = 0.05


@dataclass
class Slow:
    """A server whose calls take TOOK_S, two reads at a time."""

    channel: grpc.Channel
    address: str
    pressure: Pressure
    metrics: Metrics
    gate: threading.Event
    began: list[float]
    """When each call was begun to be answered."""

    def call(self, method: str = PAGE, content: bytes = b"", timeout: float = 5, **more: Any) -> Any:
        return self.channel.unary_unary(method).future(content, timeout=timeout, **more)

    def burst(self, count: int) -> list[Any]:
        return [self.call() for _ in range(count)]

    def hold(self) -> list[Any]:
        """Two calls that are being answered until the gate opens: what comes next waits."""
        self.gate.clear()
        before = len(self.began)
        calls = self.burst(2)
        assert within(5, lambda: len(self.began) == before + 2)
        return calls

    def queued(self, **more: Any) -> Any:
        """A call that waits now."""
        before = self.pressure.wait_s
        call = self.call(**more)
        assert within(5, lambda: self.pressure.wait_s > before)
        return call

    def crowd(self, wait_s: float) -> list[Any]:
        """None is answered from here on; reads come until another would wait so long."""
        return self.hold() + self.fill(wait_s)

    def fill(self, wait_s: float) -> list[Any]:
        """Calls that wait, until another would wait so long."""
        calls = []
        while self.pressure.wait_s <= wait_s:
            calls.append(self.call())
            time.sleep(0.005)
        return calls


@contextmanager
def serving(**settings: float) -> Iterator[Slow]:
    metrics, gate = Metrics(), threading.Event()
    began: list[float] = []
    gate.set()
    asked = ServerSettings(threads=2, **{"wait_ms": 400.0, **settings})  # type: ignore[arg-type]
    pressure = Pressure(2, asked.wait_ms / 1000, floor=0.2)
    admission = Admission(asked, metrics, pressure)
    server = grpc.server(admission.pool, interceptors=[admission])

    def answered(answer: Any) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def method(_content: bytes, _context: grpc.ServicerContext) -> bytes:
            began.append(time.monotonic())
            time.sleep(TOOK_S)
            gate.wait(5)
            return bytes(answer.SerializeToString())

        return method

    methods = {
        PAGE: GetTimelineResponse(request_id="r"),
        EVENTS: RecordEventsResponse(),
        ERASE: EraseUserResponse(),
        STATUS: StatusResponse(),
    }
    for path, answer in methods.items():
        service, name = path[1:].split("/")
        handler = grpc.unary_unary_rpc_method_handler(answered(answer))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with grpc.insecure_channel(address) as channel:
        yield Slow(channel, address, pressure, metrics, gate, began)
        gate.set()
    server.stop(0).wait()
    admission.close()


@pytest.fixture
def slow() -> Iterator[Slow]:
    with serving() as slow:
        [call.result() for call in slow.burst(4)]  # it knows how long a call takes
        yield slow


def codes(calls: list[Any]) -> list[grpc.StatusCode]:
    return [call.code() for call in calls]


def test_what_would_wait_too_long_is_refused_at_once_and_the_rest_is_answered(slow: Slow) -> None:
    began = time.monotonic()
    calls = slow.burst(40)
    found = codes(calls)
    refused = [call for call in calls if call.code() is BUSY]
    assert {*found} == {grpc.StatusCode.OK, BUSY}
    assert len(refused) > 5
    assert time.monotonic() - began < 3
    assert "ask again in" in refused[0].details()


def test_a_refusal_says_when_to_come_again(slow: Slow) -> None:
    refused = next(call for call in slow.burst(40) if call.code() is BUSY)
    trailers = dict(refused.trailing_metadata())
    assert 25 <= int(trailers[RETRY_AFTER]) <= 1_000
    assert trailers["feedrank-error"] == "busy"


def test_refusals_wait_for_no_work(slow: Slow) -> None:
    slow.hold()
    calls = slow.burst(40)
    assert within(5, lambda: sum(call.done() for call in calls) > 5)
    assert {call.code() for call in calls if call.done()} == {BUSY}
    slow.gate.set()


def test_refusals_are_counted_and_timed(slow: Slow) -> None:
    refused = codes(slow.burst(40)).count(BUSY)
    told = generate_latest(slow.metrics.registry).decode()
    assert f'feedrank_requests_total{{code="RESOURCE_EXHAUSTED",method="GetTimeline"}} {refused}.0' in told
    assert f"feedrank_refusal_seconds_count {refused}.0" in told


def test_writes_go_while_reads_are_refused(slow: Slow) -> None:
    slow.burst(40)
    writes = [slow.call(EVENTS, RecordEventsRequest().SerializeToString()) for _ in range(6)]
    assert codes(writes) == [grpc.StatusCode.OK] * 6


def test_erasures_that_take_long_leave_operators_their_threads(slow: Slow) -> None:
    slow.gate.clear()
    before = len(slow.began)
    calls = [slow.call(ERASE) for _ in range(3)]
    assert within(5, lambda: len(slow.began) == before + 2)
    calls.append(slow.call(STATUS))
    assert within(5, lambda: len(slow.began) == before + 3)
    slow.gate.set()
    assert {*codes(calls)} == {grpc.StatusCode.OK}


def test_later_pages_are_refused_before_first_ones(slow: Slow) -> None:
    slow.crowd(0.25)
    later, first = slow.call(metadata=((PAGE_KEY, LATER_PAGE),)), slow.call()
    assert later.code() is BUSY
    slow.gate.set()
    assert first.code() is grpc.StatusCode.OK


def test_a_later_page_that_only_its_cursor_tells_is_refused_when_it_is_read() -> None:
    with serving(wait_ms=1500.0) as slow:  # so long that what is answered before it does not count
        codes(slow.burst(4))
        slow.hold()
        later = slow.queued(content=GetTimelineRequest(cursor="later").SerializeToString())
        others = slow.fill(1.3)
        slow.gate.set()
        assert later.code() is BUSY
        assert grpc.StatusCode.OK in codes(others)


def test_first_pages_overtake_later_ones_that_wait(slow: Slow) -> None:
    slow.hold()
    order: list[str] = []
    later = slow.queued(metadata=((PAGE_KEY, LATER_PAGE),))
    first = [slow.queued() for _ in range(2)]
    later.add_done_callback(lambda _: order.append("later"))
    for call in first:
        call.add_done_callback(lambda _: order.append("first"))
    slow.gate.set()
    assert within(5, lambda: len(order) == 3)
    assert order[-1] == "later"


def test_a_call_whose_deadline_cannot_be_met_is_refused(slow: Slow) -> None:
    slow.crowd(0.1)
    assert slow.call(timeout=0.04).code() in (BUSY, grpc.StatusCode.DEADLINE_EXCEEDED)
    told = generate_latest(slow.metrics.registry).decode()
    assert 'feedrank_requests_total{code="RESOURCE_EXHAUSTED",method="GetTimeline"} 1.0' in told
    slow.gate.set()


def test_what_waited_too_long_is_refused_though_all_threads_hang(slow: Slow) -> None:
    slow.gate.clear()
    began, calls = time.monotonic(), slow.burst(6)
    assert within(5, lambda: sum(call.done() for call in calls) == 4)
    assert 0.6 < time.monotonic() - began < 4
    slow.gate.set()
    assert sorted(code.name for code in codes(calls)) == ["OK"] * 2 + ["RESOURCE_EXHAUSTED"] * 4


def test_quality_falls_where_reads_wait_before_any_is_refused_and_comes_back(slow: Slow) -> None:
    assert slow.pressure.quality() == 1
    calls = slow.crowd(0.15)
    assert within(5, lambda: slow.pressure.quality() < 0.7)
    slow.gate.set()
    assert {*codes(calls)} == {grpc.StatusCode.OK}
    assert within(5, lambda: slow.pressure.quality() == 1)


def test_the_client_comes_again_when_it_is_told(slow: Slow) -> None:
    crowd = slow.burst(40)
    with feedrank.Client(slow.address) as client:
        assert client.timeline("ana", timeout=5).request_id == "r"
    assert BUSY in codes(crowd)


def test_the_client_gives_up_when_its_time_would_be_over(slow: Slow) -> None:
    slow.crowd(0.4)
    with feedrank.Client(slow.address) as client, pytest.raises(feedrank.ResourceExhausted):
        client.timeline("ana", timeout=0.05)


def test_what_waits_is_bounded_in_number() -> None:
    with serving(wait_ms=60_000.0, waiting_calls=5) as slow:
        slow.gate.clear()
        calls = slow.burst(30)
        assert within(5, lambda: sum(call.done() for call in calls) == 23)
        slow.gate.set()
        assert codes(calls).count(BUSY) == 23


def test_its_threads_end_with_it() -> None:
    with serving() as slow:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: slow.call().result(), range(4)))
        assert {"admission", "rpc_0"} <= {one.name for one in threading.enumerate()}
    names = ("admission", "rpc_0", "rpc_1")
    assert within(5, lambda: not [one for one in threading.enumerate() if one.name in names])


def test_calls_that_come_together_have_a_thread_each() -> None:
    admission = Admission(ServerSettings(), Metrics(), Pressure(2, 1.0))
    began, gate = threading.Semaphore(0), threading.Event()

    def call() -> None:
        began.release()
        gate.wait(5)

    gate.set()
    admission.pool.submit(call)  # after it a thread waits for the next
    assert began.acquire(timeout=5)
    gate.clear()
    for _ in range(3):
        admission.pool.submit(call)
    assert all(began.acquire(timeout=5) for _ in range(3))
    gate.set()
    admission.close()
