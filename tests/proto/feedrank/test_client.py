"""Both clients over a real gRPC channel; the service at its other end only records what it is sent."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import feedrank
import grpc
import pytest
from feedrank import AsyncClient, Client, Event, Post, RankedPost, RejectedRow
from feedrank.calls import stream_result
from feedrank.channel import ONCE, READ, WRITE
from feedrank.v1.admin_pb2 import ActivateModelResponse, StatusResponse
from feedrank.v1.admin_pb2_grpc import AdminServicer, add_AdminServicer_to_server
from feedrank.v1.controls_pb2 import GetPreferencesResponse, SetPreferencesResponse
from feedrank.v1.controls_pb2_grpc import ControlsServicer, add_ControlsServicer_to_server
from feedrank.v1.feed_pb2 import GetTimelineResponse
from feedrank.v1.feed_pb2_grpc import FeedServicer, add_FeedServicer_to_server
from feedrank.v1.ingest_pb2 import (
    DeletePostsResponse,
    PutPostsResponse,
    RecordEventsResponse,
    StreamEventsResponse,
)
from feedrank.v1.ingest_pb2_grpc import IngestServicer, add_IngestServicer_to_server
from feedrank.v1.types_pb2 import WriteResult

Trailers: TypeAlias = tuple[tuple[str, str], ...]
# Makes a call on the client under test and gives its result.
Make: TypeAlias = Callable[[Callable[[Any], Any]], Any]


class Recorder(FeedServicer, IngestServicer, ControlsServicer, AdminServicer):
    """Keeps requests and deadlines; fails as `failures` says, and rejects posts without an author."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.deadlines_s: list[float] = []
        self.failures: deque[tuple[grpc.StatusCode, Trailers]] = deque()
        self.delay_s = 0.0

    def take(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.deadlines_s.append(context.time_remaining())
        if self.failures:
            code, trailers = self.failures.popleft()
            context.set_trailing_metadata(trailers)
            context.abort(code, "That went wrong.")
        time.sleep(self.delay_s)

    def GetTimeline(self, request: Any, context: Any) -> GetTimelineResponse:  # noqa: N802
        self.take(request, context)
        page = int(request.cursor or 0)
        posts = [RankedPost(post_id=f"post-{page}", position=page)]
        return GetTimelineResponse(posts=posts, cursor=str(page + 1) if page < 2 else "")

    def PutPosts(self, request: Any, context: Any) -> PutPostsResponse:  # noqa: N802
        self.take(request, context)
        bad = [
            RejectedRow(index=index, code="missing", field="author_id", message="Give the author.")
            for index, post in enumerate(request.posts)
            if not post.author_id
        ]
        return PutPostsResponse(result=self.result(len(request.posts) - len(bad), bad))

    def DeletePosts(self, request: Any, context: Any) -> DeletePostsResponse:  # noqa: N802
        self.take(request, context)
        return DeletePostsResponse(result=self.result(len(request.post_ids)))

    def RecordEvents(self, request: Any, context: Any) -> RecordEventsResponse:  # noqa: N802
        self.take(request, context)
        return RecordEventsResponse(result=self.result(len(request.events)))

    def StreamEvents(self, request_iterator: Any, context: Any) -> StreamEventsResponse:  # noqa: N802
        for request in request_iterator:
            self.take(request, context)
        return StreamEventsResponse(result=self.result(sum(len(request.events) for request in self.requests)))

    def GetPreferences(self, request: Any, context: Any) -> GetPreferencesResponse:  # noqa: N802
        self.take(request, context)
        return GetPreferencesResponse(preferences=feedrank.Preferences(muted_words=["spoiler"]))

    def SetPreferences(self, request: Any, context: Any) -> SetPreferencesResponse:  # noqa: N802
        self.take(request, context)
        return SetPreferencesResponse(result=self.result(1))

    def Status(self, request: Any, context: Any) -> StatusResponse:  # noqa: N802
        self.take(request, context)
        return StatusResponse(version="1")

    def ActivateModel(self, request: Any, context: Any) -> ActivateModelResponse:  # noqa: N802
        self.take(request, context)
        return ActivateModelResponse(previous_version="prior")

    def result(self, accepted: int, rejected: list[RejectedRow] | None = None) -> WriteResult:
        entry_id = f"{len(self.requests)}-0" if accepted else ""
        return WriteResult(accepted=accepted, rejected=rejected, entry_id=entry_id, visible=bool(accepted))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()  # type: ignore[abstract]  # the calls that are left out answer UNIMPLEMENTED


@pytest.fixture
def target(recorder: Recorder, tmp_path: Path) -> Iterator[str]:
    server = serve(recorder, f"unix:{tmp_path}/s")
    yield f"unix:{tmp_path}/s"
    server.stop(None).wait()


def serve(recorder: Recorder, address: str, after_s: float = 0.0) -> grpc.Server:
    time.sleep(after_s)
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 * 2**20)])
    add_FeedServicer_to_server(recorder, server)
    add_IngestServicer_to_server(recorder, server)
    add_ControlsServicer_to_server(recorder, server)
    add_AdminServicer_to_server(recorder, server)
    server.add_insecure_port(address)
    server.start()
    return server


@pytest.fixture(params=["Client", "AsyncClient"])
def make(request: pytest.FixtureRequest, target: str) -> Make:
    """Makes a call with the one client or the other: every test that asks for it holds for both."""
    return made_by(request.param, target)


def made_by(kind: str, target: str) -> Make:
    def synchronous(call: Callable[[Any], Any]) -> Any:
        with Client(target) as client:
            made = call(client)
            return list(made) if isinstance(made, Iterator) else made

    async def asynchronous(call: Callable[[Any], Any]) -> Any:
        async with AsyncClient(target) as client:
            made = call(client)
            return [page async for page in made] if isinstance(made, AsyncIterator) else await made

    return synchronous if kind == "Client" else lambda call: asyncio.run(asynchronous(call))


def posts(count: int) -> list[Post]:
    return [Post(id=f"p{index}", author_id="ben", text="A walk.") for index in range(count)]


UNAVAILABLE: tuple[grpc.StatusCode, Trailers] = (grpc.StatusCode.UNAVAILABLE, ())


def test_a_timeline_is_the_contracts_answer(make: Make, recorder: Recorder) -> None:
    page = make(lambda client: client.timeline("ana", surface="following", size=5))
    assert [post.post_id for post in page.posts] == ["post-0"]
    [request] = recorder.requests
    assert (request.viewer_id, request.size) == ("ana", 5)
    assert request.surface == feedrank.Surface.SURFACE_FOLLOWING


def test_pages_follow_the_cursor_to_its_end(make: Make, recorder: Recorder) -> None:
    pages = make(lambda client: client.pages("ana", size=1))
    assert [page.posts[0].position for page in pages] == [0, 1, 2]
    assert [request.cursor for request in recorder.requests] == ["", "1", "2"]


def test_pages_start_at_the_cursor_that_is_given(make: Make, recorder: Recorder) -> None:
    assert len(make(lambda client: client.pages("ana", cursor="1"))) == 2
    assert [request.cursor for request in recorder.requests] == ["1", "2"]


def test_preferences_come_back_as_a_message(make: Make) -> None:
    assert make(lambda client: client.get_preferences("ana")).muted_words == ["spoiler"]


def test_preferences_are_written_as_one_row(make: Make) -> None:
    written = make(lambda client: client.set_preferences("ana", feedrank.Preferences()))
    assert (written.rows, written.accepted, written.visible) == (1, 1, True)


def test_a_call_without_a_timeout_has_the_deadline_of_its_kind(make: Make, recorder: Recorder) -> None:
    make(lambda client: client.status())
    make(lambda client: client.put_posts(posts(1)))
    make(lambda client: client.activate_model("prior"))
    assert recorder.deadlines_s == pytest.approx([READ.timeout_s, WRITE.timeout_s, ONCE.timeout_s], abs=0.5)


def test_a_late_answer_is_deadline_exceeded_at_the_callers_timeout(make: Make, recorder: Recorder) -> None:
    recorder.delay_s = 1
    start = time.monotonic()
    with pytest.raises(feedrank.DeadlineExceeded, match="longer timeout"):
        make(lambda client: client.timeline("ana", timeout=0.1))
    assert time.monotonic() - start < 0.9


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.timeline("ana"),
        lambda client: client.put_posts(posts(1)),
        lambda client: client.record_events([Event(viewer_id="ana")]),
    ],
    ids=["read", "write", "events"],
)
def test_reads_and_writes_are_repeated_while_the_server_is_unavailable(
    call: Callable[[Any], Any], make: Make, recorder: Recorder
) -> None:
    recorder.failures.extend([UNAVAILABLE, UNAVAILABLE])
    make(call)
    assert len(recorder.requests) == 3


def test_a_full_batch_is_repeated_too(make: Make, recorder: Recorder) -> None:
    recorder.failures.append(UNAVAILABLE)
    written = make(lambda client: client.put_posts([Post(id="p", author_id="ben", text="x" * 3_900_000)]))
    assert (written.accepted, len(recorder.requests)) == (1, 2)


def test_activating_a_model_is_not_repeated(make: Make, recorder: Recorder) -> None:
    recorder.failures.append(UNAVAILABLE)
    with pytest.raises(feedrank.Unavailable):
        make(lambda client: client.activate_model("2026-11"))
    assert len(recorder.requests) == 1


def test_a_wrong_argument_is_not_repeated(make: Make, recorder: Recorder) -> None:
    recorder.failures.append((grpc.StatusCode.INVALID_ARGUMENT, ()))
    with pytest.raises(feedrank.InvalidArgument):
        make(lambda client: client.timeline(""))
    assert len(recorder.requests) == 1


def test_retries_end_at_the_deadline(make: Make, recorder: Recorder) -> None:
    recorder.failures.extend([UNAVAILABLE] * 9)
    start = time.monotonic()
    with pytest.raises((feedrank.DeadlineExceeded, feedrank.Unavailable)):
        make(lambda client: client.put_posts(posts(1), timeout=0.2))
    assert time.monotonic() - start < 0.9


def test_retries_end_after_five_attempts(make: Make, recorder: Recorder) -> None:
    recorder.failures.extend([UNAVAILABLE] * 9)
    with pytest.raises(feedrank.Unavailable):
        make(lambda client: client.status())
    assert len(recorder.requests) == 5


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_write_waits_for_a_server_that_starts_a_little_later(kind: str, tmp_path: Path) -> None:
    recorder = Recorder()  # type: ignore[abstract]
    with ThreadPoolExecutor(1) as thread:
        started = thread.submit(serve, recorder, f"unix:{tmp_path}/s", after_s=0.4)
        written = made_by(kind, f"unix:{tmp_path}/s")(lambda client: client.put_posts(posts(1)))
    assert written.accepted == 1
    started.result().stop(None).wait()


def test_rows_are_sent_a_thousand_at_a_time(make: Make, recorder: Recorder) -> None:
    written = make(lambda client: client.put_posts(iter(posts(2_500))))
    assert [len(request.posts) for request in recorder.requests] == [1_000, 1_000, 500]
    assert (written.rows, written.accepted, written.visible) == (2_500, 2_500, True)
    assert written.entry_ids == ("1-0", "2-0", "3-0")
    assert written.entry_id == "3-0"


def test_ids_are_rows_too(make: Make, recorder: Recorder) -> None:
    assert make(lambda client: client.delete_posts(f"p{i}" for i in range(1_001))).accepted == 1_001
    assert [len(request.post_ids) for request in recorder.requests] == [1_000, 1]


def test_rejected_rows_are_numbered_as_the_caller_gave_them(make: Make) -> None:
    rows = posts(2_500)
    for index in (3, 1_000, 2_499):
        rows[index].author_id = ""
    written = make(lambda client: client.put_posts(rows))
    assert [row.index for row in written.rejected] == [3, 1_000, 2_499]
    assert (written.rows, written.accepted, written.rejected_count) == (2_500, 2_497, 3)
    with pytest.raises(feedrank.Rejected, match=r"3 of 2500 rows .* row 3, author_id: Give the author"):
        written.raise_if_rejected()


def test_no_rows_make_no_call(make: Make, recorder: Recorder) -> None:
    assert make(lambda client: client.put_users([])) == feedrank.Written()
    assert recorder.requests == []


def test_a_batch_that_breaks_off_says_how_far_it_came(make: Make, recorder: Recorder) -> None:
    refused = (grpc.StatusCode.RESOURCE_EXHAUSTED, ())

    def rows() -> Iterator[Post]:
        yield from posts(1_500)
        recorder.failures.append(refused)
        yield from posts(1_000)

    with pytest.raises(feedrank.ResourceExhausted) as caught:
        make(lambda client: client.put_posts(rows()))
    assert caught.value.written is not None
    assert caught.value.written.rows == 1_000


def test_a_single_id_in_place_of_a_list_is_refused(make: Make) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        make(lambda client: client.delete_posts("post-1"))


def test_events_without_an_id_get_one_that_a_retry_keeps(make: Make, recorder: Recorder) -> None:
    recorder.failures.append(UNAVAILABLE)
    given = [Event(viewer_id="ana"), Event(viewer_id="ana", event_id="mine")]
    make(lambda client: client.record_events(given))
    first, again = ([event.event_id for event in request.events] for request in recorder.requests)
    assert len(first[0]) == 36
    assert first[1] == "mine"
    assert first == again
    assert given[0].event_id == ""


def test_a_stream_sends_all_its_batches(make: Make, recorder: Recorder) -> None:
    written = make(lambda client: client.stream_events(Event(viewer_id="ana") for _ in range(2_500)))
    assert [len(request.events) for request in recorder.requests] == [1_000, 1_000, 500]
    assert all(event.event_id for request in recorder.requests for event in request.events)
    assert written.accepted == 2_500


def test_a_stream_takes_events_that_arrive_over_time(target: str) -> None:
    async def arriving() -> AsyncIterator[Event]:
        for _ in range(1_200):
            yield Event(viewer_id="ana")

    written = made_by("AsyncClient", target)(lambda client: client.stream_events(arriving()))
    assert written.accepted == 1_200


def test_a_stream_hands_on_the_exception_of_its_events(make: Make, recorder: Recorder) -> None:
    def events() -> Iterator[Event]:
        yield from [Event(viewer_id="ana")] * 1_001
        raise KeyError("row 1,001")

    with pytest.raises(KeyError, match="row 1,001"):
        make(lambda client: client.stream_events(events()))
    assert [len(request.events) for request in recorder.requests] == [1_000]


def test_a_stream_counts_rejected_rows_that_are_not_named() -> None:
    answer = StreamEventsResponse(result=WriteResult(accepted=5), rejected_count=2_000)
    assert (stream_result(answer).rows, stream_result(answer).rejected_count) == (2_005, 2_000)


def test_a_wrong_argument_names_its_field(make: Make, recorder: Recorder) -> None:
    trailers = (("feedrank-error", "out_of_range"), ("feedrank-field", "size"))
    recorder.failures.append((grpc.StatusCode.INVALID_ARGUMENT, trailers))
    with pytest.raises(feedrank.InvalidArgument, match="That went wrong") as caught:
        make(lambda client: client.timeline("ana", size=900))
    assert (caught.value.field, caught.value.word) == ("size", "out_of_range")
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_an_expired_cursor_is_an_error_of_its_own(make: Make, recorder: Recorder) -> None:
    trailers = (("feedrank-error", "cursor_expired"),)
    recorder.failures.append((grpc.StatusCode.FAILED_PRECONDITION, trailers))
    with pytest.raises(feedrank.CursorExpired):
        make(lambda client: client.timeline("ana", cursor="old"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, feedrank.NotFound),
        (grpc.StatusCode.FAILED_PRECONDITION, feedrank.FailedPrecondition),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, feedrank.ResourceExhausted),
        (grpc.StatusCode.UNIMPLEMENTED, feedrank.Unimplemented),
        (grpc.StatusCode.INTERNAL, feedrank.Error),
    ],
)
def test_a_status_becomes_its_error(
    code: grpc.StatusCode, kind: type[feedrank.Error], make: Make, recorder: Recorder
) -> None:
    recorder.failures.append((code, ()))
    with pytest.raises(feedrank.Error) as caught:
        make(lambda client: client.status())
    assert (type(caught.value), caught.value.code) == (kind, code)


def test_a_call_that_is_not_built_yet_is_unimplemented(make: Make) -> None:
    with pytest.raises(feedrank.Unimplemented):
        make(lambda client: client.search_posts("walks by the sea"))


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_target_without_a_server_is_unavailable_and_says_what_to_check(kind: str, tmp_path: Path) -> None:
    with pytest.raises(feedrank.Unavailable, match="Check that feedrank runs"):
        made_by(kind, f"unix:{tmp_path}/none")(lambda client: client.status())


def test_an_unknown_name_is_refused_before_anything_is_sent(make: Make, recorder: Recorder) -> None:
    with pytest.raises(feedrank.InvalidArgument, match="give for_you, following"):
        make(lambda client: client.timeline("ana", surface="home"))
    assert recorder.requests == []


def test_a_client_reaches_a_host_and_port() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    add_AdminServicer_to_server(Recorder(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("localhost:0")
    server.start()
    with Client(f"localhost:{port}") as client:
        assert client.status().version == "1"
    server.stop(None).wait()


def test_threads_share_a_client(target: str, recorder: Recorder) -> None:
    with Client(target) as client, ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda _: client.put_posts(posts(10)).accepted, range(20)))
    assert written == [10] * 20
    assert len(recorder.requests) == 20


def test_an_async_client_may_be_made_before_the_loop_runs(target: str) -> None:
    client = AsyncClient(target)

    async def use() -> str:
        async with client:
            return (await client.status()).version

    assert asyncio.run(use()) == "1"


def test_calls_of_an_async_client_run_at_the_same_time(target: str, recorder: Recorder) -> None:
    recorder.delay_s = 0.5

    async def use() -> None:
        async with AsyncClient(target) as client:
            await asyncio.gather(*(client.status() for _ in range(4)))

    start = time.monotonic()
    asyncio.run(use())
    assert time.monotonic() - start < 1.5


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(kind: type[object]) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in found if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)
    assert len(methods(Client)) > 20


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    heavy = {"numpy", "faiss", "torch", "numba", "redis", "ranker", "embeddings", "pydantic"}
    program = f"import sys, feedrank; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_types_of_both_clients_are_those_of_the_results(tmp_path: Path) -> None:
    use = tmp_path / "use.py"
    use.write_text("""
from typing import assert_type
import feedrank
async def use(c: feedrank.Client, a: feedrank.AsyncClient) -> None:
    assert_type(c.status(), feedrank.StatusResponse)
    assert_type(await a.status(), feedrank.StatusResponse)
    assert_type(c.put_posts([feedrank.Post()]), feedrank.Written)
    assert_type(await a.put_posts([feedrank.Post()]), feedrank.Written)
    assert_type([page.cursor async for page in a.pages("ana")], list[str])
    c.timeline("ana", sise=5)  # type: ignore[call-arg]
""")
    mypy = [sys.executable, "-m", "mypy", str(use)]
    run = subprocess.run(mypy, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert run.returncode == 0, run.stdout
