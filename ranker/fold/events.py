"""The fold of events: what viewers did, counted and remembered."""

from dataclasses import dataclass

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from ranker import events as kinds
from ranker.errors import JournalError
from ranker.event_columns import EventColumns
from ranker.fold import people, taste
from ranker.state import NONE, State, affinity, counters, event_log, rings
from ranker.state.columns import Array, Slots
from ranker.state.strings import Strings
from ranker.state.tables import Flags, Floats, Int64s

_RELATION_OF: dict[int, int] = {
    types_pb2.EVENT_KIND_FOLLOW: types_pb2.RELATION_KIND_FOLLOW,
    types_pb2.EVENT_KIND_BLOCK: types_pb2.RELATION_KIND_BLOCK,
    types_pb2.EVENT_KIND_MUTE: types_pb2.RELATION_KIND_MUTE,
}
_RELATES = np.isin(np.arange(len(kinds.STRENGTH_OF)), list(_RELATION_OF))
_MAX_HIDDEN = 10_000
"""A viewer; past it the post that feedrank has known longest may be shown again."""


@dataclass(frozen=True)
class _Batch:
    """Events as columns of equal length. `amount` says what each counts: 1, 0, or -1 when it undoes one.

    `stayed` is 1 for a stay of whatever length, also one too short to count as a dwell; -1 undoes one.
    """

    viewer: Slots
    post: Slots
    author: Slots
    kind: Array
    strength: Floats
    undo: Flags
    amount: Floats
    time_ms: Int64s
    stayed: Floats


@dataclass(frozen=True)
class Arrived:
    """Events that were not folded before, with what could be looked up before their turn.

    Slots are NONE for what nobody knows. `people`, the viewer and the named author of each event, in turn,
    is None where somebody becomes known with these events.
    """

    columns: EventColumns
    people: Slots | None
    post: Slots


def read(state: State, change: journal_pb2.Events) -> Arrived:
    """The events of an entry, in the fold's thread; one without a viewer is nobody's, and passed over.

    JournalError, before anything is folded, for a kind that is not declared.
    """
    columns = EventColumns.of_change(change)
    if ((columns.kind < 0) | (columns.kind >= len(kinds.STRENGTH_OF))).any():
        raise JournalError(
            "an entry holds events of a kind that this version does not know: upgrade feedrank"
        )
    columns = columns.only(np.flatnonzero(columns.viewer_id.length > 0))
    columns = columns.only(np.flatnonzero(state.event_ids.admit_all(columns.event_id)))
    names = _people(columns)
    slots = state.user_ids.find(names)
    known = bool(((slots != NONE) | (names.length == 0)).all())
    for table, _ in state.tables.values():  # a post changes a viewer's affinity to each of its topics
        table.reserve(len(columns) * state.posts.topics.shape[1])
    return Arrived(columns, slots if known else None, state.post_ids.find(columns.post_id))


def record(state: State, events: Arrived) -> None:
    """Fold a batch of events, in order."""
    batch = _settled(state, events)
    if len(batch.viewer):
        _relate(state, batch)
        _count(state, batch)
        _remember(state, batch)
        _teach(state, batch)


def _settled(state: State, arrived: Arrived) -> _Batch:
    """The batch, with what each event counts."""
    events, post, users = arrived.columns, arrived.post, state.users
    slots = state.users_of(_people(events)) if arrived.people is None else arrived.people
    viewer, named = np.ascontiguousarray(slots.reshape(-1, 2).T)
    author = np.where(post != NONE, state.posts.author[post], named).astype(np.int32)
    undo, kind = events.undo.astype(np.bool_), events.kind.astype(np.int8)
    stayed = (kind == types_pb2.EVENT_KIND_DWELL) * np.where(undo, np.float32(-1), np.float32(1))
    kind[(stayed > 0) & (events.dwell_ms < kinds.MIN_DWELL_MS)] = 0
    times = np.minimum(events.time_ms, state.time_ms)
    amount = event_log.settle(
        users.event_post, users.event_author, users.event_kind, users.event_ms, users.event_count,
        viewer, post, author, kind, undo, times, kinds.LASTING, types_pb2.EVENT_KIND_IMPRESSION,
    )  # fmt: skip
    np.maximum.at(users.active_ms, viewer, times)
    return _Batch(viewer, post, author, kind, kinds.STRENGTH_OF[kind], undo, amount, times, stayed)


def _people(events: EventColumns) -> Strings:
    """The viewer and the named author of each event, in turn."""
    pairs = zip(events.viewer_id[1:], events.author_id[1:], strict=True)
    return Strings(events.viewer_id.buffer, *(np.stack(pair, axis=1).ravel() for pair in pairs))


def _relate(state: State, batch: _Batch) -> None:
    """What an event sets holds whether it counts or not: a second follow may come after an unfollow."""
    for i in np.flatnonzero(_RELATES[batch.kind]):
        viewer, author = int(batch.viewer[i]), int(batch.author[i])
        if author not in (NONE, viewer):
            relation = _RELATION_OF[int(batch.kind[i])]
            people.relate(state, viewer, author, relation, remove=bool(batch.undo[i]))
    hidden = state.users.hidden
    for i in np.flatnonzero(kinds.HIDES[batch.kind] & (batch.post != NONE)):
        viewer = int(batch.viewer[i])
        change = hidden.discard if batch.undo[i] else hidden.insert
        change(viewer, int(batch.post[i]))
        if len(hidden[viewer]) > _MAX_HIDDEN:
            hidden.discard(viewer, int(hidden[viewer][0]))


def _count(state: State, batch: _Batch) -> None:
    """Counters of posts, authors and viewers, and the rings of places; what authors do with their own posts
    is no news."""
    users, counter = state.users, kinds.COUNTER_OF[batch.kind]
    others = np.where(batch.viewer == batch.author, np.float32(0), batch.amount)

    def add(value: Floats, last_ms: Int64s, rows: Slots, amounts: Floats) -> None:
        counters.add(value, last_ms, rows, counter, amounts, batch.time_ms, counters.HALF_LIVES_MS)

    add(state.posts.counter, state.posts.counter_ms, batch.post, others)
    state.posts.derive(batch.post)
    add(users.received, users.received_ms, batch.author, others)
    add(users.given, users.given_ms, batch.viewer, batch.amount)
    hot = np.where((batch.strength > 0) & (others > 0), batch.post, NONE).astype(np.int32)
    for places, column in (
        (state.communities, state.posts.community),
        (state.languages, state.posts.language),
    ):
        rows = np.where(batch.post != NONE, column[batch.post], NONE).astype(np.int32)
        rings.push(places.hot, places.hot_count, rows, hot)


def _remember(state: State, batch: _Batch) -> None:
    """The viewers' rings, the posts' engagers and opposers, and affinities to authors and topics."""
    users, posts = state.users, state.posts

    def only(where: Array) -> Floats:
        return np.where(where, batch.amount, np.float32(0))

    good, bad = batch.strength > 0, batch.strength < 0
    screen = batch.kind == types_pb2.EVENT_KIND_IMPRESSION
    others = batch.viewer != batch.author
    rings.change(users.seen, users.seen_count, batch.viewer, batch.post, only(screen))
    rings.change(users.stayed, users.stayed_count, batch.viewer, batch.post, batch.stayed)
    rings.change(users.liked, users.liked_count, batch.viewer, batch.post, only(good))
    rings.change(users.disliked, users.disliked_count, batch.viewer, batch.post, only(bad))
    engagers = posts.engager_count[batch.post]
    rings.change(posts.engagers, posts.engager_count, batch.post, batch.viewer, only(good & others))
    _receive(state, batch.post, only(screen & others), engagers)
    rings.change(posts.opposers, posts.opposer_count, batch.post, batch.viewer, only(bad & others))
    authors = np.where(others, batch.author, NONE).astype(np.int32)
    affinity.add(
        users.author_key, users.author_sum, users.author_ms, batch.viewer, authors,
        batch.strength, batch.amount, batch.time_ms, affinity.AUTHOR_HALF_LIFE_MS,
    )  # fmt: skip
    topics = np.where((batch.post != NONE)[:, None], posts.topics[batch.post], NONE).astype(np.int32)
    row, at = np.nonzero(topics != NONE)
    affinity.add(
        users.topic_key, users.topic_sum, users.topic_ms, batch.viewer[row], topics[row, at],
        batch.strength[row], batch.amount[row], batch.time_ms[row], affinity.TOPIC_HALF_LIFE_MS,
    )  # fmt: skip


def _receive(state: State, post: Slots, shown: Floats, engagers: Int64s) -> None:
    """Count in the places what was on a screen, and who came to `engagers`, the posts' counts before."""
    came = np.zeros(len(post), np.int64)
    once = np.unique(post, return_index=True)[1]
    came[once] = state.posts.engager_count[post[once]] - engagers[once]
    for places, column in (
        (state.communities, state.posts.community),
        (state.languages, state.posts.language),
    ):
        there = (post != NONE) & (column[post] != NONE)
        np.add.at(places.shown, column[post[there]], shown[there].astype(np.int64))
        np.add.at(places.engaged, column[post[there]], came[there])


def _teach(state: State, batch: _Batch) -> None:
    taught = (batch.strength != 0) & (batch.amount > 0) & (batch.post != NONE)
    taught &= state.posts.has_vector[batch.post]
    taste.teach(
        state, batch.viewer[taught], batch.post[taught], batch.strength[taught], batch.time_ms[taught]
    )
