"""A server for one demo: its own process, a temporary folder, gone at the end."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import feedrank

from ranker.errors import FeedrankError

_STARTS_WITHIN_S = 120
_STOPS_WITHIN_S = 15


class HouseFailed(FeedrankError):
    """The demo's server did not start."""

    status = "UNAVAILABLE"
    word = "server"


class House:
    """`feedrank serve` in a temporary folder, behind a Unix socket there, so that no port can clash.

    Entering starts the process and does not wait for it; `wait` does. Leaving stops it and removes the
    folder, unless `keep`.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="feedrank-"))
        self.address = f"unix:{self.folder}/server.sock"
        self.client = feedrank.Client(self.address)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        serve = "from ranker.cli import app; app()"
        arguments = ["serve", "--data", str(self.folder / "data"), "--address", self.address]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", serve, *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,  # a feedrank.toml where the demo is called is not for this server
                env=_own_environment(),
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the server
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.client.close()
        if self.keep and kind is None:
            return
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid if self.process else 0

    def wait(self) -> None:
        """Return when the server answers; raises HouseFailed with its last words when it ends instead."""
        until = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > until:
                last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
                raise HouseFailed(f"the demo's server did not start: {' '.join(last) or 'it said nothing'}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server, by force when it does not stop by itself."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        try:
            self.client.status(timeout=0.5)
        except feedrank.Error:
            return False
        return True


def _own_environment() -> dict[str, str]:
    """The environment without feedrank's settings, and with the embedder on two threads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDRANK_")}
    threads = str(min(2, os.cpu_count() or 1))
    return kept | {"FEEDRANK_EMBEDDER__THREADS": threads, "FEEDRANK_EXPLORATION__SWAP_SHARE": "0"}
