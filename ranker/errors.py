"""What can go wrong, as types.

    FeedrankError
    ├── InvalidArgument     a request field is wrong; carries the field
    ├── NotFound            a named thing does not exist
    ├── Busy                as much is going on as may at a time
    ├── CallerGone          nobody waits for the answer any more
    ├── CursorExpired       a session is over: start again without a cursor
    ├── NotNow              what is in service does not allow it
    ├── Unauthenticated     who calls is not known here
    │   ├── Expired         its token's time is over
    │   └── Replayed        the call was made before, or too long ago
    ├── PermissionDenied    its token lacks the role
    ├── RateExceeded        its token made more calls than it may
    ├── BundleError         a model bundle can't be used
    ├── SettingsError       the configuration can't be used
    ├── JournalUnavailable  the journal does not answer
    ├── JournalError        the journal's content can't be used
    ├── SnapshotError       a snapshot can't be used
    └── BackupError         a backup can't be made, or can't be used

Each class carries the name of its gRPC status; one interceptor turns it into the code on the wire.
A message ends with the repair.
"""

from typing import ClassVar


class FeedrankError(Exception):
    """Root of all errors that feedrank raises on purpose."""

    status: ClassVar[str] = "INTERNAL"
    word: ClassVar[str] = "internal"


class InvalidArgument(FeedrankError):
    """A request field is missing, malformed, out of range or in contradiction to another."""

    status = "INVALID_ARGUMENT"
    word = "invalid_argument"

    def __init__(self, field: str, message: str) -> None:
        """`message` is a whole sentence that names the field."""
        super().__init__(message)
        self.field = field


class NotFound(FeedrankError):
    """A named thing does not exist."""

    status = "NOT_FOUND"
    word = "not_found"


class Busy(FeedrankError):
    """As much is going on as may at a time."""

    status = "RESOURCE_EXHAUSTED"
    word = "busy"


class CallerGone(FeedrankError):
    """Nobody waits for the answer any more."""

    status = "CANCELLED"
    word = "caller_gone"


class CursorExpired(FeedrankError):
    """A cursor's session is over."""

    status = "FAILED_PRECONDITION"
    word = "cursor_expired"


class NotNow(FeedrankError):
    """What is in service does not allow it: nothing to go back to, or another experiment runs."""

    status = "FAILED_PRECONDITION"
    word = "not_now"


class Unauthenticated(FeedrankError):
    """Who calls is not known here."""

    status = "UNAUTHENTICATED"
    word = "unauthenticated"


class Expired(Unauthenticated):
    """The caller's token was valid once."""

    word = "expired"


class Replayed(Unauthenticated):
    """The call was made before, or says a time that is too far off to tell."""

    word = "replayed"


class PermissionDenied(FeedrankError):
    """The caller's token lacks the role that the RPC asks for."""

    status = "PERMISSION_DENIED"
    word = "permission_denied"


class RateExceeded(FeedrankError):
    """A caller made more calls than it may; it may call again in `retry_after_ms`."""

    status = "RESOURCE_EXHAUSTED"
    word = "rate_exceeded"

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class BundleError(FeedrankError):
    """A model bundle is damaged, incomplete or made for other features."""

    status = "FAILED_PRECONDITION"
    word = "bundle"


class SettingsError(FeedrankError):
    """The configuration can't be used."""

    status = "FAILED_PRECONDITION"
    word = "settings"


class JournalUnavailable(FeedrankError):
    """The journal does not answer; nothing was acknowledged."""

    status = "UNAVAILABLE"
    word = "journal_unavailable"


class JournalError(FeedrankError):
    """The journal holds something that can't be used, or lacks something that must be there."""

    status = "DATA_LOSS"
    word = "journal"


class SnapshotError(FeedrankError):
    """A snapshot is damaged or was written by another version."""

    status = "DATA_LOSS"
    word = "snapshot"


class BackupError(FeedrankError):
    """A backup is damaged or not whole, or can't be made now."""

    status = "DATA_LOSS"
    word = "backup"
