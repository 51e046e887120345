"""The journal: one ordered log of everything, a stream of Valkey or Redis.

An entry that `append` returned for is in the log; how safe the log is on disk is the server's setting
(`appendfsync always` in the embedded one). Positions are stream ids, such as "1763800000000-0".
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import redis
import structlog
from feedrank.journal.v1 import journal_pb2
from redis.backoff import NoBackoff
from redis.retry import Retry

from ranker.errors import JournalError, JournalUnavailable
from ranker.known import STAMP

log = structlog.get_logger()

STREAM = "feedrank:journal"
START = "0-0"
_FIELD = b"e"
_A_BLOCK, _USUAL_BLOCK = "stream-node-max-entries", 100
_ANSWER_WITHIN_S = 2.0
_ROOM = 1 << 20
"""Bytes: a disk with less is as good as full."""
# An entry may be as long as the longest message.
_BATCH_ENTRIES = 64

Entry = journal_pb2.Entry

R = TypeVar("R")

Record = tuple[str, bytes]
"""A position and a serialised Entry."""


def order(position: str) -> tuple[int, int]:
    """A position as numbers that sort as the journal does; the empty position comes first.

    >>> order("5-10") > order("5-9") > order("")
    True
    """
    milliseconds, _, sequence = (position or START).partition("-")
    return int(milliseconds), int(sequence)


def now_ms() -> int:
    """The clock: milliseconds since 1970. Only what accepts writes and queries reads it, never the fold."""
    return time.time_ns() // 1_000_000


class Journal:
    """A stream of entries.

    Nothing is tried again here: an append whose answer was lost may have been written. Those who call know
    what is safe to repeat. While the server is known not to answer, one caller at a time finds out whether it
    does again, and the others are told so at once: nobody waits in vain.
    """

    def __init__(self, client: redis.Redis, stream: str = STREAM, folder: Path | None = None) -> None:
        """`folder`: where the server keeps it, if that is known here."""
        self._client = client
        self._stream = stream
        self._folder = folder
        self._lost = ""
        """Why the server is known not to answer; empty where it does."""
        self._finding_out = threading.Lock()

    @classmethod
    def connect(cls, url: str, stream: str = STREAM, folder: Path | None = None) -> "Journal":
        """A journal on a server at redis://, rediss:// or unix://; it need not answer yet."""
        try:
            client = redis.from_url(
                url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2, socket_timeout=_ANSWER_WITHIN_S
            )
        except ValueError as error:
            raise JournalUnavailable(f"{url!r} is no address of a Valkey or Redis server: {error}") from error
        return cls(client, stream, folder)

    @classmethod
    def at_socket(cls, socket: Path, stream: str = STREAM, folder: Path | None = None) -> "Journal":
        """A journal on a server that listens on a Unix socket."""
        return cls.connect(f"unix://{quote(str(socket))}", stream, folder)

    def append(self, entry: Entry | bytes) -> str:
        """Write one entry, serialised or not; its position. It is acknowledged: the server has it as its
        settings promise.
        """
        payload = entry if isinstance(entry, bytes) else entry.SerializeToString()
        position = self._asked(lambda: self._client.xadd(self._stream, {_FIELD: payload + STAMP}))
        return str(position, "ascii")  # type: ignore[arg-type]

    def read(self, after: str, *, count: int = _BATCH_ENTRIES, block_ms: int | None = None) -> list[Record]:
        """The next entries after a position, waiting up to `block_ms` for the first."""
        answer = self._asked(
            lambda: self._client.xread({self._stream: after or START}, count=count, block=block_ms),
            waits=block_ms is not None,
        )
        batches = answer.values() if isinstance(answer, dict) else [batch for _, batch in answer or []]
        # An entry that is not ours has no such field: the fold sets it aside as it does any it can't read.
        return [
            (position.decode(), fields.get(_FIELD, b""))
            for batch in batches
            for position, fields in _flat(batch)
        ]

    def records(self, after: str) -> Iterator[Record]:
        """All entries after a position, to the end as it is when reached."""
        while batch := self.read(after):
            yield from batch
            after = batch[-1][0]

    def check_unbroken(self, after: str) -> None:
        """Raise JournalError when entries after a position may have been trimmed away.

        `trim` leaves the entry of its position, so who has folded up to there finds it in the journal. Redis
        before 7 does not count what was trimmed; there, nothing is found.
        """
        try:
            facts = self._client.xinfo_stream(self._stream)
        except redis.ResponseError:  # no stream yet
            return
        except redis.RedisError as error:
            raise self._unavailable(error) from error
        if facts.get("entries-added", facts["length"]) == facts["length"]:
            return
        first = (facts["first-entry"] or [facts["last-generated-id"]])[0].decode()
        if order(first) > order(after):
            raise JournalError(
                f"the journal was trimmed and now begins at {first}, and this server knows it only up to "
                f"{after or 'nothing'}: restore the data folder's archive, or one from a backup"
            )

    def trim(self, upto: str) -> None:
        """Remove entries before a position; that one stays."""
        try:
            self._client.xtrim(self._stream, minid=upto, approximate=False)
        except redis.RedisError as error:
            raise self._unavailable(error) from error

    def _asked(self, command: Callable[[], R], *, waits: bool = False) -> R:
        """What the server answers. `waits`: ask in any case, as who follows does."""
        finds_out = bool(self._lost) and self._finding_out.acquire(blocking=False)
        try:
            if self._lost and not (finds_out or waits):
                raise JournalUnavailable(self._lost)
            answer = command()
            self._lost = ""
            return answer
        except (redis.ConnectionError, redis.TimeoutError) as error:
            unavailable = self._unavailable(error)
            self._lost = str(unavailable)
            raise unavailable from error
        except redis.RedisError as error:
            raise self._unavailable(error) from error
        finally:
            if finds_out:
                self._finding_out.release()

    def _unavailable(self, error: Exception) -> JournalUnavailable:
        if self._folder is not None and _is_full(self._folder):
            return JournalUnavailable(
                f"the disk of {self._folder} is full: make room there, and writes are taken again"
            )
        return JournalUnavailable(
            f"the journal does not answer ({error}): check the Valkey server and try again"
        )

    def go_past(self, position: str) -> bool:
        """Have the next entry come after a position that was folded; whether the journal ended before it.

        A server that lost its newest entries, or was replaced by one that never had them, whose clock is
        behind too, would give positions that everybody has passed: what is written there is never folded.
        """
        try:
            facts = self._client.xinfo_stream(self._stream)
        except redis.ResponseError:  # no stream yet
            facts = {"last-generated-id": b"0-0"}
        except redis.RedisError as error:
            raise self._unavailable(error) from error
        if order(facts["last-generated-id"].decode()) >= order(position):
            return False
        self._set_last(position, there="length" in facts)
        return True

    def _set_last(self, position: str, *, there: bool) -> None:
        try:
            if not there:  # a stream is made with its first entry, or with a group
                self._client.xgroup_create(self._stream, "making", mkstream=True)
                self._client.xgroup_destroy(self._stream, "making")
            self._client.execute_command("XSETID", self._stream, position)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            repair = "allow the account XSETID and XGROUP: until its clock has passed, writes are refused"
            log.error("journal_not_set_right", position=position, reason=str(error), repair=repair)
        except redis.RedisError as error:
            raise self._unavailable(error) from error

    @contextmanager
    def own_block(self, *, owned: bool) -> Iterator[None]:
        """What is appended meanwhile shares no block of the stream's memory with what was there before.

        A trim frees whole blocks; in others it leaves the bytes of what it removed. Only an `owned` server's
        settings are changed.
        """
        if owned:
            self._asked(lambda: self._client.config_set(_A_BLOCK, 1))
        try:
            yield
        finally:
            if owned:
                self._asked(lambda: self._client.config_set(_A_BLOCK, _USUAL_BLOCK))

    def rewrite(self, folder: Path, timeout_s: float) -> None:
        """Have an embedded server write its append-only file anew, so that what was trimmed is not in it.

        `folder`: where the server lives. Returns when no older file is left; JournalUnavailable when that
        takes too long.
        """
        end = time.monotonic() + timeout_s
        asked = False
        while time.monotonic() < end:
            facts = self._asked(lambda: self._client.info("persistence"))
            if not (facts["aof_rewrite_in_progress"] or facts.get("aof_rewrite_scheduled")):
                if not asked:
                    self._asked(self._client.bgrewriteaof)
                    asked = True
                elif facts["aof_last_bgrewrite_status"] != "ok":
                    raise JournalUnavailable(
                        f"the journal's file was not rewritten: read {folder / 'valkey.log'}"
                    )
                elif _only_current(folder / "appendonlydir"):
                    return
            time.sleep(0.02)
        raise JournalUnavailable(f"the journal's file isn't rewritten yet: read {folder}/valkey.log")

    def ping(self) -> bool:
        """Whether the server answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM
    except OSError:
        return False


def _only_current(folder: Path) -> bool:
    """Whether a folder of append-only files has those of its manifest only."""
    held = {path.name for path in folder.iterdir()}
    manifests = {name for name in held if name.endswith(".manifest")}
    told = "".join((folder / name).read_text() for name in manifests).split()
    return held - manifests <= {name for word, name in pairwise(told) if word == "file"}


def _flat(batch: list) -> list:  # type: ignore[type-arg]
    """RESP3 nests a stream's entries once more than RESP2 does."""
    return batch[0] if batch and isinstance(batch[0], list) else batch
