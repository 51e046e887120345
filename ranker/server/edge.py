"""The edge: one interceptor that turns errors into codes, logs each call and counts it."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from ranker.errors import FeedrankError
from ranker.metrics import Metrics

log = structlog.get_logger()

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic only in its stubs

Method = Callable[[Any, grpc.ServicerContext], Any] | None


class Edge(grpc.ServerInterceptor):
    """Wraps every method. What a caller sees of an error: its code, its sentence, a word in the trailers."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

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
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._wrapped(name, handler.stream_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._wrapped(name, handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _wrapped(self, name: str, method: Method) -> Callable[[Any, grpc.ServicerContext], Any]:
        assert method is not None

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
                _abort(context, code, str(error), trailers)
            except Exception:
                code = "INTERNAL"
                incident = uuid.uuid4().hex[:12]
                log.exception("internal_error", method=name, incident=incident)
                _abort(context, code, f"something went wrong here; the log has it as {incident}", [])
            finally:
                self._observe(name, code, time.perf_counter() - began)

        return call

    def _observe(self, name: str, code: str, seconds: float) -> None:
        self._metrics.requests.labels(name, code).inc()
        self._metrics.request_seconds.labels(name).observe(seconds)
        log.debug("call", method=name, code=code, ms=round(1000 * seconds, 2))


def _abort(context: grpc.ServicerContext, code: str, message: str, trailers: list[tuple[str, str]]) -> None:
    context.set_trailing_metadata(tuple(trailers))
    context.abort(grpc.StatusCode[code], message)
