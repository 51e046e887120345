"""The readers of a server: processes beside the primary that follow the same journal and share its port.

Each gets what it has to know through its standard input, which stays open as long as the primary lives: when
that ends, however it ends, the reader ends too. One that dies is started again, and one that stands still
while the primary folds on is killed: the journal would be kept for it for ever.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue

import structlog

from ranker.board import PRIMARY, Board
from ranker.server.passing import socket_of
from ranker.service import Service
from ranker.settings import Settings

log = structlog.get_logger()

_LOOK_S = 0.1
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_SOUND_S = 60.0
"""One that lived so long is started again at once, however often that happens."""
_STUCK_S = 60.0
"""A reader may fold nothing for so long while the primary does."""
_PATIENCE_S = 60.0
_GRACE_S = 10.0
"""Beyond the time to drain, before one is killed."""


@dataclass
class Reader:
    """A place for a process: the one that has it now, and when the next may have it."""

    worker: int
    process: subprocess.Popen[bytes] | None = None
    begun_s: float = 0.0
    deaths: int = 0
    due_s: float = field(default_factory=time.monotonic)
    place: int = 0
    """How far it had folded when it was looked at."""
    moved_s: float = field(default_factory=time.monotonic)
    """When it was last seen to fold, or had nothing to fold."""

    @property
    def pause_s(self) -> float:
        """Seconds until one that just died is started again."""
        return float(min(_PAUSE_S * 2 ** max(self.deaths - 1, 0), _LONGEST_PAUSE_S))


class Workers:
    """All readers of a server. The primary is none of them."""

    def __init__(
        self, settings: Settings, board: Board, address: str, logs: Mapping[str, str | bool]
    ) -> None:
        """`address`: with the port that all listen on. `logs`: as `ranker.logs.set_up` takes it."""
        self._settings = settings
        self._board = board
        self._address = address
        self._logs = logs
        self._readers = [Reader(worker) for worker in range(1, board.workers)]
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="workers", daemon=True)
        self._inherited: tuple[int, ...] = ()

    def start(self, service: Service) -> None:
        """Start them, once the primary's journal answers."""
        self._inherited = (self._board.file, service.lock.fileno())
        for reader in self._readers:
            self._launch(reader)
        self._watch.start()

    def wait(self, stop: "SimpleQueue[float]") -> None:
        """Wait until each answers calls or has died once, or somebody says stop."""
        patience = time.monotonic() + _PATIENCE_S
        while stop.empty() and time.monotonic() < patience:
            if all(self._board.serves(one.worker) or one.deaths for one in self._readers):
                return
            time.sleep(0.02)

    def drain(self) -> None:
        """Have them take no more calls and end those under way."""
        self._stop.set()
        if self._watch.is_alive():
            self._watch.join()
        for process in self._processes():
            process.terminate()

    def stop(self) -> None:
        """Drain, and wait until all have ended. One that takes too long is killed."""
        self.drain()
        patience = time.monotonic() + self._settings.server.drain_s + _GRACE_S
        for process in self._processes():
            try:
                process.wait(max(0.0, patience - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker_killed", pid=process.pid)
                process.kill()
                process.wait()
        for reader in self._readers:
            self._clear_away(reader)

    def _processes(self) -> list["subprocess.Popen[bytes]"]:
        return [one.process for one in self._readers if one.process is not None]

    def _keep_alive(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for reader in self._readers:
                self._look_after(reader)

    def _look_after(self, reader: Reader) -> None:
        if reader.process is None:
            if time.monotonic() >= reader.due_s:
                self._launch(reader)
        elif (code := reader.process.poll()) is not None:
            self._bury(reader, code)
        elif self._is_stuck(reader):
            log.error("worker_stuck", worker=reader.worker, seconds=_STUCK_S)
            reader.process.kill()

    def _is_stuck(self, reader: Reader) -> bool:
        board, place, now = self._board, self._board.place(reader.worker), time.monotonic()
        up_to_date = place >= board.place(PRIMARY) or not board.serves(reader.worker)
        if up_to_date or place != reader.place:
            reader.place, reader.moved_s = place, now
        return now - reader.moved_s > _STUCK_S

    def _bury(self, reader: Reader, code: int) -> None:
        self._board.clear(reader.worker)
        self._clear_away(reader)
        if time.monotonic() - reader.begun_s > _SOUND_S:
            reader.deaths = 0
        self._put_off(reader, "worker_died", code=code)

    def _put_off(self, reader: Reader, event: str, **why: object) -> None:
        reader.deaths += 1
        reader.due_s = time.monotonic() + reader.pause_s
        log.error(event, worker=reader.worker, again_in_s=reader.pause_s, **why)

    def _clear_away(self, reader: Reader) -> None:
        """What one that has ended leaves: the pipe to it, and if it was killed its socket."""
        if reader.process is not None and reader.process.stdin is not None:
            reader.process.stdin.close()
        reader.process = None
        socket_of(self._settings.data, reader.worker).unlink(missing_ok=True)

    def _launch(self, reader: Reader) -> None:
        reader.begun_s = reader.moved_s = time.monotonic()
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ranker.server.worker"],
                bufsize=0,  # so that nothing is left to write when the pipe of a dead one is closed
                stdin=subprocess.PIPE,
                pass_fds=self._inherited,
                process_group=0,  # a terminal's Ctrl-C is the primary's, also while a reader starts
            )
        except OSError as error:  # the system has no memory, or no more processes
            self._put_off(reader, "worker_not_launched", reason=str(error))
            return
        reader.process = process
        assert process.stdin is not None
        with suppress(OSError):  # it has died already
            process.stdin.write(self._told(reader.worker))

    def _told(self, worker: int) -> bytes:
        told = {
            "settings": self._settings.model_dump(mode="json"),
            "workers": self._board.workers,
            "worker": worker,
            "board": self._board.file,
            "address": self._address,
            "logs": dict(self._logs),
        }
        return json.dumps(told).encode() + b"\n"
