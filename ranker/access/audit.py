"""The audit log: one JSON line for each call of Admin and Privacy, answered or refused.

A person's id does not stand there: what is erased would live on in the log. Its keyed hash does, so who knows
the id and has the folder's key finds its lines.
"""

import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ranker.access.replay import WINDOW_MS
from ranker.access.tokens import FOLDER, locked, private_folder, write_private
from ranker.errors import FeedrankError
from ranker.journal import now_ms

log = structlog.get_logger()

_FILE = "audit.jsonl"
_KEY = "audit.key"
MOST_BYTES = 16 * 2**20
MOST_FILES = 8
_LONGEST = 256


@dataclass(frozen=True)
class AuditLog:
    """The lines of a data folder, in at most `most_files` files of about `most_bytes`; the oldest go first.

    All workers write to it. The file is opened for each line: such calls are few.
    """

    data: Path
    most_bytes: int = MOST_BYTES
    most_files: int = MOST_FILES

    @property
    def path(self) -> Path:
        """The file with the newest lines."""
        return self.data / FOLDER / _FILE

    def write(self, method: str, code: str, *, token: str = "", **facts: Any) -> None:
        """Append a line, onto the disk. Where that fails, the server's log has it, as an error."""
        line = {"time_ms": now_ms(), "token": token, "method": method, "code": code, **facts}
        try:
            self._append(json.dumps(line).encode() + b"\n")
        except (OSError, FeedrankError) as error:
            log.error("audit_not_written", reason=str(error), line=line)

    def _append(self, line: bytes) -> None:
        private_folder(self.path.parent)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
            os.fdatasync(file)
            full = os.fstat(file).st_size >= self.most_bytes
        finally:
            os.close(file)
        if full:
            self._turn_over()

    def _turn_over(self) -> None:
        with locked(self.path.parent):
            if self.path.stat().st_size < self.most_bytes:  # another worker did it
                return
            for number in range(self.most_files - 1, 0, -1):
                older = self._older(number - 1)
                if older.exists():
                    older.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{_FILE}.{number}") if number else self.path

    def lines(self, since_ms: int = 0) -> Iterator[dict[str, Any]]:
        """The lines since a time, the oldest first. One that a crash tore is passed over."""
        for number in range(self.most_files - 1, -1, -1):
            path = self._older(number)
            if path.exists() and 1000 * path.stat().st_mtime >= since_ms:
                yield from (line for line in _parsed(path) if line["time_ms"] >= since_ms)

    def recent_calls(self) -> list[str]:
        """What the calls of the last minutes are known by, so that a restart forgets none."""
        return [line["call"] for line in self.lines(now_ms() - 2 * WINDOW_MS) if line.get("call")]

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


def _parsed(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue
