"""A feedrank server on virtual time: the real parts, with the simulation's clock and no thread to wait for.

A data folder as a server has it: the journal in its own Valkey, the impressions log, the models. Entries are
timed by the simulation and folded as soon as they are journaled, in the caller's thread; what was served is
logged by the log's own thread, and waited for, so that a run depends on nothing but its plan.
"""

import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import structlog
from feedrank.journal.v1 import journal_pb2

from ranker.candidates import View
from ranker.errors import FeedrankError
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal
from ranker.models import Models
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.sessions import Sessions, SessionSettings
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State
from ranker.timelines import Timelines
from ranker.valkey import EmbeddedValkey
from training.loop.learner import Learner
from training.playground import World

log = structlog.get_logger()

Entry = journal_pb2.Entry
_SOON_S = 0.001
_LATE_S = 10.0


class SimulationFailed(FeedrankError):
    """The simulated server did not do what a server does."""


class Server:
    """A feed as feedrank serves it. Use it as a context manager: it starts a Valkey and a thread."""

    def __init__(self, data: Path, world: World, size: int, learner: Learner | None) -> None:
        """`learner`: what retrains at night; None: the untrained server goes on as it is."""
        self.world = world
        self.size = size
        self.seed = world.seed
        self.learner = learner
        self.data = data
        self.now_ms = world.start_ms
        self.state = State(world.vector_dimension)
        self._slices = Slices(self.state.dimension, SliceSettings(), lambda: self.state.posts.vector)
        self._rows = 0
        self._open = ExitStack()

    def __enter__(self) -> "Server":
        with ExitStack() as opening:
            valkey = EmbeddedValkey(self.data / "journal")
            valkey.start()
            opening.callback(valkey.stop)
            self.journal = Journal.at_socket(valkey.socket)
            opening.callback(self.journal.close)
            self._follower = Follower(self.journal, Fold(self.state, self._slices))
            self._log = ImpressionLog(
                self.data / "impressions",
                self.journal,
                ImpressionSettings(journal_interval_s=_SOON_S, flush_s=0.1),
                clock=lambda: self.now_ms,
            )
            self._log.start()
            opening.callback(self._log.stop)
            self.models = Models(self.data / "models")
            self._timelines = Timelines(
                View(self.state, self._slices),
                self.models,
                Sessions(SessionSettings(places=2 * max(self.size, 10))),  # one page a session is read
                self._log,
            )
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, entry: Entry) -> None:
        """Journal it, and fold it."""
        self.now_ms = max(self.now_ms, entry.time_ms)
        self.journal.append(entry)
        self._fold(block_ms=None)

    def page(self, viewer: int, now_ms: int, visit: int) -> tuple[str, list[int]]:
        """The first page of a session, logged and journaled as served."""
        self.now_ms = max(self.now_ms, now_ms)
        ask = Ask(self.world.user_ids[viewer], now_ms, size=self.size, request_id=_name(self.seed, visit))
        page = self._timelines.page(ask, "", Trace())
        if page.placed:
            self._rows += len(page.placed)
            self._fold(block_ms=int(_LATE_S * 1000))
        return page.request_id, [self.state.post_ids.slot(one.post_id) for one in page.placed]

    def at_night(self, now_ms: int) -> None:
        """Let the learner learn, and journal what it wants to serve."""
        self.now_ms = now_ms
        if self.learner is None:
            return
        self._wait_for_log()
        if entry := self.learner.learn(now_ms):
            self.write(entry)

    def _fold(self, block_ms: int | None) -> None:
        """Fold all that is journaled; with `block_ms`, wait that long for the first."""
        records = self.journal.read(self.state.position, block_ms=block_ms)
        if block_ms and not records:
            raise SimulationFailed("what was served did not come to the journal: read the log above")
        while records:
            for record in records:
                self._follower.apply(record)
            records = self.journal.read(self.state.position) if len(records) > 1 else []
        if self._follower.poison:
            raise SimulationFailed(f"an entry could not be folded: {self._follower.poison[-1][1]}")

    def _wait_for_log(self) -> None:
        """Until all that was served is on disk."""
        late = time.monotonic() + _LATE_S
        while self._log.written + self._log.dropped < self._rows:
            if time.monotonic() > late:
                raise SimulationFailed("the impressions log does not write: read the log above")
            time.sleep(0.01)


def _name(seed: int, visit: int) -> str:
    """A request id that follows from the plan."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"feedrank:simulate/{seed}/{visit}").hex
