"""The audit log: one JSON line for each call of Admin and Privacy, answered or refused.

Refused calls have files of their own: who may do nothing pushes no line out of what was done, and has the
server write nothing onto the disk before it goes on.

A person's id does not stand there: what is erased would live on in the log. Its keyed hash does, so who knows
the id and has the folder's key finds its lines.
"""

import errno
import heapq
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ranker import disk
from ranker.access.replay import WINDOW_MS
from ranker.access.tokens import FOLDER, locked, private_folder, write_private
from ranker.errors import FeedrankError
from ranker.journal import now_ms

log = structlog.get_logger()

_FILE, _REFUSED = "audit.jsonl", "audit-refused.jsonl"
_KEY = "audit.key"
MOST_BYTES = 16 * 2**20
MOST_FILES = 8
_LONGEST = 256


@dataclass(frozen=True)
class AuditLog:
    """The lines of a data folder: of calls that were made and of refused ones, each in so many files."""

    data: Path
    most_bytes: int = MOST_BYTES
    most_files: int = MOST_FILES

    @property
    def path(self) -> Path:
        """The file with the newest lines of calls that were made."""
        return self.data / FOLDER / _FILE

    def write(self, method: str, code: str, *, token: str = "", **facts: Any) -> None:
        """Tell of a call that was made, on the disk. Where that fails, the server's log has the line."""
        self._append(_FILE, {"token": token, "method": method, "code": code, **facts}, synced=True)

    def refuse(self, method: str, error: FeedrankError, **facts: Any) -> None:
        """Tell of a refused call. Losing such a line with the machine's power loses nothing that was done."""
        told = {"method": method, "code": error.status, "word": error.word, **facts}
        self._append(_REFUSED, told, synced=False)

    def _append(self, name: str, facts: dict[str, Any], *, synced: bool) -> None:
        line = {"time_ms": now_ms(), **facts}
        try:
            self._lines(name).append(json.dumps(line).encode() + b"\n", synced=synced)
        except (OSError, FeedrankError) as error:
            log.error("audit_not_written", reason=str(error), line=line)

    def _lines(self, name: str) -> "_Lines":
        return _Lines(self.path.with_name(name), self.most_bytes, self.most_files)

    def lines(self, since_ms: int = 0) -> Iterator[dict[str, Any]]:
        """The lines since a time, the oldest first. One that a crash tore is passed over."""
        both = (self._lines(name).read(since_ms) for name in (_FILE, _REFUSED))
        return heapq.merge(*both, key=lambda line: line["time_ms"])

    def recent_calls(self) -> list[str]:
        """What the calls of the last minutes are known by, so that a restart forgets none."""
        made = self._lines(_FILE).read(now_ms() - 2 * WINDOW_MS)
        return [line["call"] for line in made if line.get("call")]

    def person(self, user_id: str) -> str:
        """What stands in the log for a person: HMAC-SHA-256 of the id under the folder's key."""
        digest = hmac.digest(self._key(), user_id.encode(), "sha256")
        return f"person:{digest.hex()[:32]}"

    def target(self, request: Any, *, person: bool) -> str:
        """What a call is about: the first field of its request, where that is a word."""
        first = request.DESCRIPTOR.fields_by_number.get(1)
        if first is None or first.type != first.TYPE_STRING or first.is_repeated:
            return ""
        value: str = getattr(request, first.name)
        return self.person(value) if person else value[:_LONGEST]

    def _key(self) -> bytes:
        path = self.path.with_name(_KEY)
        if not path.exists():
            with locked(path.parent):
                if not path.exists():
                    write_private(path, secrets.token_bytes(32))
        return path.read_bytes()


@dataclass(frozen=True)
class _Lines:
    """Lines in at most `most_files` files of about `most_bytes`; the oldest go first.

    All workers write to it. The file is opened for each line: such calls are few.
    """

    path: Path
    most_bytes: int
    most_files: int

    def append(self, line: bytes, *, synced: bool) -> None:
        """Add a line; `synced`: onto the disk."""
        private_folder(self.path.parent)
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":  # torn by a crash, or a full disk
                line = b"\n" + line
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if synced:
                os.fdatasync(file)
        finally:
            os.close(file)
        if synced and not size:
            disk.sync(self.path.parent)
        if size + len(line) >= self.most_bytes:
            self._turn_over()

    def read(self, since_ms: int) -> Iterator[dict[str, Any]]:
        """The lines since a time."""
        for number in range(self.most_files - 1, -1, -1):
            path = self._older(number)
            if path.exists() and 1000 * path.stat().st_mtime >= since_ms:
                yield from (line for line in _parsed(path) if line["time_ms"] >= since_ms)

    def _turn_over(self) -> None:
        with locked(self.path.parent):
            if not self.path.exists() or self.path.stat().st_size < self.most_bytes:
                return  # another worker did it
            for number in range(self.most_files - 1, 0, -1):
                older = self._older(number - 1)
                if older.exists():
                    older.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


def _parsed(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue
