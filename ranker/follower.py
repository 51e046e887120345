"""The follower: the one thread that reads the journal and folds it."""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog
from feedrank.journal.v1 import journal_pb2
from google.protobuf.message import DecodeError

from ranker.archive import Archive
from ranker.board import Board
from ranker.errors import JournalError, JournalUnavailable
from ranker.fold import Fold
from ranker.journal import Journal, Record, order

log = structlog.get_logger()

_BLOCK_MS = 100
"""As long an idle fold lets a job wait that is to be done between entries, such as a snapshot."""
_PAUSE_S = 0.1
_AWAY_S = 2.0
"""Longer than a read takes: who was away so long looks whether the journal went on without it."""
_PATIENCE_S = 0.02
"""Entries that few follow let readers go first for so long: most then wait for no entry."""
_FEW = 8
_SHORT_BYTES = 16_384
_TURN_S = 0.01
"""Short entries share a turn for about so long. Among readers that never end a turn comes nine times a
second (at five times the sustainable load): with one entry in each, all would wait for the fold."""


class Follower:
    """Folds journal entries as they come; tells those who wait for one."""

    def __init__(
        self, journal: Journal, fold: Fold, board: Board | None = None, archive: Archive | None = None
    ) -> None:
        """`board`: where the other workers see how far this one is; None: there are none.

        `archive`: what was trimmed from the journal, for one that was away.
        """
        self.archive = archive
        self.journal = journal
        self.fold = fold
        self.board = board or Board()
        self.poison: deque[tuple[str, str]] = deque(maxlen=1_000)
        """Entries that could not be folded, the last ones, each with the reason."""
        self.poison_count = 0
        self.connected = True
        self._read_at = time.monotonic()
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
            except JournalError as error:
                log.error("journal_gap", reason=str(error))
                self._stop.set()
            except Exception:
                log.exception("fold_failed")
                self._stop.wait(_PAUSE_S)

    def _follow(self) -> None:
        records = self.journal.read(self.fold.state.position, block_ms=_BLOCK_MS)
        if self._was_away() and self._look_back():
            records = []  # some of them were in the archive too: they are read again
            self._tell()
        self.connected = True
        waiting = deque(records)
        while waiting:
            self._fold_some(waiting, _PATIENCE_S if len(waiting) <= _FEW else 0.0)
            self._tell()

    def _fold_some(self, waiting: deque[Record], patience_s: float) -> None:
        """Fold one entry, prepared before its turn; or several short ones in one turn."""
        if len(waiting) == 1 or not _shares(waiting[0]):
            self.apply(waiting.popleft(), patience_s)
            return
        with self.fold.state.turn.write(patience_s):
            end = time.monotonic() + _TURN_S
            while waiting and _shares(waiting[0]) and time.monotonic() < end:
                self.apply(waiting.popleft())

    def _tell(self) -> None:
        """Tell how far the state has come."""
        self.board.fold(self.fold.state.position)
        with self._folded:
            self._folded.notify_all()

    def _was_away(self) -> bool:
        """Whether the last read is so long ago that the journal may not be what it was."""
        since, self._read_at = self._read_at, time.monotonic()
        return not self.connected or self._read_at > since + _AWAY_S

    def _look_back(self) -> bool:
        """After a read: fold from the archive what was trimmed beneath; whether there was any.

        JournalError where the archive has it not: this worker must not go on with a gap.
        """
        position = self.fold.state.position
        if position and self.journal.go_past(position):
            repair = "take a snapshot: it holds what was lost"
            log.error("journal_lost_entries", position=position, repair=repair)
        try:
            self.journal.check_unbroken(position)
            return False
        except JournalError:
            if self.archive is None or order(self.archive.last) <= order(position):
                raise
        log.warning("journal_trimmed_beneath", position=position, archived=self.archive.last)
        for record in self.archive.records(position):
            self.apply(record)
        self.journal.check_unbroken(self.fold.state.position)
        return True

    def _lost(self, error: JournalUnavailable) -> None:
        if self.connected:
            log.warning("journal_lost", reason=str(error))
        self.connected = False
        self._stop.wait(_PAUSE_S)


def _shares(record: Record) -> bool:
    """Whether an entry may share its turn: it is short, and is no erasure, of which others are told."""
    _, payload = record
    if len(payload) > _SHORT_BYTES:
        return False
    try:
        return journal_pb2.Entry.FromString(payload).WhichOneof("change") != "erased_user"
    except DecodeError:
        return True
