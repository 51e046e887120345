"""Calls that another worker has to answer are passed on to it, as bytes both ways.

A connection stays with the worker that took it, and a caller may have several. So the next page of a session
may be asked of a worker that did not begin it, and it passes the call on to the one that did. A first page is
passed on when another worker has far fewer under way: connections spread unevenly. What only the primary
does, all of Admin and Privacy, is passed on to the primary, with who asks. Each worker listens for the others
on a private Unix socket, with threads of its own: workers that wait for each other must not use each other
up.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import grpc
from feedrank.v1 import admin_pb2, feed_pb2, privacy_pb2
from google.protobuf.message import DecodeError

from ranker.access.door import caller_of
from ranker.access.tokens import private_folder
from ranker.board import PRIMARY, Board
from ranker.errors import CursorExpired, InvalidArgument
from ranker.sessions import worker_of
from ranker.sockets import private_socket

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic only in its stubs

_OF_THE_PRIMARY = (
    f"/{admin_pb2.DESCRIPTOR.services_by_name['Admin'].full_name}/",
    f"/{privacy_pb2.DESCRIPTOR.services_by_name['Privacy'].full_name}/",
)
_PAGE = f"/{feed_pb2.DESCRIPTOR.services_by_name['Feed'].full_name}/GetTimeline"
Who = tuple[tuple[str, str], ...]
"""Metadata that says who calls."""

_FOREVER_S = 1e9
_AWAY = grpc.StatusCode.UNAVAILABLE
_BACK_WITHIN_S = 1.0
_RETURNS_SOON = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 500))


def socket_of(data: Path, worker: int) -> Path:
    """Where a worker listens for the others."""
    return private_socket(private_folder(data / "workers"), f"worker-{worker}.sock")


def address_at(socket: Path) -> str:
    """What gRPC calls a socket: its path is that of an URI."""
    return f"unix:{quote(str(socket))}"


class Passing(grpc.ServerInterceptor):
    """Comes before the edge: what is passed on is counted and logged where it is answered."""

    def __init__(self, data: Path, board: Board, most_bytes: int) -> None:
        """`most_bytes`: the longest message."""
        limits = tuple((f"grpc.max_{way}_message_length", most_bytes) for way in ("send", "receive"))
        self._board = board
        self._others = {
            worker: grpc.insecure_channel(
                address_at(socket_of(data, worker)), options=(*limits, *_RETURNS_SOON)
            )
            for worker in range(board.workers)
            if worker != board.worker
        }

    def close(self) -> None:
        """Let go of the other workers."""
        for channel in self._others.values():
            channel.close()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of a call: this worker's, or one that passes it on."""
        if details.method.startswith(_OF_THE_PRIMARY) and self._board.worker != PRIMARY:
            who = caller_of(details)
            return grpc.unary_unary_rpc_method_handler(partial(self._pass, details.method, PRIMARY, who=who))
        handler = continuation(details)
        if details.method != _PAGE or handler is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(partial(self._page, handler))

    def _page(self, handler: "Handler", content: bytes, context: grpc.ServicerContext) -> bytes:
        """The next page of a session comes from the worker that has it, the first one from the idlest."""
        of_session = _worker_of_session(content)
        worker = self._board.idlest() if of_session is None else of_session
        if worker in self._others:
            with self._board.under_way(worker):
                if of_session is not None:
                    return self._pass(_PAGE, worker, content, context)
                call = self._ask(_PAGE, worker, content, context)
                if call.code() != _AWAY:
                    return _result(call, context, _PAGE)
        assert handler.unary_unary is not None
        assert handler.response_serializer is not None
        with self._board.under_way(self._board.worker):
            return handler.response_serializer(handler.unary_unary(content, context))

    def _pass(
        self, method: str, worker: int, content: bytes, context: grpc.ServicerContext, who: Who = ()
    ) -> bytes:
        return _result(self._asked(method, worker, content, context, who), context, method)

    def _asked(
        self, method: str, worker: int, content: bytes, context: grpc.ServicerContext, who: Who
    ) -> Any:
        """A call of another worker, ended.

        A page is asked for again where the channel lags behind the board: it tries to connect now and then
        only, and the worker may be back.
        """
        call = self._ask(method, worker, content, context, who=who)
        if method != _PAGE or call.code() != _AWAY or not self._board.serves(worker):
            return call
        again = self._ask(method, worker, content, context, _BACK_WITHIN_S)
        return call if again.code() in (_AWAY, grpc.StatusCode.DEADLINE_EXCEEDED) else again

    def _ask(
        self,
        method: str,
        worker: int,
        content: bytes,
        context: grpc.ServicerContext,
        patience_s: float | None = None,
        who: Who = (),
    ) -> Any:
        """Begin a call of another worker. `patience_s`: wait for a connection; all of it takes no longer."""
        limits = [one for one in (context.time_remaining(), patience_s) if one is not None]
        timeout = min((one for one in limits if one < _FOREVER_S), default=None)
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._others[worker].unary_unary(method)
        call = ask.future(content, timeout=timeout, wait_for_ready=patience_s is not None, metadata=who)
        if not context.add_callback(partial(_give_up, call)):  # the caller hung up meanwhile
            _give_up(call)
        return call


def _worker_of_session(content: bytes) -> int | None:
    """The worker that has the session of a page; None for a first page, and for a call that can't be read."""
    try:
        cursor = feed_pb2.GetTimelineRequest.FromString(content).cursor
        return worker_of(cursor) if cursor else None
    except (DecodeError, InvalidArgument):
        return None


def _result(call: Any, context: grpc.ServicerContext, method: str) -> bytes:
    """What the other worker answered, or the end that it came to."""
    try:
        answer: bytes = call.result()
        return answer
    except grpc.FutureCancelledError:
        context.abort(grpc.StatusCode.CANCELLED, "the caller hung up")
    except grpc.RpcError:
        _abort_as(call, context, method)


def _give_up(call: "grpc.Future[bytes]") -> None:
    call.cancel()


def _abort_as(call: Any, context: grpc.ServicerContext, method: str) -> NoReturn:
    """End a call as the other worker did. A session has ended with its worker."""
    if method == _PAGE and call.code() == _AWAY:
        context.set_trailing_metadata((("feedrank-error", CursorExpired.word),))
        context.abort(
            grpc.StatusCode[CursorExpired.status], "the cursor has expired: start again without a cursor"
        )
    context.set_trailing_metadata(call.trailing_metadata() or ())
    context.abort(call.code(), call.details())
