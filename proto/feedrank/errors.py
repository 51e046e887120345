"""What can go wrong with a call.

    Error
    ├── InvalidArgument      an argument is missing or wrong; `field` names it
    ├── NotFound             what the call names does not exist
    ├── FailedPrecondition   not now, in this state of the service
    │   └── CursorExpired    the timeline's session is over: start again without a cursor
    ├── Unauthenticated      the server does not know the caller
    ├── PermissionDenied     the caller's token lacks the role
    ├── ResourceExhausted    too much or too large: send less, or later
    ├── DeadlineExceeded     no answer within the timeout
    ├── Unavailable          no server answers there
    ├── Unimplemented        this server can't do that yet
    └── Rejected             a batch had bad rows (only from Written.raise_if_rejected)

Any other gRPC status is an `Error` with that code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, cast

import grpc

if TYPE_CHECKING:
    from feedrank.batches import Written


class Error(Exception):
    """A call that failed; the message is the server's sentence, and the repair where there is one.

    `code` is the gRPC status, `word` the server's one-word reason (empty when it gave none). `written` is
    what a call that was cut into several messages had written before it failed, so that the caller can go
    on from row `written.rows`; None for other calls.
    """

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    repair: ClassVar[str] = ""

    def __init__(self, message: str, *, code: grpc.StatusCode | None = None, word: str = "") -> None:
        super().__init__(f"{message.rstrip('.')}. {self.repair}".rstrip())
        self.code = code or self.status
        self.word = word
        self.written: Written | None = None


class InvalidArgument(Error):
    """An argument is missing or wrong; `field` is its name in the contract, or empty."""

    status = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(
        self, message: str, *, code: grpc.StatusCode | None = None, word: str = "", field: str = ""
    ) -> None:
        super().__init__(message, code=code, word=word)
        self.field = field


class NotFound(Error):
    """What the call names does not exist."""

    status = grpc.StatusCode.NOT_FOUND


class FailedPrecondition(Error):
    """The service can't do this in its present state."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class CursorExpired(FailedPrecondition):
    """The cursor's session is over: ask for a new timeline without a cursor."""


class Unauthenticated(Error):
    """The server does not know the caller: no token, an unknown or expired one, or a call made before."""

    status = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(Error):
    """The caller's token lacks the role that the call needs."""

    status = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhausted(Error):
    """The message is too large, the server has too much to do, or the caller made more calls than it may.

    `retry_after_s`: when to come again, where the server says so; else 0.
    """

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    retry_after_s: float = 0.0


class DeadlineExceeded(Error):
    """No answer within the timeout. A write may have been done all the same."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    repair = "Give the call a longer timeout, or look at the server's load."


class Unavailable(Error):
    """No server answers, also after the retries that are safe for the call."""

    status = grpc.StatusCode.UNAVAILABLE
    repair = "Check that feedrank runs and that the client's target is its address."


class Unimplemented(Error):
    """The contract has this call and the server does not: it is of another version, or not built yet."""

    status = grpc.StatusCode.UNIMPLEMENTED


class Rejected(Error):
    """Rows of a batch were not accepted: `written` names them and counts the others."""

    status = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, written: Written) -> None:
        row = written.rejected[0]
        super().__init__(
            f"{written.rejected_count} of {written.rows} rows were rejected;"
            f" the first is row {row.index}, {row.field or 'the row'}: {row.message}"
        )
        self.written = written


_BY_STATUS: dict[grpc.StatusCode, type[Error]] = {
    leaf.status: leaf
    for leaf in (
        NotFound,
        FailedPrecondition,
        Unauthenticated,
        PermissionDenied,
        ResourceExhausted,
        DeadlineExceeded,
        Unavailable,
        Unimplemented,
    )
}
_BY_WORD: dict[str, type[Error]] = {"cursor_expired": CursorExpired}


@contextmanager
def translated() -> Iterator[None]:
    """Turns a gRPC error of the block, also of an awaited call, into one of this module."""
    try:
        yield
    except grpc.RpcError as error:
        raise _translation(error) from error


def _translation(error: grpc.RpcError) -> Error:
    code, message, trailers = error.code(), error.details() or "", _trailers(error)
    word = trailers.get("feedrank-error", "")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidArgument(message, word=word, field=trailers.get("feedrank-field", ""))
    kind = _BY_WORD.get(word) or _BY_STATUS.get(code, Error)
    made = kind(message, code=code, word=word)
    if isinstance(made, ResourceExhausted):
        made.retry_after_s = int(trailers.get("retry-after-ms", 0)) / 1000
    return made


def _trailers(error: grpc.RpcError) -> dict[str, str]:
    # The type stubs miss that both kinds of channel give pairs; a "-bin" value is bytes and not for us.
    pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    return {key: value for key, value in pairs if isinstance(value, str)}
