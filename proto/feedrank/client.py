"""The client, for threads and for asyncio: `Client` and `AsyncClient` have the same calls.

What a call asks and makes of the answer stands in calls.py, once for both; how it is sent stands here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import cached_property, wraps
from types import TracebackType
from typing import Any, ClassVar, Generic, ParamSpec, Self, TypeVar, overload

import grpc
import grpc.aio
from google.protobuf.message import Message

from feedrank import calls
from feedrank.batches import Written, cut, cut_async
from feedrank.calls import Ask, Call
from feedrank.channel import RPCS, STREAM, options
from feedrank.errors import Error, translated
from feedrank.identity import Identity
from feedrank.patience import Patience, of_page
from feedrank.v1.feed_pb2 import GetTimelineResponse
from feedrank.v1.ingest_pb2 import StreamEventsRequest, StreamEventsResponse
from feedrank.v1.types_pb2 import Event

P = ParamSpec("P")
R = TypeVar("R")

TARGET = "localhost:50051"


class Method(Generic[P, R]):
    """A call as a client's method: it returns the result, and a coroutine of it on the AsyncClient."""

    def __init__(self, call: Callable[P, Call[R]]) -> None:
        self.call = call

    @overload
    def __get__(self, client: None, owner: type[object]) -> Callable[P, Call[R]]: ...
    @overload
    def __get__(self, client: Client, owner: type[object]) -> Callable[P, R]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type[object]) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, client: Client | AsyncClient | None, owner: type[object]) -> Callable[P, Any]:
        if client is None:
            return self.call

        @wraps(self.call)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.run(self.call(*args, **kwargs))

        return method


class Pages(Generic[P]):
    """Page after page of a timeline, as an iterator; an asynchronous one on the AsyncClient."""

    def __init__(self, timeline: Callable[P, Call[GetTimelineResponse]]) -> None:
        self.timeline = timeline

    @overload
    def __get__(self, client: None, owner: type[object]) -> Callable[P, Call[GetTimelineResponse]]: ...
    @overload
    def __get__(self, client: Client, owner: type[object]) -> Callable[P, Iterator[GetTimelineResponse]]: ...
    @overload
    def __get__(
        self, client: AsyncClient, owner: type[object]
    ) -> Callable[P, AsyncIterator[GetTimelineResponse]]: ...
    def __get__(self, client: Client | AsyncClient | None, owner: type[object]) -> Callable[P, Any]:
        if client is None:
            return self.timeline

        @wraps(self.timeline)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            def page_at(cursor: str) -> Call[GetTimelineResponse]:
                kwargs["cursor"] = cursor or kwargs.get("cursor", "")
                return self.timeline(*args, **kwargs)

            return client.run_pages(page_at)

        return method


class Calls:
    """What both clients have: a channel, and the calls; calls.py says what each takes and returns."""

    timeline = Method(calls.timeline)
    pages = Pages(calls.timeline)
    rank_posts = Method(calls.rank_posts)
    similar_posts = Method(calls.similar_posts)
    search_posts = Method(calls.search_posts)
    explain_post = Method(calls.explain_post)

    put_posts = Method(calls.put_posts)
    delete_posts = Method(calls.delete_posts)
    put_users = Method(calls.put_users)
    put_relations = Method(calls.put_relations)
    record_events = Method(calls.record_events)

    set_preferences = Method(calls.set_preferences)
    get_preferences = Method(calls.get_preferences)
    reset_profile = Method(calls.reset_profile)

    erase_user = Method(calls.erase_user)
    export_user = Method(calls.export_user)

    status = Method(calls.status)
    list_models = Method(calls.list_models)
    activate_model = Method(calls.activate_model)
    rollback_model = Method(calls.rollback_model)
    set_shadow_model = Method(calls.set_shadow_model)
    start_experiment = Method(calls.start_experiment)
    stop_experiment = Method(calls.stop_experiment)
    get_experiment = Method(calls.get_experiment)
    take_snapshot = Method(calls.take_snapshot)

    _grpc: ClassVar[Any]
    """gRPC, or its half for asyncio: both make channels in the same way."""

    def __init__(
        self,
        target: str = TARGET,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        self._target = target
        self._identity = Identity.told(token, ca, certificate, key)
        self._credentials = self._identity.credentials(target, credentials)
        self._open()

    def _open(self) -> None:
        """Left to the first call, or done now."""

    @cached_property
    def _channel(self) -> Any:
        if self._credentials is None:
            return self._grpc.insecure_channel(self._target, options())
        return self._grpc.secure_channel(self._target, self._credentials, options())

    @cached_property
    def _unary(self) -> dict[type[Message], Callable[..., Any]]:
        return {
            request: self._channel.unary_unary(rpc.path, request.SerializeToString, rpc.answer.FromString)
            for request, rpc in RPCS.items()
            if not rpc.streams
        }

    def _sent(self, ask: Ask, timeout_s: float) -> Any:
        """The answer, or on the AsyncClient what is awaited for it."""
        metadata = (*(self._identity.metadata() or ()), *of_page(ask.request)) or None
        return self._unary[type(ask.request)](ask.request, timeout=timeout_s, metadata=metadata)

    def _streamed(self, requests: Any, timeout_s: float | None) -> Any:
        """The answer to a stream of batches, or on the AsyncClient what is awaited for it."""
        stream = self._channel.stream_unary(
            RPCS[StreamEventsRequest].path,
            StreamEventsRequest.SerializeToString,
            StreamEventsResponse.FromString,
        )
        timeout_s = STREAM.timeout_s if timeout_s is None else timeout_s
        return stream(requests, timeout=timeout_s, metadata=self._identity.metadata())


class Client(Calls):
    """A client for threads: one for the whole process, safe to share, connected at the first call.

    `target` is "host:port" or "unix:/path". `token`, `ca`, `certificate` and `key` say who it is to the
    server, and whom it trusts (`feedrank.identity`); left out they are FEEDRANK_TOKEN, FEEDRANK_CA and so on.
    With files, or with `credentials` of gRPC's own, it speaks TLS. What goes wrong with a call is a
    feedrank.Error. Use it as a context manager, or close it.

    >>> with Client("unix:/run/feedrank.sock") as client:
    ...     client.timeline  # doctest: +ELLIPSIS
    <function timeline at ...>
    """

    _grpc: ClassVar[Any] = grpc

    def _open(self) -> None:
        _ = self._unary  # threads whose first calls come together must not make two channels

    def stream_events(self, events: Iterable[Event], *, timeout: float | None = None) -> Written:
        """Sends any number of events over one stream, without waiting between batches.

        It is never repeated by itself. When `events` raises, what came before is recorded, and the exception
        goes on to the caller.
        """
        failures: list[Exception] = []
        with translated():
            answer = self._streamed(_stream(events, failures), timeout)
        if failures:
            raise failures[0]
        return calls.stream_result(answer)

    def run(self, call: Call[R]) -> R:
        """Sends what the call asks for until it has its result."""
        try:
            ask = next(call)
            while True:
                ask = call.send(self._answer(ask, call))
        except StopIteration as end:
            result: R = end.value
            return result

    def run_pages(self, page_at: Callable[[str], Call[GetTimelineResponse]]) -> Iterator[GetTimelineResponse]:
        """Page after page; `page_at` gives the call for a cursor, the first one for an empty one."""
        page = self.run(page_at(""))
        yield page
        while page.cursor:
            page = self.run(page_at(page.cursor))
            yield page

    def close(self) -> None:
        """Ends the connection; running calls end with CANCELLED."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, ask: Ask, call: Call[R]) -> Message:
        patience = Patience(_timeout_s(ask))
        while True:
            try:
                with translated():
                    answer: Message = self._sent(ask, patience.left_s)
                    return answer
            except Error as error:
                time.sleep(_wait_s(patience, error, call))


class AsyncClient(Calls):
    """The client for asyncio: the same calls, awaited; `pages` is for `async for`.

    It belongs to the event loop of its first call. Arguments and errors are those of `Client`.
    """

    # Its channel is made at the first call: it belongs to the running loop, which often begins later.
    _grpc: ClassVar[Any] = grpc.aio

    async def stream_events(
        self, events: Iterable[Event] | AsyncIterable[Event], *, timeout: float | None = None
    ) -> Written:
        """Sends any number of events over one stream, without waiting between batches.

        It is never repeated by itself. When `events` raises, what came before is recorded, and the exception
        goes on to the caller.
        """
        failures: list[Exception] = []
        with translated():
            answer = await self._streamed(_stream_async(events, failures), timeout)
        if failures:
            raise failures[0]
        return calls.stream_result(answer)

    async def run(self, call: Call[R]) -> R:
        """Sends what the call asks for until it has its result."""
        try:
            ask = next(call)
            while True:
                ask = call.send(await self._answer(ask, call))
        except StopIteration as end:
            result: R = end.value
            return result

    async def run_pages(
        self, page_at: Callable[[str], Call[GetTimelineResponse]]
    ) -> AsyncIterator[GetTimelineResponse]:
        """Page after page; `page_at` gives the call for a cursor, the first one for an empty one."""
        page = await self.run(page_at(""))
        yield page
        while page.cursor:
            page = await self.run(page_at(page.cursor))
            yield page

    async def close(self) -> None:
        """Ends the connection; running calls are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _answer(self, ask: Ask, call: Call[R]) -> Message:
        patience = Patience(_timeout_s(ask))
        while True:
            try:
                with translated():
                    answer: Message = await self._sent(ask, patience.left_s)
                    return answer
            except Error as error:
                await asyncio.sleep(_wait_s(patience, error, call))


def _timeout_s(ask: Ask) -> float:
    return RPCS[type(ask.request)].manner.timeout_s if ask.timeout_s is None else ask.timeout_s


def _wait_s(patience: Patience, error: Error, call: Call[Any]) -> float:
    """Seconds until a call is made again; raises the error where it has failed."""
    wait_s = patience.wait_s(error)
    if wait_s is None:
        call.throw(error)  # the call may know more: how much of a batch was written
        raise error
    return wait_s


def _stream(events: Iterable[Event], failures: list[Exception]) -> Iterator[StreamEventsRequest]:
    try:
        for batch in cut(events):
            yield calls.stream_batch(batch)
    except Exception as failure:
        # gRPC reads a stream in a thread of its own, where the caller's exception would be lost.
        failures.append(failure)


async def _stream_async(
    events: Iterable[Event] | AsyncIterable[Event], failures: list[Exception]
) -> AsyncIterator[StreamEventsRequest]:
    try:
        if isinstance(events, AsyncIterable):
            async for batch in cut_async(events):
                yield calls.stream_batch(batch)
        else:
            for batch in cut(events):
                yield calls.stream_batch(batch)
    except Exception as failure:
        # gRPC reads a stream in a task of its own, where the caller's exception would be lost.
        failures.append(failure)
