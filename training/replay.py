"""Replay: a history folded in time order, each impression's feature row written as it was then.

The features come from the code that serves: the state, `query.build`, `features.compute`. They are taken
before the impression and all that follows it in the history is folded, so that no feature knows the future.
Impressions of one answer that lie in one entry share a moment, that of the first. Where a client reports
an answer's impressions in several calls, the viewer and the time are those of the first call, which is the
nearest to serving that a history tells; posts and authors are as of each call and know what came between,
the viewer's own clicks among it. The last 10,000 answers are remembered so; an older one begins anew.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker import features, heads, query
from ranker.candidates import Candidates
from ranker.consent import ConsentSettings
from ranker.fold import Fold
from ranker.query import Ask, Query
from ranker.state import NONE, State
from ranker.state.ids import Ids
from ranker.state.recent_ids import RecentIds
from training.choices import Names, choose, people_in
from training.consent import Consents, Refusals, refused_by
from training.examples import (
    About,
    Choices,
    Examples,
    ExampleSet,
    Impressions,
    Outcomes,
    Posts,
    labelled,
    not_logged,
)
from training.served import number_of

Record = tuple[str, journal_pb2.Entry]
"""A position and an entry."""

_IMPRESSION = types_pb2.EVENT_KIND_IMPRESSION
_ANSWERS = 10_000
_LONGEST_MS = max(head.horizon_ms for head in heads.HEADS)


class _Event(NamedTuple):
    """A row of the columns of journal_pb2.Events, in the order of the message's fields."""

    event_id: str
    viewer_id: str
    post_id: str
    author_id: str
    kind: int
    time_ms: int
    dwell_ms: int
    undo: bool
    request_id: str
    position: int
    surface: int
    no_training: bool
    no_export: bool


_COLUMNS = [column.name for column in journal_pb2.Events.DESCRIPTOR.fields]


@dataclass
class _Columns:
    """Rows that grow; arrays in the end."""

    parts: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add(self, **values: Any) -> None:
        for name, value in values.items():
            self.parts[name].append(value)

    def array(self, name: str, dtype: Any) -> NDArray[Any]:
        return np.array(self.parts[name], dtype)


class Replay:
    """A state that a history is folded into, and the impressions met on the way.

    An impression of a post that is not known is left out, and so is one that the history tells of only
    after what the viewer did with the post: its features would know.
    """

    def __init__(self, state: State, defaults: ConsentSettings | None = None) -> None:
        self.state = state
        self.consents = Consents(defaults or ConsentSettings())
        self.fold = Fold(state)
        self.viewer_ids, self.post_ids, self.request_ids = Ids(), Ids(), Ids()
        """What the numbers in the examples stand for."""
        self._seen_ids = RecentIds()
        self._queries: dict[tuple[str, str], Query] = {}
        """The viewer as of each answer's first impression, by viewer and request, oldest first."""
        self._rows: list[NDArray[np.float32]] = []
        self._shown = _Columns()
        self._done = _Columns()
        self._groups = 0
        self._author_ids = Ids()
        self._author_of: dict[int, int] = {}
        """Authors of the posts that were shown, by post number."""

    def run(self, history: Iterable[Record]) -> None:
        """Fold a history, or the next part of one."""
        for position, entry in history:
            self.consents.take(entry)
            if entry.WhichOneof("change") == "events":
                self._events(position, entry)
            else:
                self._fold(position, entry)

    def rows(self, ask: Ask, post_ids: Iterable[str]) -> NDArray[np.float32]:
        """The feature rows of known posts for a viewer, as the state is now: float32 (n, features)."""
        slots = self.state.post_ids.slots(list(post_ids))
        return features.compute(query.build(self.state, ask), Candidates.of(self.state, slots))

    def examples(self, until_ms: int | None = None) -> Examples:
        """The impressions with what followed.

        `until_ms`: the moment the history was read, when more may follow: impressions whose longest
        horizon has not passed by then are left out.
        """
        examples = labelled(self._impressions(), self._outcomes())
        return examples if until_ms is None else examples[examples.time_ms + _LONGEST_MS <= until_ms]

    def example_set(self, choices: Choices, key: bytes | None = None) -> ExampleSet:
        """The impressions that become examples. Every impression that a history tells of was seen.

        `key`: see `join`.
        """
        impressions, outcomes = self._impressions(), self._outcomes()
        names = Names(self.viewer_ids.names, self.post_ids.names, self.request_ids.names)
        seen = np.ones(len(impressions), np.bool_)
        chosen = choose(impressions, outcomes, seen, names, choices, self._refusals())
        kept = vars(impressions[chosen.rows])
        examples = Examples(**kept, labels=chosen.labels, weight=chosen.weight)
        about = About(**choices.model_dump(), made_by="replay", counts=chosen.counts)
        people = people_in(examples, names.viewers, self._authors(), self._author_ids.names, key)
        return ExampleSet(examples, self.posts(), about, people).compact()

    def _authors(self) -> NDArray[np.int32]:
        """The author of each post by number, a number of its own; NONE for one that was not shown."""
        authors = np.full(len(self.post_ids), NONE, np.int32)
        authors[list(self._author_of)] = list(self._author_of.values())
        return authors

    def _refusals(self) -> Refusals:
        of_authors = self.consents.of_people(self._author_ids.names)
        return Refusals(
            viewer=self.consents.of_people(self.viewer_ids.names),
            author=of_authors[np.append(self._authors(), NONE)],
            post=self.consents.of_posts(self.post_ids.names),
            row=self._shown.array("refuses", np.uint8),
        )

    def posts(self) -> Posts:
        """What the state knows of the posts that the examples number."""
        names, posts = self.post_ids.names, self.state.posts
        slots = self.state.post_ids.slots(names)
        there = slots != NONE
        no_vector = ~(posts.has_vector[slots] & there)
        vector = posts.vector[slots]
        vector[no_vector] = np.nan
        return Posts(
            ids=np.array(names, np.object_),
            author=np.where(there, posts.author[slots], NONE),
            language=np.where(there, posts.language[slots], NONE),
            created_ms=np.where(there, posts.created_ms[slots], NONE),
            vector=vector,
            languages=tuple(self.state.language_ids.names),
        )

    def _events(self, position: str, entry: journal_pb2.Entry) -> None:
        events = _rows(entry)
        new = self._seen_ids.admit(entry.events.event_ids)
        groups = _groups([event if fresh else None for event, fresh in zip(events, new, strict=True)])
        for event, fresh in zip(events, new, strict=True):
            if fresh and event.kind != _IMPRESSION and event.post_id:
                self._note(event)
        cuts = [0, *(start for start in groups if start), len(events)]
        for start, end in pairwise(cuts):
            if start in groups:
                self._show([events[row] for row in groups[start]])
            self._fold(position, _part(entry, start, end))

    def _fold(self, position: str, entry: journal_pb2.Entry) -> None:
        posts, users = self.state.posts.size, self.state.users.size
        self.fold.apply(position, entry)
        if self.state.posts.size < posts or self.state.users.size < users:
            self._queries.clear()  # To make room the state has renumbered the slots that a query holds.

    def _show(self, group: list[_Event]) -> None:
        """Write the feature rows of posts that one viewer saw together."""
        viewer = self._viewer(group[0])
        slots = self.state.post_ids.slots([event.post_id for event in group])
        kept = np.flatnonzero((slots != NONE) & ~np.isin(slots, self._acted_on(group[0])))
        if not len(kept):
            return
        self._rows.append(features.compute(viewer, Candidates.of(self.state, slots[kept])))
        places = _places(group)
        for row in kept.tolist():
            what = {"place": places[row], "surface": group[row].surface or types_pb2.SURFACE_FOR_YOU}
            what |= self._numbers(group[row]) | {"refuses": refused_by(group[row])}
            self._shown.add(group=self._groups, time_ms=group[row].time_ms, **what)
            self._learn_author(what["post"], int(slots[row]))
        self._groups += 1

    def _learn_author(self, post: int, slot: int) -> None:
        """Note whose post it is, while the state knows."""
        if post not in self._author_of:
            author = int(self.state.posts.author[slot])
            name = self.state.user_ids.text(author) if author != NONE else ""
            self._author_of[post] = number_of(self._author_ids, name)

    def _viewer(self, first: _Event) -> Query:
        """The viewer of an impression, as of the first impression of its answer."""
        answer = first.viewer_id, first.request_id
        if answer in self._queries:
            return self._queries[answer]
        ask = Ask(first.viewer_id, first.time_ms, first.surface or types_pb2.SURFACE_FOR_YOU)
        built = query.build(self.state, ask)
        if first.request_id:
            self._queries[answer] = built
        if len(self._queries) > _ANSWERS:
            del self._queries[next(iter(self._queries))]
        return built

    def _acted_on(self, shown: _Event) -> NDArray[np.int32]:
        """Posts that the state knows the viewer to have acted on at the moment of an event or after it."""
        users, viewer = self.state.users, self.state.user_ids.slot(shown.viewer_id)
        later = users.event_ms[viewer] >= shown.time_ms
        posts: NDArray[np.int32] = users.event_post[viewer][later & (viewer != NONE)]
        return posts

    def _note(self, event: _Event) -> None:
        what = {"kind": event.kind, "dwell_ms": event.dwell_ms, "undo": event.undo}
        what["refuses"] = refused_by(event)
        self._done.add(time_ms=event.time_ms, **what, **self._numbers(event))

    def _numbers(self, event: _Event) -> dict[str, int]:
        return {
            "viewer": number_of(self.viewer_ids, event.viewer_id),
            "post": number_of(self.post_ids, event.post_id),
            "request": number_of(self.request_ids, event.request_id),
        }

    def _impressions(self) -> Impressions:
        names = ("viewer", "post", "request", "group", "place")
        return Impressions(
            features=np.concatenate([np.zeros((0, len(features.NAMES)), np.float32), *self._rows]),
            **{name: self._shown.array(name, np.int32) for name in names},
            time_ms=self._shown.array("time_ms", np.int64),
            surface=self._shown.array("surface", np.int8),
            **not_logged(len(self._shown.parts["time_ms"])),
        )

    def _outcomes(self) -> Outcomes:
        return Outcomes(
            **{name: self._done.array(name, np.int32) for name in ("viewer", "post", "request")},
            **{name: self._done.array(name, np.int64) for name in ("time_ms", "dwell_ms")},
            kind=self._done.array("kind", np.int8),
            undo=self._done.array("undo", np.bool_),
            refuses=self._done.array("refuses", np.uint8),
        )


def _rows(entry: journal_pb2.Entry) -> list[_Event]:
    """The events of an entry, none later than the entry: a viewer's clock may be ahead."""
    nothing = [False] * len(entry.events.kinds)
    rows = zip(*(getattr(entry.events, name) or nothing for name in _COLUMNS), strict=True)
    events = (_Event(*row) for row in rows)
    return [event._replace(time_ms=min(event.time_ms, entry.time_ms)) for event in events]


def _groups(events: list[_Event | None]) -> dict[int, list[int]]:
    """Rows of impressions that were shown together, by the row of the first.

    Together is: in one answer, or, where no answer is named, at one time. None is passed over.
    """
    together: dict[tuple[str, str | int], list[int]] = defaultdict(list)
    for row, event in enumerate(events):
        if event is not None and event.kind == _IMPRESSION and not event.undo and event.post_id:
            together[event.viewer_id, event.request_id or event.time_ms].append(row)
    return {rows[0]: rows for rows in together.values()}


def _places(group: list[_Event]) -> list[int]:
    """The places of posts shown together; -1 where the client does not say them.

    0 is also what an event has that says nothing: several zeros in an answer, or one without an answer,
    tell no place.
    """
    told = any(event.position for event in group) or (len(group) == 1 and bool(group[0].request_id))
    return [event.position if told else NONE for event in group]


def _part(entry: journal_pb2.Entry, start: int, end: int) -> journal_pb2.Entry:
    if end - start == len(entry.events.kinds):
        return entry
    columns = {name: getattr(entry.events, name)[start:end] for name in _COLUMNS}
    return journal_pb2.Entry(time_ms=entry.time_ms, events=journal_pb2.Events(**columns))
