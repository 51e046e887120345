"""Half an hour of mixed load with faults: does memory stay flat, and is every handle given back?

    python -m tests.faults.soak --minutes 30 --seed 1 --json
    python -m tests.faults.soak --minutes 3 --folder soaked

A real server with its embedder and its Valkey takes all kinds of calls at a fixed rate (`tests.faults.load`).
Rounds of faults come in an order, at times and for lengths that the seed draws: Valkey is stopped (SIGSTOP)
or killed, the embedder is killed, a source hangs in Python and in C, the models folder is gone, connections
are cut in mid call. Every two seconds memory, file descriptors, threads, child processes and the data folder
are measured.

What grows because there is more to hold is no leak, so the server may hold little, and all of it is full
before it counts: posts (and with them slices), users, sessions and the impressions' files are capped at about
half of what the load brings during the warm-up, snapshots come every twenty seconds and trim the journal,
the viewers' rings (the widest: 1,024 posts seen) turn over in minutes, and the table of event ids is in
touch everywhere after some 20,000. Newcomers come, are pushed out or erased. At the warm-up's end it is
looked whether posts, users and sessions have met their caps. Only the archive grows: it is history, on disk.

After the warm-up, a third of the time and eight minutes at most, come a rest without calls and faults, the
stretch that is judged, and another rest. Memory is the unique set size (USS: what would be free if the
process ended) of the server with its Valkey; its slope is that of Theil (1950) and Sen (1968): the median of
the slopes of all pairs of samples, which no spike moves. The embedder is killed too often to have a slope: of
it the most is told. Handles are the medians of the rests. Pools (connections to Valkey, threads beside the
readers) grow to the most that were ever in use at a time, and a later fault may raise that a little: four
more handles are let pass, and always fewer than there were rounds of faults.

Exit 1 when the slope is 1 % in ten minutes or more (told, but judged only where ten minutes were measured),
the last rest has more handles than the first, fewer than 999 in 1,000 timelines came within their deadline, a
call ended with INTERNAL, a kind of call never succeeded, a cap was not met, an entry was set aside, or the
server did not heal, or ended.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from scipy.stats import theilslopes

from tests.faults.load import POSTS_A_CALL, READS, Load, lines
from tests.faults.outages import (
    EMBEDDER_KILLED,
    FAULTS_OF_ONE,
    HEALED_WITHIN_S,
    Fault,
    FaultyServer,
    Relay,
    network,
    running,
)
from tests.live import within
from tests.ranker.server.test_admin import train

MOST_SLOPE = 1.0
"""Percent in ten minutes."""
LEAST_ANSWERED = 0.999
MORE_HANDLES = 4
_TEN_MINUTES_S = 600.0
_LOOK_S = 2.0
_MIB = 2**20
_SESSIONS = 100
_NAMES = {"valkey-stopped", "valkey-killed", "source-hangs", "source-hangs-in-c", "models-gone"}
_PARTS = ("archive", "erasures", "impressions", "journal", "models", "snapshots")


@dataclass(frozen=True)
class Plan:
    """How long what takes, in seconds."""

    warm_up_s: float
    rest_s: float
    judged_s: float
    pause_s: float
    """Between two faults, at most."""
    longest_s: float
    """Of a fault."""
    look_s: float = _LOOK_S
    embedder: bool = True

    @staticmethod
    def of(minutes: float) -> "Plan":
        """A run of so many minutes."""
        seconds = 60 * minutes
        warm_up, rest = min(seconds / 3, 480.0), min(seconds / 30, 30.0)
        return Plan(
            warm_up, rest, seconds - warm_up - 2 * rest, min(warm_up / 16, 20.0), min(warm_up / 20, 4.0)
        )

    @property
    def seconds(self) -> float:
        """Of all of it."""
        return self.warm_up_s + self.judged_s + 2 * self.rest_s

    def settings(self) -> dict[str, str]:
        """A server that holds half of what comes during the warm-up."""
        return {
            "STATE__MAX_POSTS": str(int(max(400, 0.5 * self.warm_up_s * POSTS_A_CALL))),
            "STATE__MAX_USERS": str(int(max(60, 40 + 0.5 * self.warm_up_s))),
            "SLICES__SLICE_POSTS": "128",
            "SLICES__EXACT_POSTS": "1024",
            "SESSIONS__MAX_SESSIONS": str(_SESSIONS),
            "IMPRESSIONS__FILE_ROWS": "4000",
            "IMPRESSIONS__FILE_AGE_S": "20",
            "IMPRESSIONS__MAX_GIB": "0.005",
            "UPKEEP__SNAPSHOT_EVERY_S": str(min(self.warm_up_s / 5, 20.0)),
        }


@dataclass(frozen=True)
class Sample:
    """One look. Memory is in MiB, USS."""

    at_s: float
    stretch: str
    fault: str
    server_mb: float
    embedder_mb: float
    valkey_mb: float
    descriptors: int
    threads: int
    children: int
    disk_mb: dict[str, float]

    @property
    def together_mb(self) -> float:
        """Of the server and its Valkey."""
        return self.server_mb + self.valkey_mb


@dataclass
class Tally:
    """What came of a run."""

    seed: int
    minutes: float
    seconds: float = 0.0
    slope: float = 0.0
    """Of the server and Valkey, percent in ten minutes."""
    server_mb: tuple[float, float] = (0.0, 0.0)
    """The medians of the first and the last fifth of what is judged."""
    embedder_mb: float = 0.0
    """At most."""
    handles: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of the rests before and after."""
    faults: dict[str, int] = field(default_factory=dict)
    heal_s: dict[str, float] = field(default_factory=dict)
    """The slowest of each."""
    reads: int = 0
    answered: int = 0
    slowest_ms: float = 0.0
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    held: dict[str, tuple[float, float]] = field(default_factory=dict)
    """At the warm-up's end, and the cap."""
    disk_mb: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    judged: bool = False
    """Whether it was long enough for slopes and caps to mean something."""

    @property
    def share(self) -> float:
        """Of timelines that came in time."""
        return self.answered / max(self.reads, 1)


class Watch:
    """Looks at the server's processes now and then."""

    def __init__(self, server: FaultyServer, every_s: float) -> None:
        self.samples: list[Sample] = []
        self.stretch, self.fault = "warm-up", ""
        self._server = server
        self._every_s = every_s
        self._began = time.monotonic()
        self._process = psutil.Process(server.process.pid)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """From here to the end of the block."""
        enough = threading.Event()
        thread = threading.Thread(target=self._run, args=(enough,), name="watch")
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def look(self, stretch: str) -> None:
        """Look now; what comes after belongs to that stretch."""
        self.stretch = stretch
        self.samples.append(self._look())

    def _run(self, enough: threading.Event) -> None:
        while not enough.wait(self._every_s):
            with suppress(
                psutil.NoSuchProcess
            ):  # a child that ended meanwhile, or the server: seen elsewhere
                self.samples.append(self._look())

    def _look(self) -> Sample:
        embedder = valkey = 0.0
        children = self._process.children()
        for child in children:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                used = child.memory_full_info().uss / _MIB
                of_embedder = "embeddings.process" in child.cmdline()
                embedder, valkey = embedder + used * of_embedder, valkey + used * (not of_embedder)
        return Sample(
            time.monotonic() - self._began,
            self.stretch,
            self.fault,
            self._process.memory_full_info().uss / _MIB,
            embedder,
            valkey,
            self._process.num_fds(),
            self._process.num_threads(),
            len(children),
            {name: _size_mb(self._server.data / name) for name in _PARTS},
        )


def _size_mb(folder: Path) -> float:
    """Of all files below; those that go meanwhile count as nothing."""
    size = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(at) / name).stat().st_size
    return size / _MIB


class Faults:
    """Rounds of faults, each round in another order, until a time."""

    def __init__(
        self, server: FaultyServer, faults: Sequence[Fault], plan: Plan, watch: Watch, seed: int
    ) -> None:
        self.count = {one.name: 0 for one in faults}
        self.heal_s = {one.name: 0.0 for one in faults}
        """The slowest of each."""
        self._server = server
        self._faults = faults
        self._plan = plan
        self._watch = watch
        self._random = random.Random(seed)
        self._round: list[Fault] = []

    def until(self, end: float) -> None:
        """Faults, one at a time; the last one has healed before the end, or soon after."""
        while (left := end - time.monotonic()) > 0:
            pause = self._random.uniform(0.2, 1.0) * self._plan.pause_s
            if pause + 2 * self._plan.longest_s > left:
                time.sleep(left)
                return
            time.sleep(pause)
            self._one(self._next())

    def _next(self) -> Fault:
        self._round = self._round or self._random.sample(list(self._faults), len(self._faults))
        return self._round.pop()

    def _one(self, fault: Fault) -> None:
        self._watch.fault = fault.name
        fault.begin(self._server)
        time.sleep(self._random.uniform(0.3, 1.0) * self._plan.longest_s)
        fault.end(self._server)
        ended = time.monotonic()
        if not within(5 * HEALED_WITHIN_S, self._server.is_whole):
            raise RuntimeError(f"the server did not heal of {fault.name}:\n{self._server.log[-4000:]}")
        self._watch.fault = ""
        self.count[fault.name] += 1
        self.heal_s[fault.name] = max(self.heal_s[fault.name], time.monotonic() - ended)


def slope(at_s: Sequence[float], values: Sequence[float]) -> float:
    """Percent of the median in ten minutes, after Theil and Sen.

    >>> round(slope([0, 300, 600, 900], [100.0, 101.0, 150.0, 103.0]), 2)
    1.96
    """
    steepness = float(theilslopes(values, at_s).slope)
    return 100 * steepness * _TEN_MINUTES_S / statistics.median(values)


def judge(tally: Tally, samples: Sequence[Sample], *, rounds: int) -> Iterator[str]:
    """Fill the tally's slopes and handles from samples; yields what is wrong with them, as sentences."""
    judged = [one for one in samples if one.stretch == "judged"]
    at, together = [one.at_s for one in judged], [one.together_mb for one in judged]
    tally.slope, tally.judged = slope(at, together), at[-1] - at[0] >= _TEN_MINUTES_S
    if tally.judged and tally.slope >= MOST_SLOPE:
        yield f"the memory of the server and Valkey grows by {tally.slope:.2f} % in ten minutes"
    tally.embedder_mb = max(one.embedder_mb for one in samples)
    fifth = max(len(judged) // 5, 1)
    first, last = (
        statistics.median(one.server_mb for one in few) for few in (judged[:fifth], judged[-fifth:])
    )
    tally.server_mb = first, last
    before, after = ([one for one in samples if one.stretch == name] for name in ("before", "after"))
    more = min(MORE_HANDLES, max(rounds - 1, 1))
    for name in ("descriptors", "threads", "children"):
        old, new = (statistics.median(getattr(one, name) for one in few) for few in (before, after))
        tally.handles[name] = old, new
        if new > old + more * (name != "children"):
            yield f"there are {new:.0f} {name} in the last rest, and {old:.0f} in the first"


def run(plan: Plan, seed: int, folder: Path, say: Callable[[str], object]) -> tuple[Tally, list[Sample]]:
    """A whole run; `say` hears how it goes."""
    tally, began = Tally(seed, plan.seconds / 60), time.monotonic()
    with running(folder / "data", embedder=plan.embedder, **plan.settings()) as server:
        train(server.data / "models", "second")
        world = network(int(2 * POSTS_A_CALL * plan.seconds) + 100, embedder=plan.embedder)
        relay = Relay(int(server.address.rpartition(":")[2]))
        watch = Watch(server, plan.look_s)
        faults = Faults(server, _faults(plan, relay), plan, watch, seed)
        with Load(server, world, lines(f"127.0.0.1:{relay.port}"), seed) as load, watch.watching():
            with _told(watch, load, say):
                _live(plan, server, watch, load, faults, tally)
            relay.cut()
        _take_over(tally, load, faults)
        tally.violations += judge(tally, watch.samples, rounds=min(faults.count.values()))
        tally.disk_mb = watch.samples[-1].disk_mb
        tally.violations += _wrong(tally, load, server)
    tally.seconds = time.monotonic() - began
    return tally, watch.samples


def _faults(plan: Plan, relay: Relay) -> list[Fault]:
    cut = Fault("connections-cut", lambda _: relay.cut(), lambda _: relay.mend(), None)
    of_all = [*(one for one in FAULTS_OF_ONE if one.name in _NAMES), cut]
    return [*of_all, EMBEDDER_KILLED] if plan.embedder else of_all


def _live(plan: Plan, server: FaultyServer, watch: Watch, load: Load, faults: Faults, tally: Tally) -> None:
    """Warm-up, rest, what is judged, rest."""
    load.gate.set()
    faults.until(time.monotonic() + plan.warm_up_s)
    tally.held = _held(server, plan)
    for stretch, rest in (("", "before"), ("judged", "after")):
        if stretch:
            watch.look(stretch)
            load.gate.set()
            faults.until(time.monotonic() + plan.judged_s)
            watch.look(stretch)
        load.gate.clear()
        watch.look("coming to rest")
        time.sleep(plan.rest_s / 2)
        watch.look(rest)
        time.sleep(plan.rest_s / 2)
    watch.look("over")


def _held(server: FaultyServer, plan: Plan) -> dict[str, tuple[float, float]]:
    """How much there is of what has a cap, and the cap. Posts and users leave an eighth at a time."""
    told, settings = server.client.status(), plan.settings()
    metrics = dict(line.rsplit(" ", 1) for line in server.metrics().splitlines() if line[:1] != "#")
    return {
        "posts": (float(metrics["feedrank_posts"]), float(settings["STATE__MAX_POSTS"])),
        "users": (float(told.users), float(settings["STATE__MAX_USERS"])),
        "sessions": (float(metrics["feedrank_sessions"]), float(_SESSIONS)),
    }


def _take_over(tally: Tally, load: Load, faults: Faults) -> None:
    for (kind, code), count in sorted(load.codes.items()):
        tally.codes.setdefault(kind, {})[code] = count
    tally.reads = sum(load.calls[kind] for kind in READS)
    tally.answered = sum(load.codes[kind, "OK"] for kind in READS) - load.late
    tally.slowest_ms = load.slowest_ms
    tally.faults, tally.heal_s = faults.count, faults.heal_s


def _wrong(tally: Tally, load: Load, server: FaultyServer) -> Iterator[str]:
    """What is wrong with the answers."""
    yield from load.wrong
    if tally.share < LEAST_ANSWERED:
        yield f"{tally.reads - tally.answered} of {tally.reads} timelines did not come in time"
    yield from (f"no {kind} was answered" for kind, codes in tally.codes.items() if not codes.get("OK"))
    slow = {name: spent for name, spent in tally.heal_s.items() if spent > HEALED_WITHIN_S}
    yield from (f"{name} healed after {spent:.0f} s" for name, spent in slow.items())
    yield from (f"{name} did not come" for name, count in tally.faults.items() if not count)
    if poison := server.client.status().poison_entries:
        yield f"{poison} entries were set aside"
    if tally.judged:
        for name, (held, cap) in tally.held.items():
            if held < 0.85 * cap:
                yield f"{held:.0f} of {cap:.0f} {name} were held after the warm-up: what grows may be data"


@contextmanager
def _told(watch: Watch, load: Load, say: Callable[[str], object]) -> Iterator[None]:
    """Says how it goes, every ten seconds."""
    enough = threading.Event()

    def tell() -> None:
        while not enough.wait(10):
            if watch.samples:
                one, calls = watch.samples[-1], load.calls
                say(
                    f"{one.at_s:.0f} s, {one.stretch}: {one.server_mb:.1f} MiB, "
                    f"embedder {one.embedder_mb:.0f}, Valkey {one.valkey_mb:.1f}; "
                    f"{one.descriptors} descriptors, {one.threads} threads; "
                    f"{calls.total()} calls, {load.late} late, {len(load.wrong)} wrong {[*load.wrong][-1:]} "
                    f"{one.fault}"
                )

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1, help="of the load and the faults")
    parser.add_argument("--folder", type=Path, help="where the data folder and samples.jsonl are left")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    asked = parser.parse_args()
    with ExitStack() as opening:
        folder = (asked.folder or Path(opening.enter_context(tempfile.TemporaryDirectory()))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tally, samples = run(
            Plan.of(asked.minutes), asked.seed, folder, lambda line: sys.stderr.write(f"{line}\n")
        )
        lines_ = [json.dumps(asdict(one)) for one in samples]
        (folder / "samples.jsonl").write_text("\n".join(lines_) + "\n")
    sys.stdout.write((json.dumps(asdict(tally)) if asked.json else str(tally)) + "\n")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
