"""What is the highest rate at which timelines come in time, with client and server on one machine?

    python -m benchmarks.load --posts 100000 --viewers 10000

Calls arrive at a fixed mean rate, as those of independent people do (Poisson), whether or not earlier ones
are answered; latency counts from the moment a call was due. Each timeline brings some events and posts with
it. The rate doubles until 99 in 100 timelines no longer come within the target, then the range is halved
until it is within a twentieth; a rate passes when it does so in two of three tries. The figures are those of
a longer stretch at 70 % of that rate. A last stretch sends many events, in batches, beside a few timelines.

The server is our own, on a simulated network with a bundle of 12 heads of 100 trees, or that of `--address`.
Our own makes each timeline of all its candidates; what fewer win is the question of `benchmarks.overload`.
One timeline in twenty is looked into: it must hold posts.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import feedrank
import numpy as np
import typer

from benchmarks import timeline
from benchmarks.calls import Arrivals, Known, Mix
from benchmarks.generator import Generator, Outcome, Target, generating
from benchmarks.report import emit
from benchmarks.server import Server, running
from benchmarks.week import Week
from ranker.errors import InvalidArgument
from training.commands.shared import progress

MOST_LATE_MS = 10.0
"""Past it, at the 99th percentile, the generator could not keep up."""

MOST_ERRORS = 0.001
SHARE = 0.7
"""Of the highest rate, that the figures are of."""

WITHIN = 1.05
"""The search ends when the least rate that failed is within so much of the highest that passed."""

_POSTS_NAMED = 50_000
_PAUSE_S = 1.0

Figures = dict[str, float]

Posts = Annotated[int, typer.Option(help="Posts of the network.")]
Viewers = Annotated[int, typer.Option(help="Viewers of the network.")]
Data = Annotated[Path | None, typer.Option(help="Keep the network in this folder.")]
TargetMs = Annotated[float, typer.Option(help="What 99 in 100 timelines must keep.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes of the generator.")]
Channels = Annotated[int, typer.Option(min=1, help="Connections of each process.")]
Seed = Annotated[int, typer.Option(help="Of the network and the calls.")]


def highest(passes: Callable[[float], bool], first: float, most: float) -> float:
    """The highest rate that passes, within a twentieth: doubling, then halving; 0 when not even `first` does.

    A rate passes when it does so in two of three tries, so that luck moves the result neither way.

    >>> tried = []
    >>> highest(lambda rate: not tried.append(rate) and rate <= 37, first=10, most=1000)
    36.68...
    >>> [round(rate, 1) for rate in tried[::2]]
    [10, 20, 40, 28.3, 33.6, 36.7, 38.3]
    """
    passed, failed = 0.0, float("inf")
    rate = first
    while rate <= most and failed > passed * WITHIN:
        if _mostly(passes, rate):
            passed = rate
        else:
            failed = rate
        if not passed:
            return 0.0
        rate = 2 * passed if failed == float("inf") else float(np.sqrt(passed * failed))
    return passed


def _mostly(passes: Callable[[float], bool], rate: float) -> bool:
    """What two of three tries say; the third is made only where the first two differ."""
    first, second = passes(rate), passes(rate)
    return first if first == second else passes(rate)


def good(outcome: Outcome, target_ms: float) -> bool:
    """Whether timelines came in time, without errors, from a generator that was not late itself."""
    in_time = 1000 * outcome.reads.percentile(99) <= target_ms
    return in_time and outcome.error_share <= MOST_ERRORS and kept_up(outcome)


def kept_up(outcome: Outcome) -> bool:
    """Whether the generator sent what was due; else what it measured is of itself."""
    return 1000 * outcome.lateness.percentile(99) <= MOST_LATE_MS


def timings(outcome: Outcome) -> Figures:
    """Percentiles of timelines, milliseconds from due to answered."""
    return {f"p{percent}_ms": 1000 * outcome.reads.percentile(percent) for percent in (50, 95, 99)}


def figures(outcome: Outcome) -> Figures:
    """All that a stretch tells."""
    counts, checked = outcome.counts, max(outcome.counts["checked"], 1)
    return {
        **timings(outcome),
        "timelines_per_second": counts["answered_reads"] / outcome.seconds,
        "error_share": outcome.error_share,
        **{f"errors_{code.lower()}": float(count) for code, count in outcome.errors.items()},
        "lateness_p99_ms": 1000 * outcome.lateness.percentile(99),
        "generator_kept_up": float(kept_up(outcome)),
        "generator_cpu_share": outcome.cpu_s / outcome.seconds,
        "posts_shown": counts["shown"] / checked,
        "empty_share": counts["empty"] / checked,
        "degraded_share": counts["degraded"] / checked,
    }


def written(outcome: Outcome) -> Figures:
    """What became of the writes of a stretch."""
    counts = outcome.counts
    return {
        "events_per_second": counts["events"] / outcome.seconds,
        "posts_per_second": counts["posts"] / outcome.seconds,
        "rejected_rows": float(counts["rejected"]),
        "visible_share": counts["visible"] / max(counts["writes"], 1),
        "write_p50_ms": 1000 * outcome.writes.percentile(50),
        "write_p99_ms": 1000 * outcome.writes.percentile(99),
    }


@contextmanager
def served(
    data: Path, week: Week, workers: int = 1, trees: int = timeline.TREES, fewest: float = 1.0
) -> Iterator[Server]:
    """A server on the network of a data folder. What is written to it is lost afterwards.

    `fewest`: the share of candidates that it scores at least, however many timelines wait.
    """
    timeline.prepare(week.posts, week.viewers, week.seed, data, trees=trees)
    with tempfile.TemporaryDirectory(dir=data) as scratch:
        for part in ("snapshots", "models"):
            shutil.copytree(data / part, Path(scratch) / part, copy_function=os.link)
        room = {
            "FEEDRANK_STATE__MAX_POSTS": str(2 * week.posts),
            "FEEDRANK_SERVER__FEWEST_CANDIDATES": str(fewest),
        }
        with running(Path(scratch), week.posts, room, workers) as server:
            with feedrank.Client(server.address) as client:
                client.activate_model(timeline.BUNDLE)
            server.wait_for_compaction()
            yield server


def known(week: Week, rng: np.random.Generator) -> Known:
    """Of a network: all viewers and authors, and posts of which most are recent."""
    ids = week.user_ids
    recent = np.unique((week.posts * (1 - rng.random(_POSTS_NAMED) ** 3)).astype(int))
    posts = [week.post_id(index) for index in np.minimum(recent, week.posts - 1).tolist()]
    return Known(ids[: week.viewers], posts, ids[: week.authors])


def listed(path: Path | None, ids: Sequence[str]) -> Sequence[str]:
    """The ids of a file, one a line; those of the network without a file."""
    found = ids if path is None else path.read_text().split()
    if not found:
        raise InvalidArgument(str(path), f"{path} is empty: write one id a line")
    return found


@dataclass(frozen=True)
class Plan:
    """What is asked of a server."""

    first: float
    most: float
    target_ms: float
    step_s: float
    seconds: float
    each: Mix
    """With each timeline."""
    many: Mix
    """In the stretch of writes."""

    def follow(self, generate: Generator, tell: Callable[[str], None]) -> Figures:
        """The search, the stretch at 70 % of what it found, and the stretch of writes."""
        generate(self.each * self.first, min(self.step_s, 5.0))  # what is asked first is slower
        rate, tried = search(generate, self, tell)
        tell(f"70 % of {rate:.1f} a second")
        calm = generate(self.each * (SHARE * (rate or self.first)), self.seconds)
        found = {"requests_per_second": rate, **figures(calm)}
        if self.many.events:
            tell(f"{self.many.events:,.0f} events a second")
            busy = generate(self.many, self.seconds)
            beside = {f"writing_{name}": value for name, value in figures(busy).items()}
            found |= {**written(busy), **beside}
        return found | tried


def search(generate: Generator, plan: Plan, tell: Callable[[str], None]) -> tuple[float, Figures]:
    """The highest rate, and the percentiles at each rate that was tried."""
    tried: Figures = {}

    def passes(rate: float) -> bool:
        tell(f"{rate:.1f} timelines a second")
        outcome = generate(plan.each * rate, plan.step_s)
        tried.update({f"at_{rate:.4g}_per_second_{name}": value for name, value in timings(outcome).items()})
        return good(outcome, plan.target_ms)

    return highest(passes, plan.first, plan.most), tried


def main(
    posts: Posts = 100_000,
    viewers: Viewers = 10_000,
    data: Data = None,
    address: Annotated[str, typer.Option(help="A running server; empty: our own is started.")] = "",
    viewer_ids: Annotated[Path | None, typer.Option(help="Its viewers, one id a line.")] = None,
    post_ids: Annotated[Path | None, typer.Option(help="Its posts, one id a line.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of a server of our own.")] = 1,
    trees: Annotated[int, typer.Option(min=1, help="Trees of a head of its bundle.")] = timeline.TREES,
    writes: Annotated[bool | None, typer.Option(help="Write too: by default to a server of our own.")] = None,
    target_ms: TargetMs = 100.0,
    first: Annotated[float, typer.Option(min=1, help="The first rate, timelines a second.")] = 20.0,
    most: Annotated[float, typer.Option(help="No rate above it is tried.")] = 4_000.0,
    step_s: Annotated[float, typer.Option(min=0.1, help="Seconds that a rate is tried.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of each of the longer stretches.")] = 30.0,
    events_a_read: Annotated[float, typer.Option(min=0, help="Events with a timeline.")] = 5.0,
    posts_a_read: Annotated[float, typer.Option(min=0, help="Posts with a timeline.")] = 0.05,
    events: Annotated[float, typer.Option(min=0, help="Events a second, in the last stretch.")] = 21_000.0,
    reads_beside: Annotated[float, typer.Option(min=0, help="Timelines a second beside them.")] = 50.0,
    batch: Annotated[int, typer.Option(min=1, max=1_000, help="Events of a call there.")] = 1_000,
    arrivals: Annotated[Arrivals, typer.Option(help="Independent, or evenly spaced.")] = "poisson",
    processes: Processes = 1,
    channels: Channels = 4,
    seed: Seed = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Load a server, such as `python -m benchmarks.load --posts 100000 --target-ms 50`."""
    writes = not address if writes is None else writes
    each = Mix(1, events_a_read * writes, posts_a_read * writes, events_a_call=100)
    many = Mix(reads_beside, events * writes, events_a_call=batch)
    plan = Plan(first, most, target_ms, step_s, seconds, each, many)
    asked = {"posts": posts, "viewers": viewers, "seed": seed, "target_ms": target_ms, "arrivals": arrivals}
    asked["workers"] = workers
    week = Week(posts, viewers, seed)
    ids = known(week, np.random.default_rng(seed))
    ids = replace(ids, viewers=listed(viewer_ids, ids.viewers), posts=listed(post_ids, ids.posts))
    with tempfile.TemporaryDirectory() as temporary, progress(quiet=json) as tell:
        tell("preparing the network")
        own = nullcontext() if address else served(data or Path(temporary), week, workers, trees)
        with own as server:
            target = Target(server.address if server else address, ids, arrivals, processes, channels)
            with generating(target, seed) as generate:
                found = plan.follow(generate, tell)
    if not found["generator_kept_up"]:
        print("The generator could not keep up: use more processes, or a lower rate.", file=sys.stderr)  # noqa: T201
    emit({**asked, **found}, json)


if __name__ == "__main__":
    typer.run(main)
