"""A worker: the service's own parts, put together as `ranker.service` does, but stepped by hand.

Nothing of the service is replaced but its threads: each step of a thread is a method here.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable
from ranker.board import Board
from ranker.candidates import View
from ranker.compaction import Compactor
from ranker.errors import JournalUnavailable
from ranker.exploration import ExplorationSettings
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal, order
from ranker.models import Models
from ranker.service import Service
from ranker.sessions import Sessions, SessionSettings
from ranker.settings import Settings
from ranker.slice import SliceSettings
from ranker.state import State, StateSettings
from ranker.timelines import Timelines
from ranker.upkeep import Upkeep, UpkeepSettings
from ranker.vectorizer import EmbedderSettings, Vectorizer
from ranker.writer import Writer
from tests.simulation.callers import DIMENSION
from tests.simulation.model import Model
from tests.simulation.stream import Connection

IMPRESSIONS = ImpressionSettings(
    queue_answers=6, flush_s=30, file_rows=40, file_age_s=600, journal_interval_s=1e-9, keep_days=36_500
)
SESSIONS = SessionSettings(ttl_s=1800, max_sessions=5, places=20, candidates=200)
EXPLORATION = ExplorationSettings(fresh_share=0.5, swap_share=0.3)


def settings_of(data: Path, caps: StateSettings) -> Settings:
    """A small server's."""
    return Settings(
        data=data,
        state=caps,
        slices=SliceSettings(slice_posts=8),
        embedder=EmbedderSettings(enabled=False, dimension=DIMENSION),
        sessions=SESSIONS,
        exploration=EXPLORATION,
        impressions=IMPRESSIONS,
    )


class SteppedFollower(Follower):
    """A follower without its thread: who waits for the fold has it go on."""

    def __init__(
        self,
        journal: Journal,
        fold: Fold,
        board: Board,
        meanwhile: Callable[[], None],
        in_time: Callable[[], bool],
    ) -> None:
        """`meanwhile`: what others do while somebody waits. `in_time`: whether the fold is fast enough."""
        super().__init__(journal, fold, board)
        self._meanwhile = meanwhile
        self._in_time = in_time

    def step(self) -> bool:
        """Fold what the journal has; False when it does not answer."""
        try:
            self._follow()
        except JournalUnavailable:
            self.connected = False
        return self.connected

    def wait_for(self, position: str, timeout_s: float) -> bool:  # noqa: ARG002 - time is not waited for here
        self._meanwhile()
        if order(self.fold.state.position) < order(position) and self._in_time():
            self.step()
        return order(self.fold.state.position) >= order(position)

    def between_entries(self, job: Callable[[], None]) -> None:
        super().between_entries(job)
        self.step()
        while self._jobs:
            self._jobs.popleft()()


class Embedder:
    """A link to an embedder that makes vectors of letters, and fails now and then."""

    model = "letters"
    dimension = DIMENSION

    def __init__(self, fails: Callable[[], bool]) -> None:
        self._fails = fails

    def embed(self, texts: list[str], _timeout_s: float) -> NDArray[np.float16]:
        if self._fails():
            raise EmbedderUnavailable("it ended")
        counts = np.array([[text.lower().count(one) for one in "aeno"] for text in texts], np.float64) + 0.1
        made: NDArray[np.float16] = (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(
            np.float16
        )
        return made

    def close(self) -> None:
        """Nothing is held."""


class Worker:
    """One process of the server: up from its making until it is forgotten."""

    def __init__(
        self,
        settings: Settings,
        board: Board,
        connection: Connection,
        model: Model,
        meanwhile: Callable[[], None],
        chance: Callable[[float], bool],
    ) -> None:
        """Restores the state. Raises as the service does when it can't start."""
        self.number = board.worker
        self.board = board
        self.connection = connection
        self.model = model
        """What this worker should have come to."""
        self.heard = 0
        """Entries of the log that the model has folded."""
        self.poison_before = 0
        """Entries that were set aside before the snapshot that this worker began with."""
        service = Service(settings, board)
        self.state: State = service.state
        self.slices = service.slices
        self.journal = service.journal = Journal(connection)  # type: ignore[arg-type]
        fold = Fold(self.state, self.slices)
        self.follower = SteppedFollower(self.journal, fold, board, meanwhile, lambda: not chance(0.2))
        service.follower = self.follower
        service._restore(settings.data)
        board.fold(self.state.position)
        self.models = Models(settings.data / "models")
        self.models.follow(self.state.in_service)
        self.impressions = ImpressionLog(
            settings.data / "impressions",
            self.journal,
            settings.impressions,
            worker=board.worker,
            workers=board.workers,
        )
        self.impressions._stop.set()  # it waits for nothing between two turns
        self.impressions._safely(self.impressions._recover)
        self.sessions = Sessions(settings.sessions, board.worker)
        view = View(self.state, self.slices)
        self.timelines = Timelines(view, self.models, self.sessions, self.impressions, settings.exploration)
        self.writer = Writer(self.journal, self.follower)
        self.compactor = Compactor(self.slices, self.state.turn.read)
        self.upkeep = Upkeep(
            settings.data, self.journal, self.follower, UpkeepSettings(), trim=True, index=self.slices
        )
        self.vectorizer = Vectorizer(self.state, self.journal, settings.embedder, settings.data, board)
        self.vectorizer._stop.set()
        self._embedder = Embedder(lambda: chance(0.1))

    def make_vectors(self) -> str:
        """A turn of the vectorizer."""
        self.vectorizer._link = self._embedder  # type: ignore[assignment]
        try:
            return "some" if self.vectorizer._make_vectors() else "none"
        except (EmbedderUnavailable, JournalUnavailable) as error:
            self.vectorizer._lost(error)
            return "lost"

    def write_impressions(self, *, last: bool = False) -> None:
        """A turn of the impressions log; the last ones of a clean stop."""
        log = self.impressions
        log._safely(log._turn)
        if last:
            log._safely(log._flush)
            log._safely(log._finish)
