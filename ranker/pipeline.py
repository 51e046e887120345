"""The pipeline: how a timeline is made, on one screen.

    query ─▶ sources ─▶ filters ─▶ light ranker ─▶ features ─▶ heads ─▶ factors ─▶ selection ─▶ ranking

A surface (`ranker.surfaces`) is a literal list of stages. Timing, counting and the deadline are here, once.
One rule for what is missing: a post with the score NaN is not ranked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from ranker import factors, features, heads, selection
from ranker.candidates import Candidates, Found, Mask, View
from ranker.query import Query
from ranker.state.columns import Slots

log = structlog.get_logger()

Finder = Callable[[Query, View, int], Found]
Filter = Callable[[Query, Candidates], Mask]
Factor = Callable[[Query, Candidates], factors.Multipliers]
Light = Callable[[Query, Candidates], NDArray[np.float64]]
Order = Callable[[Query, Candidates, NDArray[np.float64], Mask, int], selection.Selection]


class Scorer(Protocol):
    """A bundle, or the prior."""

    @property
    def version(self) -> str:
        """What the answer says served it."""

    def predict(self, rows: NDArray[np.float32]) -> heads.Prediction:
        """Probabilities of the heads and the value of each row, from feature rows, float32 (n, features)."""


@dataclass(frozen=True)
class Source:
    """A source and how many posts it may bring."""

    find: Finder
    limit: int

    @property
    def name(self) -> str:
        """The function's name."""
        return self.find.__name__


@dataclass
class Trace:
    """What happened on the way: seconds of each stage, posts in and out, and what was not as it should be."""

    deadline: float = np.inf
    """By time.monotonic."""
    gone: Callable[[], bool] = lambda: False
    """Whether the caller waits no more."""
    seconds: dict[str, float] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    scored: int = 0
    degraded: list[tuple[str, str]] = field(default_factory=list)

    def stage(self, name: str) -> "_Stage":
        """Time a stage; what runs twice adds up."""
        return _Stage(self.seconds, name)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; none once it has passed."""
        return max(0.0, self.deadline - time.monotonic())

    def late(self, name: str) -> bool:
        """Whether there is no time left to begin a stage; noted when so."""
        if time.monotonic() < self.deadline:
            return False
        self.degraded.append((name, "late"))
        return True


class _Stage:
    """Adds the time from entering it to leaving it."""

    __slots__ = ("_began", "_name", "_seconds")

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds = seconds
        self._name = name

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self._began
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + spent


@dataclass(frozen=True)
class Scored:
    """Candidates with what the heads say: feature rows, probabilities, and the score after the factors."""

    posts: Candidates
    rows: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    multipliers: dict[str, factors.Multipliers]
    score: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> "Scored":
        multipliers = {name: values[rows] for name, values in self.multipliers.items()}
        return Scored(
            self.posts[rows], self.rows[rows], self.probabilities[rows], multipliers, self.score[rows]
        )


@dataclass(frozen=True)
class Ranking:
    """Posts in order; all arrays have one entry a place."""

    scored: Scored
    propensity: NDArray[np.float64]
    left_out: Slots = field(default_factory=lambda: np.zeros(0, np.int32))
    """Posts that got no place though there was room: they say what a placed one says."""

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> "Ranking":
        return Ranking(self.scored[rows], self.propensity[rows])


@dataclass(frozen=True)
class Pipeline:
    """The stages of a surface. `once` filters give way when too few posts would be left.

    `light` guesses which posts are worth scoring; None: all are scored.
    """

    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    once: tuple[Filter, ...]
    factors: tuple[Factor, ...]
    order: Order = selection.spread
    light: Light | None = None

    def rank(self, query: Query, view: View, scorer: Scorer, places: int, trace: Trace) -> Ranking:
        """The first `places` posts of the viewer's timeline."""
        posts = self.fetch(query, view, trace)
        posts = self.filter(query, posts, trace)
        posts = self.cut(query, posts, trace)
        scored = self.score(query, posts, scorer, trace)
        return self.select(query, scored, places, trace)

    def fetch(self, query: Query, view: View, trace: Trace) -> Candidates:
        """The candidates of all sources. A source that fails, or has no time left, costs its candidates."""
        found = [self._find(source, query, view, trace) for source in self.sources]
        return Candidates.merged(view.state, found)

    def _find(self, source: Source, query: Query, view: View, trace: Trace) -> Found:
        """What a source brings. Whatever goes wrong in it, be it in FAISS, costs its candidates only."""
        nothing = Found(np.zeros(0, np.int32), np.zeros(0, np.float32))
        if trace.late(source.name):
            return nothing
        with trace.stage(source.name):
            try:
                found = source.find(query, view, source.limit)
            except Exception:
                log.exception("source_failed", source=source.name)
                trace.degraded.append((source.name, "failed"))
                return nothing
        trace.found[source.name] = len(found.slot)
        return found

    def filter(self, query: Query, posts: Candidates, trace: Trace) -> Candidates:
        """What may be shown, without what was met before."""
        return self.new(query, self.allowed(query, posts, trace), trace)

    def new(self, query: Query, allowed: Candidates, trace: Trace) -> Candidates:
        """What was not met before; all that is allowed where that would not fill the page."""
        posts = _left(self.once, query, allowed, trace)
        return posts if len(posts) >= query.ask.size else allowed

    def allowed(self, query: Query, posts: Candidates, trace: Trace) -> Candidates:
        """What the filters leave, whether it was met before or not."""
        return _left(self.filters, query, posts, trace)

    def cut(self, query: Query, posts: Candidates, trace: Trace) -> Candidates:
        """The posts worth scoring, and all that the cold-start place may draw from, in their order."""
        most = query.ask.candidates
        if self.light is None or len(posts) <= most:
            return posts
        with trace.stage("light"):
            guess = np.where(self._new(posts), np.inf, self.light(query, posts))
            kept = np.sort(np.argpartition(-guess, most)[:most])
        trace.removed["light"] = len(posts) - most
        return posts[kept]

    def removers(self, query: Query, posts: Candidates, slot: int) -> list[tuple[str, str]]:
        """The filters that take one of the posts out: their names and what they say they remove.

        Each judges the post among those that the filters before it leave, as in a timeline.
        """
        found = []
        for one in (*self.filters, *self.once):
            dropped, asked = one(query, posts), posts.slot == slot
            if dropped[asked].any():
                found.append((one.__name__, (one.__doc__ or "").partition("\n")[0]))
            posts = posts[~dropped | asked]
        return found

    def score(self, query: Query, posts: Candidates, scorer: Scorer, trace: Trace) -> Scored:
        """The value that the scorer sees, times the factors."""
        trace.scored += len(posts)
        with trace.stage("features"):
            rows = features.compute(query, posts)
        with trace.stage("heads"):
            probabilities, score = scorer.predict(rows)
        with trace.stage("factors"):
            multipliers = {factor.__name__: factor(query, posts) for factor in self.factors}
            for multiplier in multipliers.values():
                score = factors.applied(score, multiplier)
        return Scored(posts, rows, probabilities, multipliers, score)

    def select(self, query: Query, scored: Scored, places: int, trace: Trace) -> Ranking:
        """The order of the surface, cut to `places`."""
        with trace.stage("selection"):
            chosen = self.order(query, scored.posts, scored.score, self._new(scored.posts), places)
        placed = scored[chosen.rows]
        placed.multipliers.update({name: getattr(chosen, name) for name in selection.SPREADS})
        placed = replace(placed, score=chosen.score)
        room = len(chosen.rows) < places
        left_out = np.delete(scored.posts.slot, chosen.rows) if room else scored.posts.slot[:0]
        return Ranking(placed, chosen.propensity, left_out)

    def _new(self, posts: Candidates) -> Mask:
        """Which posts the fresh source brought."""
        if "fresh" not in self.names:
            return np.zeros(len(posts), np.bool_)
        return (posts.brought >> np.uint32(self.names.index("fresh")) & np.uint32(1)).astype(np.bool_)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The sources' names, in the order of the bits of `Candidates.brought`."""
        return tuple(source.name for source in self.sources)


def _left(filters: tuple[Filter, ...], query: Query, posts: Candidates, trace: Trace) -> Candidates:
    """What the filters leave, each judging what those before it left."""
    with trace.stage("filters"):
        for one in filters:
            dropped = one(query, posts)
            trace.removed[one.__name__] = removed = int(np.count_nonzero(dropped))
            if removed:  # most filters take nothing, and the columns that were read stay at hand
                posts = posts[~dropped]
    return posts
