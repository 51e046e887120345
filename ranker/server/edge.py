"""The edge: one interceptor that turns errors into codes, logs each call and counts it."""

import time
import uuid
from collections.abc import Callable, Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from ranker.errors import FeedrankError, InvalidArgument
from ranker.metrics import Metrics

log = structlog.get_logger()

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic only in its stubs

Method = Callable[[Any, grpc.ServicerContext], Any]


class _Here(ThreadPoolExecutor):
    """Runs what gRPC gives it at once, in the thread that takes calls in: for refusals."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


_HERE = _Here(1)  # it starts no thread of its own


class Edge(grpc.ServerInterceptor):
    """Wraps every method. What a caller sees of an error: its code, its sentence, a word in the trailers."""

    def __init__(self, metrics: Metrics, known: Container[str] = ()) -> None:
        """`known`: paths of RPCs; what is refused of others is counted as "unknown"."""
        self._metrics = metrics
        self._known = known

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap methods with one answer; streams of answers (reflection, health watch) pass as they are."""
        handler = continuation(details)
        if handler is None or handler.response_streaming:
            return handler
        name = details.method.rpartition("/")[2]
        # The request comes as bytes and is read within the wrapping: gRPC calls unreadable ones INTERNAL.
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._wrapped(name, _reading_stream(handler)), None, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._wrapped(name, _reading(handler)), None, handler.response_serializer
        )

    def refusing(self, method: str, error: FeedrankError) -> "Handler":
        """A handler that ends a call with an error, its content unread, without a thread of the pool."""
        name = method.rpartition("/")[2] if method in self._known else "unknown"

        def refuse(*_: Any) -> Any:
            raise error

        wrapped = self._wrapped(name, refuse)
        wrapped.experimental_thread_pool = _HERE  # type: ignore[attr-defined]  # gRPC's name for a method's pool
        return grpc.stream_unary_rpc_method_handler(wrapped)

    def _wrapped(self, name: str, method: Method) -> Method:
        def call(request: Any | Iterator[Any], context: grpc.ServicerContext) -> Any:
            began = time.perf_counter()
            code = "OK"
            try:
                return method(request, context)
            except FeedrankError as error:
                code = error.status
                trailers = [("feedrank-error", error.word)]
                if field := getattr(error, "field", ""):
                    trailers.append(("feedrank-field", field))
                if wait_ms := getattr(error, "retry_after_ms", 0):
                    trailers.append(("retry-after-ms", str(wait_ms)))
                _abort(context, code, str(error), trailers)
            except grpc.RpcError:  # from a stream of requests whose caller hung up
                code = "CANCELLED"
                raise
            except Exception:
                code = "INTERNAL"
                incident = uuid.uuid4().hex[:12]
                log.exception("internal_error", method=name, incident=incident)
                _abort(context, code, f"something went wrong here; the log has it as {incident}", [])
            finally:
                self._observe(name, code, time.perf_counter() - began)

        return call

    def _observe(self, name: str, code: str, seconds: float) -> None:
        self._metrics.called(name, code, seconds)
        log.debug("call", method=name, code=code, ms=round(1000 * seconds, 2))


def _reading(handler: "Handler") -> Method:
    method = handler.unary_unary
    assert method is not None
    return lambda content, context: method(_message(handler, content), context)


def _reading_stream(handler: "Handler") -> Method:
    method = handler.stream_unary
    assert method is not None
    return lambda contents, context: method((_message(handler, one) for one in contents), context)


def _message(handler: "Handler", content: bytes) -> Any:
    assert handler.request_deserializer is not None
    try:
        return handler.request_deserializer(content)
    except DecodeError as error:
        raise InvalidArgument(
            "", "the request can't be read: send the message that the contract describes"
        ) from error


def _abort(context: grpc.ServicerContext, code: str, message: str, trailers: list[tuple[str, str]]) -> None:
    context.set_trailing_metadata(tuple(trailers))
    context.abort(grpc.StatusCode[code], message)
