"""What no client of ours would send: bytes, unknown methods, calls that hang up."""

import time
from collections.abc import Iterator
from typing import Any

import feedrank
import grpc
import pytest
from feedrank.channel import RPCS
from feedrank.v1.feed_pb2 import GetTimelineRequest
from feedrank.v1.ingest_pb2 import StreamEventsRequest
from google.protobuf.message import Message

from tests.conftest import Launch, Network
from tests.live import within


def _begins_with_a_string(request: type[Message]) -> bool:
    first = request.DESCRIPTOR.fields_by_number.get(1)
    return first is not None and first.type == first.TYPE_STRING


PATHS = [rpc.path for rpc in RPCS.values()]
# A field that is longer than the message; a tag without an end.
GARBAGE = [b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 40]
NOT_UTF_8 = b"\x0a\x02\xff\xfe"
SPEAKING = [rpc.path for request, rpc in RPCS.items() if _begins_with_a_string(request)]
_STREAM = RPCS[StreamEventsRequest].path


def sent(network: Network, path: str, content: bytes) -> grpc.RpcError:
    """The error that bytes are answered with."""
    channel = network.server.channel
    unary = path != _STREAM
    call = channel.unary_unary(path) if unary else channel.stream_unary(path)
    with pytest.raises(grpc.RpcError) as refused:
        call(content if unary else iter([content]), timeout=10)
    return refused.value


@pytest.mark.parametrize("content", GARBAGE)
@pytest.mark.parametrize("path", PATHS)
def test_bytes_that_are_no_message_are_an_invalid_argument(
    network: Network, path: str, content: bytes
) -> None:
    error = sent(network, path, content)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().endswith("send the message that the contract describes")


@pytest.mark.parametrize("path", SPEAKING)
def test_a_string_that_is_not_utf_8_is_an_invalid_argument(network: Network, path: str) -> None:
    assert sent(network, path, NOT_UTF_8).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_no_message_writes_nothing_to_the_log(network: Network) -> None:
    for content in GARBAGE:
        sent(network, _STREAM, content)
    assert "Traceback" not in network.server.log
    assert not network.server.events("internal_error")


def test_a_message_above_the_cap_is_refused(network: Network) -> None:
    error = sent(network, PATHS[0], b"\0" * (17 * 2**20))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_method_is_unimplemented(network: Network) -> None:
    error = sent(network, "/feedrank.v1.Feed/Guess", b"")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.search_posts("a walk"),
        lambda client: client.reset_profile("ana"),
    ],
    ids=["SearchPosts", "ResetProfile"],
)
def test_what_is_not_built_yet_says_so(network: Network, call: Any) -> None:
    with pytest.raises(feedrank.Unimplemented, match="does not do it yet: see CHANGELOG"):
        call(network.client)


def test_a_call_without_time_ends_at_its_deadline(network: Network) -> None:
    began = time.perf_counter()
    with pytest.raises(feedrank.DeadlineExceeded):
        network.client.timeline(network.world.user_ids[0], size=200, timeout=0.0005)
    assert time.perf_counter() - began < 1


def test_a_stream_that_is_hung_up_is_no_incident(launch: Launch) -> None:
    server = launch()

    def events() -> Iterator[bytes]:
        row = feedrank.event("ana", "click", "p")
        yield StreamEventsRequest(events=[row]).SerializeToString()
        time.sleep(0.3)
        call.cancel()
        time.sleep(0.3)

    call = server.channel.stream_unary(_STREAM).future(events(), timeout=10)
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    assert within(3, lambda: 'method="StreamEvents"' in server.metrics())
    assert 'code="INTERNAL"' not in server.metrics()
    assert not server.events("internal_error")


def test_no_answer_carries_a_stack_trace(network: Network) -> None:
    for path in PATHS:
        for content in GARBAGE:
            assert "Traceback" not in sent(network, path, content).details()


def test_a_field_that_this_version_does_not_know_is_passed_over(network: Network) -> None:
    path = RPCS[GetTimelineRequest].path
    content = GetTimelineRequest(viewer_id="ana").SerializeToString() + b"\xfa\x3f\x03new"
    answer = network.server.channel.unary_unary(path)(content, timeout=10)
    assert RPCS[GetTimelineRequest].answer.FromString(answer).posts
