"""Timelines: what the Feed service answers, in feedrank's own words.

Each method holds one turn of the state from the query to the reasons, so that an answer is of one moment.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ranker import features, query
from ranker.aside import Aside
from ranker.candidates import Candidates, View
from ranker.errors import CallerGone
from ranker.exploration import ExplorationSettings
from ranker.impressions import Answer, ImpressionLog
from ranker.models import Models, Serving
from ranker.pipeline import Pipeline, Ranking, Scorer, ScorerFailed, Trace
from ranker.prior import Prior
from ranker.query import Ask, Query
from ranker.reasons import Reason, reason
from ranker.sessions import Session, Sessions
from ranker.state import NONE, State
from ranker.surfaces import CALLER, SIMILAR, pipeline_of

R = TypeVar("R")


class Placed(NamedTuple):
    """One post of an answer."""

    post_id: str
    author_id: str
    source: str
    reason: Reason


@dataclass(frozen=True)
class Page:
    """An answer: `placed[i]` is row `i` of the ranking."""

    request_id: str
    placed: list[Placed]
    ranking: Ranking
    first_place: int
    cursor: str
    serving: Serving
    trace: Trace

    @property
    def model_version(self) -> str:
        """The model that scored."""
        return self.serving.scorer.version


@dataclass(frozen=True)
class Ranked:
    """What became of posts that the caller brought."""

    page: Page
    unknown: list[str]
    removed: list[tuple[str, str]]
    """Post id and filter."""


@dataclass(frozen=True)
class Explanation:
    """Where a post stands for a viewer."""

    request_id: str
    known: bool
    filters: list[tuple[str, str]]
    """Each filter that takes it out, with what it removes."""
    sources: list[str]
    page: Page | None
    """The post alone, at its place in the whole order; None when it is unknown or may not be shown at all.

    A post that was only met before has the place that it would have otherwise.
    """
    values: list[float]
    """Of ranker.features.FEATURES; NaN is not known. Empty for an unknown post."""
    model_version: str
    trace: Trace
    cut: bool = False
    """Whether the light ranker left it out, so that a timeline does not score it."""


class Timelines:
    """Answers viewers' questions from the state."""

    def __init__(
        self,
        view: View,
        models: Models,
        sessions: Sessions,
        impressions: ImpressionLog,
        exploration: ExplorationSettings | None = None,
    ) -> None:
        """`exploration`: the settings of that name; None: as they come."""
        self.view = view
        self.models = models
        self.sessions = sessions
        self.impressions = impressions
        self.exploration = exploration or ExplorationSettings()
        self.aside = Aside()
        """For the traces of requests whose sources may hang."""

    @property
    def state(self) -> State:
        """What is read."""
        return self.view.state

    def page(self, ask: Ask, cursor: str, trace: Trace) -> Page:
        """A page of a timeline: the first of a new session, or the next of the cursor's."""
        session, place = self.sessions.resume(cursor, ask) if cursor else (self.sessions.begin(ask), 0)
        with self.state.turn.read(), trace.stage("total"):
            if trace.gone():  # while it waited
                raise CallerGone("the caller waits no more: give the call a longer deadline")
            page, answer = self._page(ask, session, place, trace)
        self._record(answer, trace)
        return page

    def _page(self, ask: Ask, session: Session, place: int, trace: Trace) -> tuple[Page, Answer]:
        request_id, ask = _named(
            ask, exploration=self.exploration, candidates=self.sessions.settings.candidates
        )
        serving = self._serving(ask, trace)
        pipeline = pipeline_of(ask)
        viewer = self._query(ask)
        with session.lock:  # two calls with one cursor extend the order once
            serving = _counted(session, serving)
            serving, (ranking, following) = _ranked(
                serving,
                lambda scorer: self._next(pipeline, viewer, session, place, scorer, trace),
                trace,
            )
        page = Page(
            request_id,
            self._placed(viewer, ranking, pipeline.names),
            ranking,
            place,
            session.cursor(following) if len(ranking.propensity) and not session.ends_at(following) else "",
            serving,
            trace,
        )
        return page, self._answer(page, ask, session.name)

    def _next(
        self, pipeline: Pipeline, viewer: Query, session: Session, place: int, scorer: Scorer, trace: Trace
    ) -> tuple[Ranking, int]:
        """The ranking of the page that begins at a place, and the place after it.

        The order is extended until the page is full and something follows, or nothing more is found.
        """
        size, fresh = viewer.ask.size, None
        at = self._left(pipeline, viewer, session, place, trace)
        while len(at) <= size and not session.complete:
            first = len(session)
            extension = self._extend(pipeline, viewer, session, scorer, trace)
            if first == len(session):
                break
            fresh = extension if first == place else fresh
            at = np.append(at, np.arange(first, len(session)))
        following = int(at[size]) if len(at) > size else len(session)
        if fresh is not None and len(fresh.propensity) >= min(len(at), size):
            return fresh[:size], following
        return self._again(pipeline, viewer, session, at[:size], scorer, trace), following

    def _left(
        self, pipeline: Pipeline, viewer: Query, session: Session, place: int, trace: Trace
    ) -> NDArray[np.intp]:
        """The places from a place on, whose posts may still be shown."""
        if place == len(session):
            return np.zeros(0, np.intp)
        slots = session.slots(self.state)[place:]
        there = np.flatnonzero(slots != NONE)
        posts = Candidates(self.state, slots, session.brought[place:], np.zeros(len(slots), np.float32))
        allowed = pipeline.allowed(viewer, posts[there], trace)
        return place + there[np.isin(slots[there], allowed.slot)]

    def _again(
        self,
        pipeline: Pipeline,
        viewer: Query,
        session: Session,
        at: NDArray[np.intp],
        scorer: Scorer,
        trace: Trace,
    ) -> Ranking:
        """The posts at some places, with features and probabilities as they are now."""
        slots = session.slots(self.state)[at]
        posts = Candidates(self.state, slots, session.brought[at], np.zeros(len(at), np.float32))
        scored = pipeline.score(viewer, posts, scorer, trace)
        spreads = {name: values[at] for name, values in session.spreads.items()}
        scored = replace(scored, score=session.score[at], multipliers=scored.multipliers | spreads)
        return Ranking(scored, session.propensity[at])

    def _extend(
        self, pipeline: Pipeline, viewer: Query, session: Session, scorer: Scorer, trace: Trace
    ) -> Ranking:
        """Rank anew what the session does not hold, and put it at its end."""
        if len(session):
            viewer = replace(viewer, ask=replace(viewer.ask, shown=session.settled(self.state)))
        places = max(self.sessions.settings.places, viewer.ask.size)
        ranking = pipeline.rank(viewer, self.view, scorer, places, trace)
        session.extend(ranking, self.state, whole=not trace.degraded)
        return ranking

    def rank_posts(self, ask: Ask, post_ids: Sequence[str], *, apply_filters: bool, trace: Trace) -> Ranked:
        """The caller's posts in order of their scores.

        They are logged, as far as they were ranked, but do not count as served: the caller decides what is
        shown, and may tell with impression events.
        """
        with self.state.turn.read(), trace.stage("total"):
            request_id, ask = _named(ask)
            serving = self._serving(ask, trace)
            viewer = self._query(ask)
            slots = self.state.post_ids.slots(post_ids)
            posts = Candidates.of(self.state, slots[slots != NONE])
            removed: list[tuple[str, str]] = []
            if apply_filters:
                posts, removed = self._sift(viewer, posts)
            serving, scored = _ranked(
                serving, lambda scorer: CALLER.score(viewer, posts, scorer, trace), trace
            )
            ranking = CALLER.select(viewer, scored, len(posts), trace)
            placed = self._placed(viewer, ranking, ("caller",))
            page = Page(request_id, placed, ranking, 0, "", serving, trace)
            answer = replace(self._answer(page, ask, ""), counts_as_served=False)
        self._record(answer, trace)
        unknown = [name for name, slot in zip(post_ids, slots, strict=True) if slot == NONE]
        return Ranked(page, unknown, removed)

    def _sift(self, viewer: Query, posts: Candidates) -> tuple[Candidates, list[tuple[str, str]]]:
        """What the filters leave, and each removed post with the first filter that takes it."""
        removed = []
        for one in CALLER.filters:
            dropped = one(viewer, posts)
            removed += [(self.state.post_ids.names[slot], one.__name__) for slot in posts.slot[dropped]]
            posts = posts[~dropped]
        return posts, removed

    def similar(self, ask: Ask, trace: Trace) -> Page:
        """Posts near one post."""
        with self.state.turn.read(), trace.stage("total"):
            request_id, ask = _named(ask)
            serving = self._serving(ask, trace)
            viewer = self._query(ask)
            if viewer.near != NONE and not self.state.posts.has_vector[viewer.near]:
                trace.degraded.append(("similar", "unavailable"))  # its vector is still to come
            serving, ranking = _ranked(
                serving,
                lambda scorer: SIMILAR.rank(viewer, self.view, scorer, ask.size, trace),
                trace,
            )
            placed = self._placed(viewer, ranking, SIMILAR.names)
            return Page(request_id, placed, ranking, 0, "", serving, trace)

    def explain(self, ask: Ask, post_id: str, trace: Trace) -> Explanation:
        """Where a post stands now: its place, its reason, or the filters that take it out."""
        with self.state.turn.read(), trace.stage("total"):
            return self._explain(ask, post_id, trace)

    def _explain(self, ask: Ask, post_id: str, trace: Trace) -> Explanation:
        as_ranked = self.exploration.model_copy(update={"swap_share": 0.0, "fresh_share": 0.0})
        request_id, ask = _named(ask, exploration=as_ranked, candidates=self.sessions.settings.candidates)
        serving = self._serving(ask, trace)
        slot = self.state.post_ids.slot(post_id)
        if slot == NONE:
            return Explanation(request_id, False, [], [], None, [], serving.scorer.version, trace)
        viewer, pipeline = self._query(ask), pipeline_of(ask)
        posts = pipeline.fetch(viewer, self.view, trace).including(slot)
        one = posts[posts.slot == slot]
        allowed = pipeline.allowed(viewer, posts, trace)
        new = pipeline.new(viewer, allowed, trace)
        worth = pipeline.cut(viewer, new, trace)
        kept = allowed[np.isin(allowed.slot, worth.slot) | (allowed.slot == slot)]
        scored = pipeline.score(viewer, kept, serving.scorer, trace)
        ranking = pipeline.select(viewer, scored, len(kept), trace)
        return Explanation(
            request_id=request_id,
            known=True,
            filters=[] if slot in new.slot else pipeline.removers(viewer, posts, slot),
            sources=[name for bit, name in enumerate(pipeline.names) if one.brought[0] >> bit & 1],
            page=self._alone(viewer, pipeline, ranking, slot, serving, trace),
            values=features.compute(viewer, one)[0].astype(float).tolist(),
            model_version=serving.scorer.version,
            trace=trace,
            cut=slot in new.slot and slot not in worth.slot,
        )

    def _alone(
        self, viewer: Query, pipeline: Pipeline, ranking: Ranking, slot: int, serving: Serving, trace: Trace
    ) -> Page | None:
        """The post at its place in a ranking; None when it has none."""
        at = np.flatnonzero(ranking.scored.posts.slot == slot)
        if not len(at):
            return None
        chosen = ranking[at]
        placed = self._placed(viewer, chosen, pipeline.names)
        return Page("", placed, chosen, int(at[0]), "", serving, trace)

    def _query(self, ask: Ask) -> Query:
        return query.build(self.state, ask)

    def _serving(self, ask: Ask, trace: Trace) -> Serving:
        serving = self.models.serving(self.state, ask.viewer_id)
        if not serving.wanted:
            trace.degraded.append(("model", "unavailable"))
        return serving

    def _placed(self, viewer: Query, ranking: Ranking, names: tuple[str, ...]) -> list[Placed]:
        posts, state = ranking.scored.posts, self.state
        sources = [names[bit] if bit >= 0 else "" for bit in posts.first_source.tolist()]
        ids, authors = state.post_ids.texts(posts.slot), state.user_ids.texts(posts.author)
        reasons = [
            reason(state, viewer, source, slot)
            for source, slot in zip(sources, posts.slot.tolist(), strict=True)
        ]
        return list(map(Placed, ids, authors, sources, reasons))

    def _record(self, answer: Answer, trace: Trace) -> None:
        if answer.post_ids and not trace.gone():  # what nobody received was not served
            self.impressions.record(answer)

    def _answer(self, page: Page, ask: Ask, session_id: str) -> Answer:
        scored = page.ranking.scored
        return Answer(
            request_id=page.request_id,
            session_id=session_id,
            viewer_id=ask.viewer_id,
            surface=ask.surface,
            time_ms=ask.now_ms,
            entry_id=self.state.position,
            model_version=page.model_version,
            experiment=page.serving.experiment,
            variant=page.serving.variant,
            shadow=page.serving.shadow,
            first_place=page.first_place,
            post_ids=[one.post_id for one in page.placed],
            sources=[one.source for one in page.placed],
            brought=scored.posts.brought,
            score=scored.score,
            propensity=page.ranking.propensity,
            features=scored.rows,
            probabilities=scored.probabilities,
            factors=scored.multipliers,
        )


def _ranked(serving: Serving, rank: Callable[[Scorer], R], trace: Trace) -> tuple[Serving, R]:
    """A ranking and what scored it: the prior where the model fails. Such an answer counts for no variant."""
    try:
        return serving, rank(serving.scorer)
    except ScorerFailed:
        trace.degraded.append(("model", "failed"))
        prior = Serving(Prior(), wanted=False)
        return prior, rank(prior.scorer)


def deadline_in(seconds: float | None) -> float:
    """A deadline by time.monotonic; the last tenth of the caller's seconds is for the way back."""
    return np.inf if seconds is None else time.monotonic() + 0.9 * seconds


def _counted(session: Session, serving: Serving) -> Serving:
    """What serves a session; it counts for no variant where the order began under another."""
    variant = serving.experiment, serving.variant
    session.variant = session.variant or variant
    return serving if session.variant == variant else replace(serving, experiment="", variant="")


def _named(ask: Ask, **more: Any) -> tuple[str, Ask]:
    """The request id, and the question with a seed made from it, and with more."""
    name = uuid.UUID(ask.request_id) if ask.request_id else uuid.uuid4()
    return name.hex, replace(ask, seed=name.int & 0x7FFFFFFFFFFFFFFF, **more)
