"""The service: all parts of one server, put together and taken apart in order."""

import fcntl
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import structlog

from embeddings.cores import usable_cores
from ranker import consent, snapshot, warmup
from ranker.archive import Archive, history, holds_all
from ranker.board import PRIMARY, Board
from ranker.candidates import View
from ranker.compaction import Compactor
from ranker.errors import SettingsError
from ranker.fold import Fold
from ranker.fold.erasure import Erased
from ranker.follower import Follower
from ranker.impressions import ImpressionLog
from ranker.journal import Journal
from ranker.models import Loader, Models
from ranker.privacy.erasures import Erasures
from ranker.sessions import Sessions
from ranker.settings import ServerSettings, Settings
from ranker.slices import Slices
from ranker.state import State
from ranker.timelines import Timelines
from ranker.upkeep import Upkeep
from ranker.valkey import EmbeddedValkey
from ranker.vectorizer import Vectorizer
from ranker.writer import Writer

log = structlog.get_logger()

EMBEDDED = "embedded"

_LAST_ONES_END_S = 3.0
"""Workers whose first one was killed hold the data folder until they have ended."""


class Part(Protocol):
    """A thread of the service."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and wait for the end."""


class Service:
    """A feedrank server without its gRPC edge. Use it as a context manager.

    Entering restores the state (snapshot, archive, journal), rebuilds the index and starts the threads; when
    it is entered, it can answer. Leaving stops the threads, writes a snapshot and stops what it started.

    Of several workers on one data folder the primary starts the journal's server and the embedder, writes
    snapshots and the archive; the others have none of that.
    """

    lock: IO[str]
    """The primary's hold on the data folder; who inherits the file holds it too."""
    upkeep: Upkeep
    """Of the primary only, as are the vectorizer and the erasures."""
    erasures: Erasures
    vectorizer: Vectorizer

    def __init__(
        self,
        settings: Settings,
        board: Board | None = None,
        when_open: Callable[["Service"], None] = lambda _: None,
    ) -> None:
        """`board`: that of the workers. `when_open`: called once the journal answers, before the restore."""
        self.settings = settings
        self.board = board or Board()
        self._when_open = when_open
        self.state = State(settings.embedder.dimension, settings.state, _rankings(settings.server))
        self.slices = Slices(self.state.dimension, settings.slices, lambda: self.state.posts.vector)
        self._open = ExitStack()

    def __enter__(self) -> "Service":
        with ExitStack() as opening:
            self._start(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, opening: ExitStack) -> None:
        settings, data, board = self.settings, self.settings.data, self.board
        if self.is_primary:
            self.lock = opening.enter_context(_locked(data))
            self.journal = opening.enter_context(open_journal(settings))
        else:
            self.journal = opening.enter_context(joined_journal(settings))
        self._when_open(self)
        fold = Fold(self.state, self.slices)
        self.follower = Follower(self.journal, fold, board, Archive(data / "archive"))
        if self.is_primary:
            self.erasures = Erasures(data)
            fold.when_erased.append(self.erasures.note)
        warmup.touch_everything(self.state.dimension, settings)
        self._program_bytes = resident_bytes()
        self._restore(data)
        self.models = Models(data / "models")
        self.models.follow(self.state.in_service)
        self.impressions = ImpressionLog(
            data / "impressions",
            self.journal,
            settings.impressions,
            worker=board.worker,
            workers=board.workers,
        )
        self.sessions = Sessions(settings.sessions, board.worker)
        self.timelines = Timelines(
            View(self.state, self.slices),
            self.models,
            self.sessions,
            self.impressions,
            settings.exploration,
        )
        fold.when_erased += [self.impressions.forget, lambda erased: self._end_sessions(erased)]
        self.writer = Writer(self.journal, self.follower)
        keepers = self._keepers(opening) if self.is_primary else []
        compactor = Compactor(self.slices, self.state.turn.read)
        loader = Loader(self.models, self.state)
        parts: list[Part] = [self.follower, loader, compactor, self.impressions, *keepers]
        for part in parts:
            part.start()
            opening.callback(part.stop)

    def _keepers(self, opening: ExitStack) -> list[Part]:
        """What only the primary does."""
        settings, data = self.settings, self.settings.data
        self.upkeep = Upkeep(
            data,
            self.journal,
            self.follower,
            settings.upkeep,
            trim=settings.upkeep.trim and self.owns_journal,
            index=self.slices,
        )
        consent.write(data, settings.consent)
        self.vectorizer = Vectorizer(self.state, self.journal, settings.embedder, data, self.board)
        opening.callback(self._last_snapshot)
        self.erasures.attend(self.journal, self.follower, self.upkeep, owns_journal=self.owns_journal)
        return [self.upkeep, self.erasures, *([self.vectorizer] if settings.embedder.enabled else [])]

    def _end_sessions(self, erased: Erased) -> None:
        """In other sessions the posts are ids that nothing has any more, and they are passed over."""
        ended = self.sessions.end(erased.user_id)
        if self.is_primary:
            self.erasures.count_sessions(erased.entry_id, ended)

    def ailing(self) -> list[tuple[str, str]]:
        """What answers lack for now, as stage and reason: the journal's news, the vectors of new posts."""
        found = [] if self.follower.connected else [("journal", "unavailable")]
        if self.settings.embedder.enabled and self.board.embedder_lost:
            found.append(("embedder", "unavailable"))
        return found

    @property
    def is_primary(self) -> bool:
        """Whether this is the first, or the only, worker."""
        return self.board.worker == PRIMARY

    def memory(self) -> list[tuple[str, int, int]]:
        """Each structure with its rows and bytes, largest first; the program is what was there before."""
        rows = [
            *self.state.memory(),
            ("slices", len(self.slices), self.slices.nbytes),
            ("sessions", len(self.sessions), self.sessions.nbytes),
            ("program", 1, self._program_bytes),
        ]
        return sorted(rows, key=lambda row: -row[2])

    @property
    def owns_journal(self) -> bool:
        """Whether the journal's server is the embedded one."""
        return self.settings.journal == EMBEDDED

    def _restore(self, data: Path) -> None:
        whole = holds_all(Archive(data / "archive"), self.journal)
        snapshot.restore(self.state, data / "snapshots", self.slices, refold=whole)
        self.board.fold(self.state.position)  # from here on the journal is not trimmed past it
        posts = self.state.posts
        found = np.flatnonzero(posts.has_vector[: posts.size]).astype(np.int32)
        if len(self.slices) != len(found):
            self.slices.rebuild(found, posts.created_ms[found])
        entries = 0
        for record in history(Archive(data / "archive"), self.journal, self.state.position):
            self.follower.apply(record)
            entries += 1
            if entries % 10_000 == 0:
                log.info("restoring", entries=entries, position=self.state.position)
        if self.is_primary and self.state.position and self.journal.go_past(self.state.position):
            log.warning(
                "journal_ends_early",
                position=self.state.position,
                reason="what lay between is in this state only: a restored backup begins so, else the "
                "journal's server lost it, and a snapshot taken now keeps it",
            )
        log.info("restored", entries=entries, posts=posts.size, users=self.state.users.size)

    def _last_snapshot(self) -> None:
        """After the threads have ended: what the next start need not fold again."""
        if self.state.position and snapshot.latest(self.upkeep.snapshots) != self.state.position:
            try:
                snapshot.save(self.state, self.upkeep.snapshots, self.slices)
            except OSError as error:  # a full disk, perhaps: the journal has it all
                log.error("last_snapshot_not_written", reason=str(error), repair="make room on the disk")


@contextmanager
def open_journal(settings: Settings) -> Iterator[Journal]:
    """The journal of the settings, with the embedded Valkey started and stopped around it."""
    with ExitStack() as opening:
        if settings.journal == EMBEDDED:
            valkey = EmbeddedValkey(settings.data / "journal")
            valkey.start()
            opening.callback(valkey.stop)
        yield opening.enter_context(joined_journal(settings))


@contextmanager
def joined_journal(settings: Settings) -> Iterator[Journal]:
    """The journal of the settings, whose server another worker keeps."""
    if settings.journal == EMBEDDED:
        folder = settings.data / "journal"
        journal = Journal.at_socket(EmbeddedValkey(folder).socket, folder=folder)
    else:
        journal = Journal.connect(settings.journal)
    with closing(journal):
        yield journal


def _rankings(server: ServerSettings) -> int:
    """Timelines that one worker makes at a time."""
    return server.rankings or usable_cores() // server.workers + 1


@contextmanager
def held(data: Path) -> Iterator[bool]:
    """Hold the data folder for a moment; whether that was possible, or a server runs on it."""
    with (data / "lock").open("a") as file:
        yield _holds(file)


def _locked(data: Path) -> IO[str]:
    """Hold the data folder: two servers on one folder would write each other's files."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data / "lock").open("w")
    except OSError as error:
        raise SettingsError(
            f"the data folder {data} can't be written ({error.strerror}): choose another with --data"
        ) from error
    patience = time.monotonic() + _LAST_ONES_END_S
    while not _holds(file):
        if time.monotonic() > patience:
            file.close()
            raise SettingsError(
                f"another feedrank uses the data folder {data}: stop it, or choose another with --data"
            )
        time.sleep(0.05)
    return file


def _holds(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def resident_bytes() -> int:
    """Memory that this process has; the most it ever had where the system does not tell (not Linux)."""
    told = Path("/proc/self/statm")
    if told.exists():
        return int(told.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
