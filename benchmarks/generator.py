"""The load generator: processes that send calls when they are due, whether or not answers came.

Latency is counted from the moment a call was due, not from when it was sent: a server that stalls makes later
calls wait, and their wait counts (what closed loops leave out is known as coordinated omission; Gil Tene).
How late the generator itself was is counted beside it.
"""

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, cycle
from multiprocessing.connection import Connection
from typing import Any

import grpc
import numpy as np
from feedrank.v1 import feed_pb2, ingest_pb2

from benchmarks.calls import EVENTS, POSTS, READ, Arrivals, Call, Known, Mix, planned
from benchmarks.histogram import Histogram

CHECKED = 20
"""One timeline in so many is looked into."""

_HEAD_START_S = 0.1
_PATIENCE_S = 120.0
_ANSWERS: dict[str, Any] = {EVENTS: ingest_pb2.RecordEventsResponse, POSTS: ingest_pb2.PutPostsResponse}


@dataclass(frozen=True)
class Target:
    """Which server, and how it is asked."""

    address: str
    known: Known
    arrivals: Arrivals = "poisson"
    processes: int = 1
    channels: int = 4
    """Of each process, each a connection of its own."""
    deadline_s: float = 2.0


@dataclass
class Outcome:
    """What came of a stretch. Outcomes of processes are added."""

    seconds: float
    reads: Histogram = field(default_factory=Histogram)
    """From due to answered; a call that failed counts as one that took its deadline at least."""
    writes: Histogram = field(default_factory=Histogram)
    answered: Histogram = field(default_factory=Histogram)
    """As `reads`, of those that were answered."""
    refused: Histogram = field(default_factory=Histogram)
    """Of reads, from sent to refused for having too much to do."""
    lateness: Histogram = field(default_factory=Histogram)
    """From due to sent."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of calls, answered_reads, events, posts and rejected rows, writes and those visible at once, timelines
    checked, empty, degraded and their posts shown, and "error X" for each status code X."""
    cpu_s: float = 0.0
    """Of the generator."""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            max(self.seconds, other.seconds),
            self.reads + other.reads,
            self.writes + other.writes,
            self.answered + other.answered,
            self.refused + other.refused,
            self.lateness + other.lateness,
            self.counts + other.counts,
            self.cpu_s + other.cpu_s,
        )

    @property
    def errors(self) -> Counter[str]:
        """Calls that failed, by code."""
        failed = {
            name.removeprefix("error "): n for name, n in self.counts.items() if name.startswith("error ")
        }
        return Counter(failed)

    @property
    def error_share(self) -> float:
        """Of all calls."""
        return self.errors.total() / max(self.counts["calls"], 1)


Generator = Callable[[Mix, float], Outcome]
"""Sends a mix of calls for so many seconds, and tells what came of it."""


@contextmanager
def generating(target: Target, seed: int) -> Iterator[Generator]:
    """A generator whose processes run until the end."""
    context = multiprocessing.get_context("spawn")
    name, pipes, processes = f"load-{time.time_ns():x}", list[Connection](), []
    for number in range(target.processes):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, target, f"{name}-{number}", (seed, number)))
        process.start()
        pipes.append(ours)
        processes.append(process)
    stretches = count()
    try:
        yield lambda mix, seconds: _generate(pipes, mix * (1 / len(pipes)), seconds, next(stretches))
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


def _generate(pipes: list[Connection], mix: Mix, seconds: float, stretch: int) -> Outcome:
    """A stretch: all processes make their calls ready, then start at one moment."""
    for pipe in pipes:
        pipe.send((mix, seconds, stretch))
    for pipe in pipes:
        pipe.recv()
    start = time.monotonic() + _HEAD_START_S
    for pipe in pipes:
        pipe.send(start)
    outcomes: list[Outcome] = [pipe.recv() for pipe in pipes]
    return sum(outcomes[1:], outcomes[0])


def _serve(pipe: Connection, target: Target, name: str, seed: tuple[int, int]) -> None:
    """One process: stretches as they are asked for, until None is."""
    channels = [_channel(target.address) for _ in range(target.channels)]
    while (asked := pipe.recv()) is not None:
        mix, seconds, stretch = asked
        rng = np.random.default_rng([*seed, stretch])
        calls = planned(target.known, mix, target.arrivals, seconds, f"{name}-{stretch}", rng)
        pipe.send("ready")
        began, start = time.process_time(), pipe.recv()
        answers = _Answers(start, target.deadline_s)
        _send(channels, calls, answers)
        outcome = answers.told(seconds, len(calls))
        outcome.cpu_s = time.process_time() - began
        pipe.send(outcome)
    for channel in channels:
        channel.close()


def _channel(address: str) -> grpc.Channel:
    """A connection of its own, open."""
    channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    grpc.channel_ready_future(channel).result(timeout=_PATIENCE_S)
    return channel


def _send(channels: list[grpc.Channel], calls: list[Call], answers: "_Answers") -> None:
    """Send calls when they are due, each over the next channel, and wait for the last answer."""
    methods = cycle([{name: _raw(channel, name) for name in (READ, EVENTS, POSTS)} for channel in channels])
    for number, call in enumerate(calls):
        wait = answers.start + call.due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        answers.lateness.append(time.monotonic() - answers.start - call.due)
        future = next(methods)[call.method](call.content, timeout=answers.deadline_s)
        future.add_done_callback(partial(answers.take, number, call))
    answers.wait(len(calls))


def _raw(channel: grpc.Channel, name: str) -> Callable[..., Any]:
    """A method that takes and gives bytes, and does not wait."""
    return channel.unary_unary(name).future


class _Answers:
    """Takes answers in the channels' threads; looks into them when all have come."""

    def __init__(self, start: float, deadline_s: float) -> None:
        self.start, self.deadline_s = start, deadline_s
        self.lateness: list[float] = []
        self._spent: dict[str, list[float]] = {READ: [], EVENTS: [], POSTS: []}
        self._answered: list[float] = []
        self._refused: list[float] = []
        self._kept: list[tuple[str, bytes]] = []
        self._counts = Counter[str]()
        self._lock = threading.Lock()
        self._came = 0
        self._all = threading.Condition(self._lock)

    def take(self, number: int, call: Call, future: Any) -> None:
        """Take one answer, or what became of it."""
        spent = time.monotonic() - self.start - call.due
        code = future.code()
        with self._lock:
            if code is grpc.StatusCode.OK:
                if call.method != READ or number % CHECKED == 0:
                    self._kept.append((call.method, future.result()))
                self._counts["answered_reads"] += call.method == READ
                if call.method == READ:
                    self._answered.append(spent)
            else:
                if code is grpc.StatusCode.RESOURCE_EXHAUSTED and call.method == READ:
                    self._refused.append(spent - self.lateness[number])
                self._counts[f"error {code.name}"] += 1
                spent = max(spent, self.deadline_s)
            self._spent[call.method].append(spent)
            self._came += 1
            self._all.notify()

    def wait(self, calls: int) -> None:
        """Until all answers came; each has its deadline."""
        with self._lock:
            self._all.wait_for(lambda: self._came == calls, timeout=_PATIENCE_S)

    def told(self, seconds: float, calls: int) -> Outcome:
        """The outcome; looks into the writes' answers and the timelines that were kept."""
        counts = self._counts + Counter(calls=calls)
        for method, content in self._kept:
            counts.update(_seen(content) if method == READ else _written(method, content))
        writes = Histogram.of(self._spent[EVENTS] + self._spent[POSTS])
        reads, answered, refused, lateness = map(
            Histogram.of, (self._spent[READ], self._answered, self._refused, self.lateness)
        )
        return Outcome(seconds, reads, writes, answered, refused, lateness, counts)


def _seen(content: bytes) -> dict[str, int]:
    """Whether a timeline is one."""
    page = feed_pb2.GetTimelineResponse.FromString(content)
    whole = bool(page.posts) and all(post.post_id and post.source for post in page.posts)
    return {"checked": 1, "shown": len(page.posts), "empty": not whole, "degraded": bool(page.degraded)}


def _written(method: str, content: bytes) -> dict[str, int]:
    result = _ANSWERS[method].FromString(content).result
    rows = "events" if method == EVENTS else "posts"
    return {
        rows: result.accepted,
        "rejected": len(result.rejected),
        "writes": 1,
        "visible": int(result.visible),
    }
