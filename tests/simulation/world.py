"""One history: a server of one or two workers, its callers, and what goes wrong, all drawn from a seed.

Every step draws what happens next. After each one the invariants are checked on all workers; at the end
everything heals, all calls are answered, and the whole is compared with a fresh fold of archive and journal.
"""

import hashlib
import os
import random
import secrets
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from feedrank.v1 import types_pb2
from structlog.testing import capture_logs

from ranker.archive import Archive, history
from ranker.board import Board
from ranker.errors import CursorExpired, FeedrankError, JournalUnavailable
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Journal, order
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.state import State, StateSettings, recent_ids
from tests.simulation import faults
from tests.simulation.callers import DIMENSION, POISON, VIEWERS, Call, Callers
from tests.simulation.clock import Clock
from tests.simulation.disk import Disk
from tests.simulation.faults import CALM, Crash
from tests.simulation.invariants import (
    Broken,
    all_is_bounded,
    equal,
    hold,
    page_is_sound,
    state_is_as_expected,
)
from tests.simulation.ledger import Ledger
from tests.simulation.model import Model
from tests.simulation.stream import Connection, StreamServer, named, position_of
from tests.simulation.worker import Worker, settings_of

STEPS = 45
_GENERATION = 64
"""Event ids that are surely remembered: few, so that they are forgotten in turn."""
_UNDER_WAY = 5
_TOLD = 12
"""Of the steps before a violation."""
_SURFACES = (
    types_pb2.SURFACE_FOR_YOU,
    types_pb2.SURFACE_FOLLOWING,
    types_pb2.SURFACE_DISCOVER,
    types_pb2.SURFACE_COMMUNITY,
)
_NEVER_LOGGED = {"source_failed", "fold_failed", "shadow_failed", "impressions_damaged", "models_not_loaded"}
_SHARED = Path("/dev/shm")
_OFTEN = {
    "send": 10, "timeline": 9, "rank_posts": 2, "similar": 0.5, "fold": 4, "vectors": 3,
    "impressions": 3, "compact": 1, "save": 1.2, "replay": 0.7, "trouble": 2, "stop": 0.4,
}  # fmt: skip
"""How often each step is drawn."""


class Violation(AssertionError):
    """A history broke an invariant: the seed, the step, why, and how to see it again."""

    def __init__(self, seed: int, step: int, why: str, lines: list[str]) -> None:
        self.seed, self.step, self.why, self.lines = seed, step, why, lines
        told = "\n  ".join(lines[-_TOLD:])
        super().__init__(
            f"seed {seed}, step {step}: {why}\n  {told}\n"
            f"See it again: python -m tests.simulation --seed {seed} --trace"
        )


@dataclass
class Told:
    """What a history came to."""

    digest: str
    """Of its trace: equal histories have equal ones."""
    steps: int
    met: Counter[str] = field(default_factory=Counter)
    """How often each thing happened."""
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Paging:
    """What a cursor goes on from."""

    worker: Worker
    ask: Ask
    shown: frozenset[str]


def run(seed: int, steps: int = STEPS) -> Told:
    """Live through a history. Raises Violation."""
    with tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None) as folder:
        return World(seed, Path(folder)).live(steps)


class World:
    """Everything that a history has in it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.draw = random.Random(seed)
        self.clock = Clock()
        self.rates = faults.drawn(self.draw)
        self.server = StreamServer(self.clock)
        self.disk = Disk(folder, self.clock, self.draw, self.rates, self._point)
        caps = self.draw.choice(((24, 16), (40, 64), (400, 64)))
        self.caps = StateSettings(max_posts=caps[0], max_users=caps[1])
        self.settings = settings_of(self.disk.data, self.caps)
        self.callers = Callers(self.draw, post_ids=self.draw.choice((30, 60)))
        self.size = self.draw.choice((1, 2, 2))
        self.board: Board | None = None
        self.workers: dict[int, Worker] = {}
        self.paging: dict[str, Paging] = {}
        self.ledger = Ledger()
        self.acknowledged: list[tuple[Call, str]] = []
        self.seen_by_all = (0, 0)
        """The newest position that somebody was told is visible."""
        self.told = Told("", 0)
        self.step = 0
        self._digest = hashlib.sha256()
        self._busy: list[int] = []
        """Workers at work, the innermost last: who dies at a point."""
        self._armed = True
        self._logged: list[Any] = []

    # A life.

    def live(self, steps: int) -> Told:
        """All steps, the end, and the checks."""
        with self._virtual():
            try:
                for self.step in range(steps):
                    self._do(self._next())
                    self._check()
                self.step = steps
                self._end()
            except Violation:
                raise
            except Exception as error:
                why = str(error) if isinstance(error, Broken) else "".join(traceback.format_exception(error))
                raise Violation(self.seed, self.step, why, self.told.lines) from error
        self.told.digest, self.told.steps = self._digest.hexdigest(), steps
        return self.told

    @contextmanager
    def _virtual(self) -> Iterator[None]:
        with ExitStack() as opening:
            opening.enter_context(patch.object(recent_ids, "GENERATION", _GENERATION))
            opening.enter_context(patch.object(secrets, "token_bytes", self.draw.randbytes))
            self._logged = opening.enter_context(capture_logs())
            opening.enter_context(self.clock.running())
            opening.enter_context(self.disk.spinning())
            opening.callback(self._forget_board)
            opening.callback(self.disk.close)
            yield

    def _next(self) -> tuple[str, Callable[[], str]]:
        """What happens in this step."""
        self.clock.pass_s(self.draw.choice((0.001, 0.05, 1, 1, 30, 400)))
        if not self.workers or (len(self.workers) < self.size and self.draw.random() < 0.3):
            self.server.up = self.server.up or self.draw.random() < 0.7
            self.disk.full = self.disk.full and self.draw.random() < 0.5
            return "start", self._start
        arrived = [call for call in self.callers.waiting if call.due <= self.step]
        if arrived and self.draw.random() < 0.5:
            call = self.draw.choice(arrived)
            return "deliver", lambda: self._deliver(call)
        names, weights = zip(*_OFTEN.items(), strict=True)
        name = self.draw.choices(names, weights)[0]
        return name, getattr(self, f"_{name}")

    def _do(self, what: tuple[str, Callable[[], str]]) -> None:
        """One step of somebody; a crash ends who was at work."""
        name, step = what
        try:
            said = step()
        except Crash as crash:
            said = f"crash {crash}"
            self._crash(str(crash))
        self._busy.clear()
        self.told.met[name] += 1
        self._note(f"{name}: {said}")

    def _note(self, line: str) -> None:
        line = f"{self.step:3} {self.clock.wall_ms} {line}"
        self._digest.update(line.encode())
        self.told.lines.append(line)

    def _chance(self, share: float) -> bool:
        return self._armed and self.draw.random() < share

    def _point(self, name: str) -> None:
        """A call of the journal or of the disk begins or ends: a process may die here."""
        if self._busy and self._armed and self.draw.random() < self.rates.crash:
            raise Crash(f"of worker {self._busy[-1]} at {name}")

    def _worker(self) -> Worker:
        worker = self.workers[self.draw.choice(sorted(self.workers))]
        self._busy.append(worker.number)
        return worker

    # Starts and ends of workers.

    def _start(self) -> str:
        """The primary, or another worker when that is there."""
        number = 0 if 0 not in self.workers else 1
        self._busy.append(number)
        if number == 0:
            self._forget_board()
            self.board = Board.shared(self.size) if self.size > 1 else Board()
        assert self.board
        board = self.board if number == 0 else Board(self.size, number, self.board.file)
        connection = Connection(self.server, self.draw, self.rates, self._point)
        try:
            worker = Worker(self.settings, board, connection, self._model(), self._meanwhile, self._chance)
        except JournalUnavailable:
            board.clear(number)
            return f"worker {number} can't: the journal does not answer"
        self.workers[number] = worker
        self._follow(worker)
        worker.poison_before = worker.model.poison - worker.follower.poison_count
        self.told.met["restored"] += bool(worker.state.position)
        return f"worker {number} at {worker.state.position}"

    def _model(self) -> Model:
        return Model(self.caps.max_posts, self.caps.max_users, _GENERATION)

    def _crash(self, why: str) -> None:
        """The worker at work dies, and all with the primary, or with the machine."""
        number = self._busy[-1] if self._busy else 0
        self.told.met["crash"] += 1
        if power := self.draw.random() < self.rates.power:
            self.told.met["power cut"] += 1
            self.server.up = False
        dead = sorted(self.workers) if power or number == 0 else [number]
        if power:
            self.disk.lose_power()
        else:
            self.disk.kill()
        for one in dead:
            self._bury(one)
        logs = [worker.impressions._segment for worker in self.workers.values()]
        self.disk.close({log.path for log in logs if log})
        if number not in dead and self.board:
            self.board.clear(number)  # it was starting
        self._note(f"  {why}{', and the power is gone' if power else ''}")

    def _bury(self, number: int) -> None:
        worker = self.workers.pop(number, None)
        self.ledger.ended(number)
        self.paging = {name: one for name, one in self.paging.items() if one.worker is not worker}
        if self.board and number:
            self.board.clear(number)

    def _forget_board(self) -> None:
        if self.board and self.board.file >= 0:
            os.close(self.board.file)
        self.board = None

    def _stop(self) -> str:
        """A clean stop of all: the last pages are written, and a snapshot."""
        for number in sorted(self.workers, reverse=True):
            self._busy.append(number)
            worker = self.workers[number]
            worker.write_impressions(last=True)
            self.ledger.look(worker)
            if number == 0:
                with suppress(OSError):  # the last snapshot is for speed
                    self._save_with(worker)
            self._bury(number)
        return "all"

    # Writes.

    def _send(self) -> str:
        """A caller has something to say."""
        if len(self.callers.waiting) >= _UNDER_WAY:
            return "enough is under way"
        call = self.callers.next_call(self.clock.wall_ms)
        call.due = self.step + (self.draw.randint(1, 8) if self._chance(self.rates.late) else 0)
        self.callers.waiting.append(call)
        return str(call) if call.due > self.step else self._deliver(call)

    def _deliver(self, call: Call) -> str:
        """A call arrives at a worker; its answer may not come back."""
        call.tries += 1
        call.due = self.step + self.draw.randint(1, 6)
        if not self.workers:
            return f"{call}: nobody is there"
        worker = self._worker()
        try:
            position, visible = worker.writer.write(call.entry(self.clock.wall_ms))
        except JournalUnavailable:
            self.told.met["refused"] += 1
            return f"{call}: not acknowledged"
        reached = order(worker.state.position) >= order(position)
        equal(f"what was told of {call}: visible", visible and not reached, False)
        if visible:
            self.seen_by_all = max(self.seen_by_all, position_of(position))
        if self._chance(self.rates.unheard):
            return f"{call}: at {position}, and the answer is lost"
        self.acknowledged.append((call, position))
        self._is_kept(call, position)
        if self._chance(self.rates.twice):
            return f"{call}: at {position}, and comes again"
        if not call.answered:  # it may have been under way twice
            self.callers.waiting.remove(call)
        call.answered = True
        return f"{call}: at {position}, visible {visible}"

    def _is_kept(self, call: Call, position: str) -> None:
        payload = self.server.at(position_of(position))
        hold(payload is not None, f"{call} was acknowledged at {position}, and the journal has no such entry")
        assert payload is not None
        hold(call.is_in(payload), f"{call} was acknowledged at {position}, and its rows are not there")

    # Reads.

    def _timeline(self) -> str:
        worker = self._worker()
        caught_up = self._caught_up(worker)
        mine = [name for name, one in self.paging.items() if one.worker is worker]
        cursor = self.draw.choice(mine) if mine and self.draw.random() < 0.6 else ""
        ask = self.paging[cursor].ask if cursor else self._ask()
        ask = replace(ask, request_id=f"{self.draw.getrandbits(128):032x}", now_ms=self.clock.wall_ms)
        trace = Trace()
        try:
            page = worker.timelines.page(ask, cursor, trace)
        except CursorExpired:
            del self.paging[cursor]
            return "the cursor has expired"
        page_is_sound(worker, ask.viewer_id, ask.surface, page, ask.now_ms)
        equal("what was degraded", trace.degraded, [])
        names = [one.post_id for one in page.placed]
        before = self.paging[cursor].shown if cursor else frozenset()
        again = before.intersection(names)
        hold(not again, f"{', '.join(sorted(again))} came to {ask.viewer_id} twice in a session")
        hold(len(names) <= ask.size, "a page has more posts than were asked for")
        if page.cursor:
            self.paging[page.cursor] = Paging(worker, ask, before.union(names))
        self.ledger.served(worker, page)
        self.told.met["served"] += len(names)
        self.told.met["next pages"] += bool(cursor and names)
        return (
            f"{ask.viewer_id} {ask.surface} from {page.first_place} at {worker.number}, {caught_up}: {names}"
        )

    def _ask(self) -> Ask:
        surface = self.draw.choice((types_pb2.SURFACE_FOR_YOU, *_SURFACES))
        return Ask(
            self.draw.choice([*VIEWERS, "stranger"]),
            self.clock.wall_ms,
            surface=surface,
            size=self.draw.choice((1, 3, 6)),
            community_id="garden" if surface == types_pb2.SURFACE_COMMUNITY else "",
            chronological=surface == types_pb2.SURFACE_FOLLOWING and self.draw.random() < 0.3,
            include_seen=self.draw.random() < 0.2,
            exploration=self.settings.exploration,
        )

    def _caught_up(self, worker: Worker) -> bool:
        """A read begins where all that was said to be visible is folded, or it is said to be behind."""
        caught_up = worker.follower.catch_up(0.1)
        self._follow(worker)
        if caught_up:
            reached = position_of(worker.state.position)
            hold(reached >= self.seen_by_all, "a read misses a write that was said to be visible")
        return caught_up

    def _rank_posts(self) -> str:
        """The caller's posts: what is not shown is just what the model says."""
        worker = self._worker()
        self._caught_up(worker)
        viewer, now_ms = self.draw.choice(VIEWERS), self.clock.wall_ms
        names = sorted({self.callers.post_id() for _ in range(12)})
        ask = Ask(viewer, now_ms, size=len(names), request_id=f"{self.draw.getrandbits(128):032x}")
        ranked = worker.timelines.rank_posts(ask, names, apply_filters=True, trace=Trace())
        page_is_sound(worker, viewer, types_pb2.SURFACE_UNSPECIFIED, ranked.page, now_ms)
        removed = {name for name, reason in ranked.removed if reason != "duplicate"}
        expected = {name for name in names if worker.model.why_not(viewer, name, now_ms)}
        equal(f"what {viewer} must not see", removed | set(ranked.unknown), expected)
        self.ledger.served(worker, ranked.page)
        return f"{viewer} at {worker.number}: {[one.post_id for one in ranked.page.placed]}"

    def _similar(self) -> str:
        worker = self._worker()
        self._caught_up(worker)
        viewer, now_ms, near = self.draw.choice(VIEWERS), self.clock.wall_ms, self.callers.post_id()
        ask = Ask(viewer, now_ms, types_pb2.SURFACE_SIMILAR, size=5, near_id=near)
        page = worker.timelines.similar(
            replace(ask, request_id=f"{self.draw.getrandbits(128):032x}"), Trace()
        )
        page_is_sound(worker, viewer, types_pb2.SURFACE_UNSPECIFIED, page, now_ms)
        return f"to {near} for {viewer}: {[one.post_id for one in page.placed]}"

    # What threads do.

    def _fold(self) -> str:
        worker = self._worker()
        return f"{worker.number} to {worker.state.position}, connected {worker.follower.step()}"

    def _vectors(self) -> str:
        self._busy.append(0)
        return self.workers[0].make_vectors() if 0 in self.workers else "no primary"

    def _impressions(self) -> str:
        worker = self._worker()
        worker.write_impressions()
        self.ledger.look(worker)
        return f"{worker.number}: {worker.impressions.written} written, {worker.impressions.dropped} dropped"

    def _compact(self) -> str:
        worker = self._worker()
        return f"{worker.number}: {worker.compactor._compact_one()}"

    def _save(self) -> str:
        self._busy.append(0)
        if 0 not in self.workers:
            return "no primary"
        try:
            return self._save_with(self.workers[0])
        except (OSError, FeedrankError) as error:
            self.told.met["not saved"] += 1
            return f"not saved: {error.__class__.__name__}"

    def _save_with(self, worker: Worker) -> str:
        if not worker.state.position:
            return "nothing to save"
        try:
            position, _ = worker.upkeep.save()
        except JournalUnavailable:
            return "not archived: the journal does not answer"
        self.told.met["saved"] += 1
        return f"saved at {position}"

    def _meanwhile(self) -> None:
        """While one waits, others go on: calls arrive, other workers fold. One level deep."""
        if len(self._busy) > 1 or not self._chance(self.rates.between):
            return
        outer = list(self._busy)
        name = self.draw.choice(("deliver", "timeline", "fold"))
        self._note(f"  meanwhile {name}")
        waiting = self.callers.waiting
        try:
            if name != "deliver":
                said = getattr(self, f"_{name}")()
            else:
                said = self._deliver(self.draw.choice(waiting)) if waiting else "nothing"
            self._note(f"  {said}")
        except Crash as crash:
            self._crash(str(crash))
            if any(one not in self.workers for one in outer):
                raise Crash("with the other") from None
        self._busy = outer

    # Trouble.

    def _trouble(self) -> str:
        kinds = ("cut", "down", "full", "up", "up", "back", "poison", "kill", "power")
        return str(getattr(self, f"_trouble_{self.draw.choice(kinds)}")())

    def _trouble_cut(self) -> str:
        worker = self._worker()
        worker.connection.cut = not worker.connection.cut
        return f"the connection of {worker.number} is {'cut' if worker.connection.cut else 'mended'}"

    def _trouble_down(self) -> str:
        self.server.up = self.rates.refused == 0
        return "the journal's server ends" if not self.server.up else "a calm day"

    def _trouble_full(self) -> str:
        self.disk.full = self.rates.full > 0
        return "the disk is full" if self.disk.full else "a calm day"

    def _trouble_up(self) -> str:
        self.server.up, self.disk.full = True, False
        for worker in self.workers.values():
            worker.connection.cut = False
        return "the journal's server is there, and room on the disk"

    def _trouble_back(self) -> str:
        self.clock.set_back(self.draw.choice((5, 60_000, 3_600_000)))
        return "the clock is set back"

    def _trouble_poison(self) -> str:
        if not self.server.up:
            return "the journal's server is down"
        return f"poison at {named(self.server.add(self.draw.choice(POISON)))}"

    def _trouble_kill(self) -> str:
        if self.rates.crash:
            raise Crash(f"of worker {self._worker().number} by hand")
        return "a calm day"

    def _trouble_power(self) -> str:
        if self.rates.crash and self.rates.power:
            self._busy.append(0)
            raise Crash("of the machine")
        return "a calm day"

    # Checks.

    def _check(self) -> None:
        """After every step."""
        for worker in self.workers.values():
            before = worker.heard
            self._follow(worker)
            if worker.heard != before:
                self._is_expected(worker)
            all_is_bounded(worker, _GENERATION)
        strange = [line for line in self._logged if line["event"] in _NEVER_LOGGED]
        hold(not strange, f"the service logged {strange[:1]}")
        self._logged.clear()

    def _is_expected(self, worker: Worker) -> None:
        try:
            state_is_as_expected(worker)
        except Broken as broken:
            raise Broken(f"worker {worker.number} at {worker.state.position}: {broken}") from None

    def _follow(self, worker: Worker) -> None:
        """Bring a worker's model to where its state is."""
        reached, log = position_of(worker.state.position), self.server.log
        while worker.heard < len(log) and log[worker.heard][0] <= reached:
            worker.model.hear(log[worker.heard][1])
            worker.heard += 1

    def _replay(self) -> str:
        """Replay equals live, and workers at one position are equal, bit for bit."""
        prints: dict[str, str] = {}
        for worker in self.workers.values():
            found = worker.state.fingerprint()
            equal(
                f"replicas at {worker.state.position}", prints.setdefault(worker.state.position, found), found
            )
        for position, found in prints.items():
            equal(f"live state at {position}, beside its replay", found, self._replayed(position))
        return f"{sorted(prints)}"

    def _replayed(self, upto: str) -> str:
        """The fingerprint of a fresh fold of archive and journal, on a day when nothing goes wrong."""
        state = State(DIMENSION, self.caps)
        with self._calm():
            journal = Journal(Connection(self.server, self.draw, CALM, self._point))  # type: ignore[arg-type]
            follower = Follower(journal, Fold(state))
            for record in history(Archive(self.disk.data / "archive"), journal):
                if order(record[0]) > order(upto):
                    break
                follower.apply(record)
        return state.fingerprint()

    @contextmanager
    def _calm(self) -> Iterator[None]:
        before = self._armed, self.disk.broken, self.server.up
        self._armed, self.disk.broken, self.server.up = False, False, True
        yield
        self._armed, self.disk.broken, self.server.up = before

    def _end(self) -> None:
        """All heals: every call is answered, all is folded, and nothing is missing anywhere."""
        with self._calm():
            self.rates = CALM
            self._trouble_up()
            for worker in self.workers.values():
                worker.connection._rates = CALM
            while len(self.workers) < self.size:
                self._do(("start", self._start))
                self._check()
            for call in list(self.callers.waiting):
                self._do(("deliver", lambda call=call: self._deliver(call)))  # type: ignore[misc]
                self._check()
            hold(not self.callers.waiting, "a call is not answered though nothing stands in its way")
            for _ in range(2):  # what was served is journaled, and then folded
                for worker in self.workers.values():
                    worker.write_impressions(last=True)
                    self.ledger.look(worker)
                    while worker.follower.lag():
                        worker.follower.step()
            self._check()
            for call, position in self.acknowledged:
                self._is_kept(call, position)
            self._note(f"the end: {self._replay()}")
            equal("positions of all", len({one.state.position for one in self.workers.values()}), 1)
            rows = self.ledger.check(self.disk.data / "impressions")
            self.told.met["rows logged"] += rows
            self._note(f"{rows} rows logged")
            self._digest.update(self.workers[0].state.fingerprint().encode())
