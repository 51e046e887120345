"""The client, for threads and for asyncio: `Client` and `AsyncClient` have the same calls.

What a call asks and makes of the answer stands in calls.py, once for both; how it is sent stands here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import cached_property, wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

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
    """The calls that both clients have; calls.py says what each takes and returns."""

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
        self._identity = Identity.told(token, ca, certificate, key)
        credentials = self._identity.credentials(target, credentials)
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options())
        else:
            self._channel = grpc.secure_channel(target, credentials, options())
        self._unary = {
            request: self._channel.unary_unary(rpc.path, request.SerializeToString, rpc.answer.FromString)
            for request, rpc in RPCS.items()
            if not rpc.streams
        }

    def stream_events(self, events: Iterable[Event], *, timeout: float | None = None) -> Written:
        """Sends any number of events over one stream, without waiting between batches.

        It is never repeated by itself. When `events` raises, what came before is recorded, and the exception
        goes on to the caller.
        """
        failures: list[Exception] = []
        rpc = RPCS[StreamEventsRequest]
        stream = self._channel.stream_unary(
            rpc.path, StreamEventsRequest.SerializeToString, StreamEventsResponse.FromString
        )
        with translated():
            answer = stream(
                _stream(events, failures),
                timeout=STREAM.timeout_s if timeout is None else timeout,
                metadata=self._identity.metadata(),
            )
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
            metadata = (*(self._identity.metadata() or ()), *of_page(ask.request)) or None
            try:
                with translated():
                    return self._unary[type(ask.request)](
                        ask.request, timeout=patience.left_s, metadata=metadata
                    )
            except Error as error:
                wait_s = patience.wait_s(error)
                if wait_s is None:
                    # The call may know more: how much of a batch was written.
                    call.throw(error)
                    raise
                time.sleep(wait_s)


class AsyncClient(Calls):
    """The client for asyncio: the same calls, awaited; `pages` is for `async for`.

    It belongs to the event loop of its first call. Arguments and errors are those of `Client`.
    """

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

    async def stream_events(
        self, events: Iterable[Event] | AsyncIterable[Event], *, timeout: float | None = None
    ) -> Written:
        """Sends any number of events over one stream, without waiting between batches.

        It is never repeated by itself. When `events` raises, what came before is recorded, and the exception
        goes on to the caller.
        """
        failures: list[Exception] = []
        rpc = RPCS[StreamEventsRequest]
        stream = self._channel.stream_unary(
            rpc.path, StreamEventsRequest.SerializeToString, StreamEventsResponse.FromString
        )
        with translated():
            answer = await stream(
                _stream_async(events, failures),
                timeout=STREAM.timeout_s if timeout is None else timeout,
                metadata=self._identity.metadata(),
            )
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

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Made at the first call: gRPC ties a channel to the running loop, and clients are often made before.
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._target, options())
        return grpc.aio.secure_channel(self._target, self._credentials, options())

    @cached_property
    def _unary(self) -> dict[type[Message], grpc.aio.UnaryUnaryMultiCallable[Message, Message]]:
        return {
            request: self._channel.unary_unary(rpc.path, request.SerializeToString, rpc.answer.FromString)
            for request, rpc in RPCS.items()
            if not rpc.streams
        }

    async def _answer(self, ask: Ask, call: Call[R]) -> Message:
        patience = Patience(_timeout_s(ask))
        while True:
            metadata = (*(self._identity.metadata() or ()), *of_page(ask.request)) or None
            try:
                with translated():
                    return await self._unary[type(ask.request)](
                        ask.request, timeout=patience.left_s, metadata=metadata
                    )
            except Error as error:
                wait_s = patience.wait_s(error)
                if wait_s is None:
                    # The call may know more: how much of a batch was written.
                    call.throw(error)
                    raise
                await asyncio.sleep(wait_s)


def _timeout_s(ask: Ask) -> float:
    return RPCS[type(ask.request)].manner.timeout_s if ask.timeout_s is None else ask.timeout_s


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
