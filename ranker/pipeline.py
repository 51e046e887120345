"""The pipeline: how a timeline is made, on one screen.

    query ─▶ sources ─▶ filters ─▶ light ranker ─▶ features ─▶ heads ─▶ factors ─▶ selection ─▶ ranking

A surface (`ranker.surfaces`) is a literal list of stages. Timing, counting and the deadline are here, once.
One rule for what is missing: a post with the score NaN is not ranked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from ranker import factors, features, heads, selection
from ranker.aside import Aside
from ranker.candidates import NOTHING, Candidates, Found, Mask, View
from ranker.query import Query
from ranker.state.columns import Slots

log = structlog.get_logger()

_PATIENCE_S, _PATIENCE_SHARE = 0.5, 1 / 3
"""A source that takes longer, or this share of the time that is left, hangs."""
_FEWEST = 40
"""Posts that are scored even where there is no time: two pages of them, if those are longer."""
_NEW_SHARE = 5
"""Of fewer candidates, one in so many may be there because it is new."""

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


class ScorerFailed(Exception):
    """The scorer raised; whoever chose it chooses another."""


@dataclass
class Trace:
    """What happened on the way: seconds of each stage, posts in and out, and what was not as it should be."""

    deadline: float = np.inf
    """By time.monotonic."""
    gone: Callable[[], bool] = lambda: False
    """Whether the caller waits no more."""
    quality: float = 1.0
    """The share of candidates that there is time to score, among all requests."""
    aside: Aside | None = None
    """Where sources run, so that one that hangs is left behind; None: in the caller's thread."""
    seconds: dict[str, float] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    scored: int = 0
    degraded: list[tuple[str, str]] = field(default_factory=list)

    def stage(self, name: str) -> "_Stage":
        """Time a stage; what runs twice adds up."""
        return _Stage(self.seconds, name)

    def take(self, name: str, brought: "_Brought") -> Found:
        """What a source brought, noted."""
        self.seconds[name] = self.seconds.get(name, 0.0) + brought.seconds
        if brought.trouble:
            self.degraded.append((name, brought.trouble))
        else:
            self.found[name] = len(brought.found.slot)
        return brought.found

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
        """The candidates of all sources. One that fails, hangs, or has no time left, costs its candidates."""
        walk = _Walk(self.sources, query, view, trace.deadline, trace.aside)
        if trace.aside is None:
            walk.run()
        else:
            walk = _walked(walk, trace.aside, min(_PATIENCE_S, _PATIENCE_SHARE * trace.left_s))
        brought = zip(self.names, walk.brought, strict=True)
        return Candidates.merged(view.state, [trace.take(name, one) for name, one in brought])

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
        most = self._most(query, len(posts), trace)
        if len(posts) <= most:
            return posts
        trace.removed["light"] = len(posts) - most
        if self.light is None:  # short of time: sources bring the best first
            return posts[:most]
        with trace.stage("light"):
            new = self._new(posts)
            if most < query.ask.candidates:
                new &= np.cumsum(new) <= most // _NEW_SHARE
            guess = np.where(new, np.inf, self.light(query, posts))
            kept = np.sort(np.argpartition(-guess, most)[:most])
        return posts[kept]

    def _most(self, query: Query, count: int, trace: Trace) -> int:
        """How many of so many posts there is time to score; noted where that is fewer than otherwise."""
        usual = count if self.light is None else min(query.ask.candidates, count)
        least = min(usual, max(2 * query.ask.size, _FEWEST))
        if usual > least and trace.late("scoring"):
            return least
        most = max(round(trace.quality * usual), least)
        if most < usual:
            trace.degraded.append(("load", "fewer_candidates"))
        return most

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
            probabilities, score = _predicted(scorer, rows)
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


class _Brought(NamedTuple):
    """What a source found, and how it went."""

    found: Found
    seconds: float = 0.0
    trouble: str = ""


class _Walk:
    """One request's way through the sources; what it brought is added source by source.

    It may be left behind in a source that hangs, so it writes nothing but what it alone holds.
    """

    def __init__(
        self, sources: tuple[Source, ...], query: Query, view: View, deadline: float, aside: Aside | None
    ) -> None:
        self.brought: list[_Brought] = []
        self._sources = sources
        self._query = query
        self._view = view
        self._deadline = deadline
        self._aside = aside
        self._ends = False

    def run(self) -> None:
        """Ask the sources that were not asked yet."""
        for source in self._sources[len(self.brought) :]:
            brought = self._ask(source)
            if self._ends:
                return
            self.brought.append(brought)

    def end(self) -> str:
        """Stop after the source that is asked now; its name."""
        self._ends = True
        return self._sources[min(len(self.brought), len(self._sources) - 1)].name

    def after_late_one(self) -> "_Walk":
        """The rest of the way: past the source that was asked last, if any was."""
        rest = _Walk(self._sources, self._query, self._view, self._deadline, self._aside)
        rest.brought = self.brought[:]
        if not rest.complete:
            rest.brought.append(_Brought(NOTHING, trouble="late"))
        return rest

    @property
    def complete(self) -> bool:
        """Whether all sources were asked."""
        return len(self.brought) == len(self._sources)

    def _ask(self, source: Source) -> _Brought:
        """Whatever goes wrong in a source, be it in FAISS, costs its candidates only.

        Without time left the next source is asked only while nothing is there to show.
        """
        late = time.monotonic() >= self._deadline and any(len(one.found.slot) for one in self.brought)
        if late or (self._aside is not None and self._aside.stuck(source.name)):
            return _Brought(NOTHING, trouble="late")
        began = time.perf_counter()
        try:
            found = source.find(self._query, self._view, source.limit)
        except Exception:
            log.exception("source_failed", source=source.name)
            return _Brought(NOTHING, time.perf_counter() - began, "failed")
        return _Brought(found, time.perf_counter() - began)


def _walked(walk: _Walk, aside: Aside, patience_s: float) -> _Walk:
    """A walk to its end, without the sources that hang."""
    while not walk.complete and not (aside.run(walk.run, patience_s, walk.end) and walk.complete):
        walk = walk.after_late_one()
    return walk


def _predicted(scorer: Scorer, rows: NDArray[np.float32]) -> heads.Prediction:
    try:
        return scorer.predict(rows)
    except Exception as error:
        log.exception("scorer_failed", version=scorer.version)
        raise ScorerFailed(scorer.version) from error


def _left(filters: tuple[Filter, ...], query: Query, posts: Candidates, trace: Trace) -> Candidates:
    """What the filters leave, each judging what those before it left."""
    with trace.stage("filters"):
        for one in filters:
            dropped = one(query, posts)
            trace.removed[one.__name__] = removed = int(np.count_nonzero(dropped))
            if removed:  # most filters take nothing, and the columns that were read stay at hand
                posts = posts[~dropped]
    return posts
