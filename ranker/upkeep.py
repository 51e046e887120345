"""Upkeep: snapshots, the archive, and the journal's trimming, in a thread beside the fold."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from itertools import takewhile
from pathlib import Path

import structlog
from pydantic import BaseModel, Field

from ranker import snapshot
from ranker.archive import Archive
from ranker.errors import FeedrankError
from ranker.follower import Follower
from ranker.journal import Journal, Record, order
from ranker.privacy.redaction import Redaction

log = structlog.get_logger()

_WAIT_S = 60.0


class UpkeepSettings(BaseModel, frozen=True, extra="forbid"):
    """How often the state is put on disk."""

    snapshot_every_s: float = Field(
        600, gt=0, description="A snapshot is written so often, if anything changed."
    )
    trim: bool = Field(True, description="Trim what is archived from the embedded journal.")
    receipts_days: float = Field(
        3650,
        gt=0,
        description="Receipts of erasures stay so long: models and backups of before are held against them.",
    )


class Upkeep:
    """Writes snapshots and archives the journal up to them."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        follower: Follower,
        settings: UpkeepSettings,
        *,
        trim: bool,
        index: snapshot.Index | None = None,
    ) -> None:
        self.snapshots = folder / "snapshots"
        self.archive = Archive(folder / "archive")
        self.settings = settings
        self._journal = journal
        self._follower = follower
        self._trim = trim
        self._index = index
        self._saving = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def save(self) -> tuple[str, int]:
        """Write a snapshot now and archive the journal up to it; its position and bytes."""
        with self._saving:
            path = snapshot.finish(self._draft())
            self._archive(path.name)
        size = sum(file.stat().st_size for file in path.iterdir())
        log.info("snapshot_written", position=path.name, bytes=size)
        return path.name, size

    def save_without(self, erased: Redaction) -> Counter[str]:
        """Take erased people out of the archive, and write a snapshot that is the only one from then on.

        Returns how many entries of the archive named each of them.
        """
        with self._saving:
            erased.taken()
            self.archive.rewrite(erased.redact)
            found = erased.taken()
            path = snapshot.finish(self._draft(), alone=True)
            self._archive(path.name, erased.redact)
        return found

    def _draft(self) -> snapshot.Draft:
        """The state between two entries, written by the fold's own thread; readers go on meanwhile."""
        written, fold = Future[snapshot.Draft](), self._follower.fold

        def write() -> None:
            try:
                written.set_result(snapshot.draft(fold.state, self.snapshots, self._index))
            except Exception as error:
                written.set_exception(error)

        self._follower.between_entries(write)
        try:
            return written.result(_WAIT_S)
        except TimeoutError as error:
            raise FeedrankError("the fold did not come to rest for a snapshot: try again") from error

    def _archive(self, position: str, change: Callable[[Record], Record] | None = None) -> None:
        after = self.archive.last
        records = takewhile(lambda r: order(r[0]) <= order(position), self._journal.records(after))
        self.archive.append(map(change, records) if change else records)
        if self._trim:
            self._journal.trim(self._follower.board.folded_by_all(position))

    def _run(self) -> None:
        while not self._stop.wait(self.settings.snapshot_every_s):
            try:
                if snapshot.latest(self.snapshots) != self._follower.fold.state.position:
                    self.save()
            except Exception as error:
                log.exception("snapshot_failed", reason=str(error))
