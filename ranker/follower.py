"""The follower: the one thread that reads the journal and folds it."""

import threading
from collections import deque
from collections.abc import Callable

import structlog
from feedrank.journal.v1 import journal_pb2
from google.protobuf.message import DecodeError

from ranker.board import Board
from ranker.errors import JournalUnavailable
from ranker.fold import Fold
from ranker.journal import Journal, Record, order

log = structlog.get_logger()

_BLOCK_MS = 500
_PAUSE_S = 0.1
_PATIENCE_S = 0.02
"""An entry that none follows lets readers go first for so long: most then wait for no entry."""


class Follower:
    """Folds journal entries as they come; tells those who wait for one."""

    def __init__(self, journal: Journal, fold: Fold, board: Board | None = None) -> None:
        """`board`: where the other workers see how far this one is; None: there are none."""
        self.journal = journal
        self.fold = fold
        self.board = board or Board()
        self.poison: deque[tuple[str, str]] = deque(maxlen=1_000)
        """Entries that could not be folded, the last ones, each with the reason."""
        self.poison_count = 0
        self.connected = True
        self._folded = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fold", daemon=True)

    def start(self) -> None:
        """Begin to follow, from the state's position."""
        self.board.fold(self.fold.state.position)
        self._thread.start()

    def stop(self) -> None:
        """End; the state stays at the entry it reached."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether entries are followed: the thread was started and has not ended."""
        return self._thread.is_alive()

    def apply(self, record: Record, patience_s: float = 0.0) -> None:
        """Fold one record. One that can't be folded is set aside with its reason and blocks nothing."""
        position, payload = record
        try:
            self.fold.apply(position, journal_pb2.Entry.FromString(payload), patience_s)
        except Exception as error:
            log.exception("poison_entry", position=position)
            self.poison.append((position, repr(error)))
            self.poison_count += 1
            self.fold.skip(position, readable=not isinstance(error, DecodeError) and bool(payload))

    def wait_for(self, position: str, timeout_s: float) -> bool:
        """Wait until an entry is folded; False when that takes longer."""
        wanted = order(position)
        with self._folded:
            return self._folded.wait_for(lambda: order(self.fold.state.position) >= wanted, timeout_s)

    def catch_up(self, timeout_s: float) -> bool:
        """Wait until what any worker acknowledged is folded here; False when that takes longer."""
        newest = self.board.behind()
        return not newest or self.wait_for(newest, timeout_s)

    def lag(self) -> int:
        """Entries not folded yet, counted up to a hundred; -1 when the journal does not answer."""
        try:
            return len(self.journal.read(self.fold.state.position, count=100))
        except JournalUnavailable:
            return -1

    def between_entries(self, job: Callable[[], None]) -> None:
        """Have a job run in the fold's thread, where nothing changes meanwhile."""
        self._jobs.append(job)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                while self._jobs:  # also while the journal does not answer
                    self._jobs.popleft()()
                self._follow()
            except JournalUnavailable as error:
                self._lost(error)
            except Exception:
                log.exception("fold_failed")
                self._stop.wait(_PAUSE_S)

    def _follow(self) -> None:
        records = self.journal.read(self.fold.state.position, block_ms=_BLOCK_MS)
        self.connected = True
        for record in records:
            self.apply(record, _PATIENCE_S if record is records[-1] else 0.0)
        if records:
            self.board.fold(self.fold.state.position)
            with self._folded:
                self._folded.notify_all()

    def _lost(self, error: JournalUnavailable) -> None:
        if self.connected:
            log.warning("journal_lost", reason=str(error))
        self.connected = False
        self._stop.wait(_PAUSE_S)
