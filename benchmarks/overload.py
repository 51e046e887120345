"""What becomes of timelines when five times as many are asked for as can be made?

    python -m benchmarks.overload --posts 10000 --viewers 1000 --seconds 60

First the sustainable rate is found: the highest at which 99 in 100 timelines come within the target, without
errors, and nearly all with all their candidates (`benchmarks.load`). Then so many times that rate is sent for
`--seconds`. Before it and after it rates around the sustainable one are sent, and the best of these, by the
mean of before and after (machines drift), is the best goodput: answers a second, within the caller's
deadline. Told are the goodput as a share of the best, how soon refusals come (as the server counts them,
from a call's coming to its refusal, and as a caller sees them), the server's memory, and how long it takes
until timelines are normal again: in time, not refused, with all candidates. Callers here never ask again.

Exits with 1 where the goodput is below 90 % of the best, refusals at the 99th percentile take more than 5 ms
by the server's count, or normal takes more than 5 s.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import feedrank
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import load
from benchmarks.calls import Mix
from benchmarks.generator import Generator, Outcome, Target, generating
from benchmarks.report import emit
from benchmarks.server import Figures, Server
from benchmarks.week import Week
from ranker.settings import ServerSettings
from training.commands.shared import progress

AROUND = (1.0, 1.5, 2.0)
"""Of the sustainable rate: where the best goodput is looked for."""

MOST_DEGRADED = 0.05
LEAST_SHARE, MOST_REFUSAL_MS, MOST_RECOVERY_S = 0.9, 5.0, 5.0
_LOOK_S = 0.05
_BUCKET = "feedrank_refusal_seconds_bucket "


@dataclass
class Watch:
    """Asks for a timeline again and again beside the load, and looks at the server's memory."""

    server: Server
    viewers: list[str]
    target_s: float
    normal: list[tuple[float, bool]] = field(default_factory=list)
    """When a timeline was asked for, and whether it was as it should be."""
    memory_mb: list[float] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """From here to the end of the block."""
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def recovery_s(self, end: float) -> float:
        """From the end of the load to the first of timelines that were normal from then on."""
        after = [(at, good) for at, good in self.normal if at >= end]
        bad = [at for at, good in after if not good]
        return bad[-1] + _LOOK_S - end if bad else 0.0

    def _watch(self, stop: threading.Event) -> None:
        rng = np.random.default_rng(0)
        with feedrank.Client(self.server.address) as client:
            while not stop.wait(_LOOK_S):
                began = time.monotonic()
                self.normal.append((began, self._good(client, self.viewers[rng.integers(len(self.viewers))])))
                self.memory_mb.append(self.server.resident_mb)

    def _good(self, client: feedrank.Client, viewer: str) -> bool:
        began = time.monotonic()
        try:
            page = client.timeline(viewer, timeout=2)
        except feedrank.Error:
            return False
        return not page.degraded and time.monotonic() - began <= self.target_s


def goodput(outcome: Outcome) -> float:
    """Timelines answered a second."""
    return outcome.counts["answered_reads"] / outcome.seconds


def sustainable(generate: Generator, each: Mix, plan: load.Plan, tell: Callable[[str], None]) -> float:
    """The highest rate that is kept with all candidates."""

    def passes(rate: float) -> bool:
        tell(f"{rate:.1f} timelines a second")
        outcome = generate(each * rate, plan.step_s)
        whole = outcome.counts["degraded"] <= MOST_DEGRADED * max(outcome.counts["checked"], 1)
        return whole and load.good(outcome, plan.target_ms)

    return load.highest(passes, plan.first, plan.most)


def around(
    generate: Generator, each: Mix, rate: float, seconds: float, tell: Callable[[str], None]
) -> NDArray[np.float64]:
    """The goodput at each rate of AROUND, (rates,)."""
    found = []
    for share in AROUND:
        tell(f"{share * rate:.1f} timelines a second")
        found.append(goodput(generate(each * (share * rate), seconds)))
    return np.array(found)


def refusal_ms(before: Figures, after: Figures, percent: float = 99) -> float:
    """A percentile of refusals between two looks at the metrics: the upper end of its bucket."""
    counts = {
        float(name.removeprefix(_BUCKET)): count - before.get(name, 0.0)
        for name, count in after.items()
        if name.startswith(_BUCKET)
    }
    wanted = percent / 100 * max(counts.values(), default=0.0)
    return 1000 * min((bound for bound, count in counts.items() if count >= wanted), default=0.0)


def measure(
    server: Server, generate: Generator, watch: Watch, mix: Mix, seconds: float, after_s: float
) -> tuple[Outcome, Figures]:
    """The overload and what comes after it."""
    before = server.metrics()
    with watch.watching():
        outcome = generate(mix, seconds)
        end = time.monotonic()
        time.sleep(after_s)
    after = server.metrics()
    told = {
        "refusal_p99_ms_server": refusal_ms(before, after),
        "refusal_p50_ms_client": 1000 * outcome.refused.percentile(50),
        "refusal_p99_ms_client": 1000 * outcome.refused.percentile(99),
        "recovery_s": watch.recovery_s(end),
        "memory_before_mb": watch.memory_mb[0],
        "memory_peak_mb": max(watch.memory_mb),
        "memory_after_mb": watch.memory_mb[-1],
    }
    return outcome, told


def figures(outcome: Outcome, best: float) -> Figures:
    """What the callers saw."""
    errors, calls = outcome.errors, max(outcome.counts["calls"], 1)
    checked = max(outcome.counts["checked"], 1)
    return {
        "calls_per_second": outcome.counts["calls"] / outcome.seconds,
        "goodput_per_second": goodput(outcome),
        "goodput_share": goodput(outcome) / best,
        "answered_p50_ms": 1000 * outcome.answered.percentile(50),
        "answered_p95_ms": 1000 * outcome.answered.percentile(95),
        "answered_p99_ms": 1000 * outcome.answered.percentile(99),
        "refused_share": errors["RESOURCE_EXHAUSTED"] / calls,
        "other_errors": float(errors.total() - errors["RESOURCE_EXHAUSTED"]),
        "degraded_share": outcome.counts["degraded"] / checked,
        "empty_share": outcome.counts["empty"] / checked,
        "write_p99_ms": 1000 * outcome.writes.percentile(99),
        "generator_lateness_p99_ms": 1000 * outcome.lateness.percentile(99),
    }


def holds(found: Figures) -> bool:
    """Whether the promises are kept."""
    return (
        found["goodput_share"] >= LEAST_SHARE
        and found["refusal_p99_ms_server"] <= MOST_REFUSAL_MS
        and found["recovery_s"] <= MOST_RECOVERY_S
    )


def main(
    posts: load.Posts = 100_000,
    viewers: load.Viewers = 10_000,
    data: load.Data = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the server.")] = 1,
    times: Annotated[float, typer.Option(min=1, help="Of the sustainable rate.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="So long.")] = 60.0,
    rate: Annotated[float, typer.Option(help="The sustainable rate, where it is known; 0: find it.")] = 0.0,
    target_ms: load.TargetMs = 100.0,
    first: Annotated[float, typer.Option(min=1, help="The first rate tried.")] = 20.0,
    step_s: Annotated[float, typer.Option(min=0.1, help="Seconds that a rate is tried.")] = 8.0,
    after_s: Annotated[float, typer.Option(min=0.1, help="Seconds watched afterwards.")] = 8.0,
    processes: load.Processes = 1,
    channels: load.Channels = 4,
    seed: load.Seed = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Ask for too much, such as `python -m benchmarks.overload --posts 10000 --seconds 60`."""
    each = Mix(1, 5, 0.05, events_a_call=100)
    plan = load.Plan(first, 4_000, target_ms, step_s, seconds, each, Mix(0))
    week = Week(posts, viewers, seed)
    ids = load.known(week, np.random.default_rng(seed))
    with tempfile.TemporaryDirectory() as temporary, progress(quiet=json) as tell:
        tell("preparing the network")
        with load.served(
            data or Path(temporary), week, workers, fewest=ServerSettings().fewest_candidates
        ) as server:
            watch = Watch(server, list(ids.viewers), target_ms / 1000)
            with generating(Target(server.address, ids, "poisson", processes, channels), seed) as generate:
                generate(each * first, min(step_s, 5.0))  # what is asked first is slower
                found = rate or sustainable(generate, each, plan, tell) or first
                before = around(generate, each, found, step_s, tell)
                tell(f"{times * found:.1f} timelines a second")
                outcome, told = measure(server, generate, watch, each * (times * found), seconds, after_s)
                best = float(((before + around(generate, each, found, step_s, tell)) / 2).max())
    result = {"sustainable_per_second": found, "best_per_second": best, **figures(outcome, best), **told}
    asked = {"posts": posts, "viewers": viewers, "workers": workers, "times": times, "seconds": seconds}
    emit({**asked, "seed": seed, **result, "holds": float(holds(result))}, json)
    raise typer.Exit(0 if holds(result) else 1)


if __name__ == "__main__":
    typer.run(main)
