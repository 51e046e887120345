"""The fold of events: what viewers did, counted and remembered.

What an entry comes to without a change of the state is made before its turn. What is left for the turn is one
kernel, beside the few rows that set relations and the interests: readers wait for it.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker import events as kinds
from ranker.dots import widened
from ranker.errors import JournalError
from ranker.event_columns import EventColumns
from ranker.fold import people, taste
from ranker.kernels import fetch, kernel
from ranker.state import NONE, State, affinity, counters, event_log, heat, rings, standing
from ranker.state.affinity import Affinities
from ranker.state.columns import Array, Slots
from ranker.state.event_log import Logs
from ranker.state.rings import Ring, ring_of
from ranker.state.standing import Norm
from ranker.state.strings import Strings
from ranker.state.tables import Flags, Floats, Int64s, Places

_RELATION_OF: dict[int, int] = {
    types_pb2.EVENT_KIND_FOLLOW: types_pb2.RELATION_KIND_FOLLOW,
    types_pb2.EVENT_KIND_BLOCK: types_pb2.RELATION_KIND_BLOCK,
    types_pb2.EVENT_KIND_MUTE: types_pb2.RELATION_KIND_MUTE,
}
_RELATES = np.isin(np.arange(len(kinds.STRENGTH_OF)), list(_RELATION_OF))
_MAX_HIDDEN = 10_000
"""A viewer; past it the post that feedrank has known longest may be shown again."""


class _Batch(NamedTuple):
    """Events as columns of equal length, with what the state says of their posts; slots are int32.

    `stayed` is 1 for a stay of whatever length, also one too short to count as a dwell, whose kind is 0; -1
    undoes one.
    """

    viewer: Slots
    post: Slots
    author: Slots
    community: Slots
    language: Slots
    topics: Slots
    kind: NDArray[np.int8]
    counter: NDArray[np.int8]
    strength: Floats
    undo: Flags
    time_ms: Int64s
    stayed: Floats


@dataclass(frozen=True)
class Arrived:
    """Events that were not folded before, with all that could be made of them before their turn."""

    batch: _Batch
    rows: "_Rows"
    """What the batch changes; good while nobody becomes known."""
    newcomers: Strings | None
    """The viewer and the named author of each event, in turn, where somebody becomes known with these
    events; the batch's `viewer` and `author` are to come then."""
    teaching: NDArray[np.intp]
    """The events that teach taste, if they count."""
    vectors: Floats
    """Of their posts, float32 (n, dimension)."""


def read(state: State, change: journal_pb2.Events) -> Arrived:
    """The events of an entry, in the fold's thread; one without a viewer is nobody's, and passed over.

    JournalError, before anything is folded, for a kind that is not declared.
    """
    columns = EventColumns.of_change(change)
    if ((columns.kind < 0) | (columns.kind >= len(kinds.STRENGTH_OF))).any():
        raise JournalError(
            "an entry holds events of a kind that this version does not know: upgrade feedrank"
        )
    columns = columns.where(columns.viewer_id.length > 0)
    columns = columns.where(state.event_ids.admit_all(columns.event_id))
    for table, _ in state.tables.values():  # a post changes a viewer's affinity to each of its topics
        table.reserve(len(columns) * state.posts.topics.shape[1])
    names = _people(columns)
    slots = state.user_ids.find(names)
    known = bool(((slots != NONE) | (names.length == 0)).all())
    batch = _batch(state, columns, slots)
    teaches = (batch.strength != 0) & ~batch.undo & (batch.post != NONE)
    teaching = np.flatnonzero(teaches & state.posts.has_vector[batch.post])
    vectors = widened(state.posts.vector, batch.post[teaching])
    return Arrived(batch, _Rows.of(state), None if known else names, teaching, vectors)


def record(state: State, arrived: Arrived) -> None:
    """Fold a batch of events, in order."""
    batch, rows = arrived.batch, arrived.rows
    if not len(batch.viewer):
        return
    state.look_at_standing()
    if arrived.newcomers is not None:
        viewer, named = _pairs(state.users_of(arrived.newcomers))
        batch = batch._replace(viewer=viewer, author=_authors(state, batch.post, named))
        rows = _Rows.of(state)
    _relate(state, batch)
    amount = _fold(batch, *rows, _RULES, state.norm, state.time_ms)
    _teach(state, arrived, batch, amount)


def _people(events: EventColumns) -> Strings:
    """The viewer and the named author of each event, in turn."""
    pairs = zip(events.viewer_id[1:], events.author_id[1:], strict=True)
    return Strings(events.viewer_id.buffer, *(np.stack(pair, axis=1).ravel() for pair in pairs))


def _pairs(slots: Slots) -> tuple[Slots, Slots]:
    viewer, named = np.ascontiguousarray(slots.reshape(-1, 2).T)
    return viewer, named


def _authors(state: State, post: Slots, named: Slots) -> Slots:
    return np.where(post != NONE, state.posts.author[post], named).astype(np.int32)


def _batch(state: State, events: EventColumns, slots: Slots) -> _Batch:
    posts, post = state.posts, state.post_ids.find(events.post_id)
    viewer, named = _pairs(slots)
    kind, undo = events.kind.astype(np.int8), events.undo.astype(np.bool_)
    stayed = (kind == types_pb2.EVENT_KIND_DWELL) * np.where(undo, np.float32(-1), np.float32(1))
    kind[(stayed > 0) & (events.dwell_ms < kinds.MIN_DWELL_MS)] = 0
    about = _about(post, posts.community, posts.language, posts.topics)
    return _Batch(
        viewer, post, _authors(state, post, named), *about,
        kind, kinds.COUNTER_OF[kind], kinds.STRENGTH_OF[kind], undo, events.time_ms, stayed,
    )  # fmt: skip


@kernel
def _about(post: Slots, community: Slots, language: Slots, topics: Slots) -> tuple[Slots, Slots, Slots]:
    """Where posts are, and what they are about; NONE for a post of NONE."""
    places = np.full((2, len(post)), -1, np.int32)
    terms = np.full((len(post), topics.shape[1]), -1, np.int32)
    for one in post:
        if one >= 0:
            fetch(topics, one)
    for i in range(len(post)):
        if post[i] >= 0:
            places[0, i], places[1, i] = community[post[i]], language[post[i]]
            terms[i] = topics[post[i]]
    return places[0], places[1], terms


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


class _Posts(NamedTuple):
    """The posts' columns that events change."""

    counter: Floats
    counter_ms: Int64s
    heat: NDArray[np.float64]
    engagers: Ring
    opposers: Ring

    @classmethod
    def of(cls, state: State) -> Self:
        posts = state.posts
        engagers = ring_of(posts.engagers, posts.engager_count)
        opposers = ring_of(posts.opposers, posts.opposer_count)
        return cls(posts.counter, posts.counter_ms, posts.heat, engagers, opposers)


class _Users(NamedTuple):
    """The users' columns that events change, as viewers and as authors."""

    active_ms: Int64s
    heard_ms: Int64s
    created_ms: Int64s
    met: NDArray[np.uint64]
    logs: Logs
    received: Floats
    received_ms: Int64s
    given: Floats
    given_ms: Int64s
    seen: Ring
    stayed: Ring
    liked: Ring
    disliked: Ring
    authors: Affinities
    topics: Affinities

    @classmethod
    def of(cls, state: State) -> Self:
        users = state.users
        log = users.event_post, users.event_author, users.event_kind, users.event_ms, users.event_counts
        author = (users.author_key, users.author_sum, users.author_ms, affinity.AUTHOR_HALF_LIFE_MS)
        topic = (users.topic_key, users.topic_sum, users.topic_ms, affinity.TOPIC_HALF_LIFE_MS)
        return cls(
            users.active_ms, users.heard_ms, users.created_ms, users.met,
            event_log.logs_of(*log, users.event_count),
            users.received, users.received_ms, users.given, users.given_ms,
            ring_of(users.seen, users.seen_count), ring_of(users.stayed, users.stayed_count),
            ring_of(users.liked, users.liked_count), ring_of(users.disliked, users.disliked_count),
            affinity.affinities_of(*author), affinity.affinities_of(*topic),
        )  # fmt: skip


class _PlaceRows(NamedTuple):
    """The columns of places that events change."""

    hot: Ring
    shown: Int64s
    engaged: Int64s


def _places(places: Places) -> _PlaceRows:
    return _PlaceRows(ring_of(places.hot, places.hot_count), places.shown, places.engaged)


class _Rows(NamedTuple):
    """All that events change, save for relations and interests."""

    posts: _Posts
    users: _Users
    communities: _PlaceRows
    languages: _PlaceRows

    @classmethod
    def of(cls, state: State) -> Self:
        places = _places(state.communities), _places(state.languages)
        return cls(_Posts.of(state), _Users.of(state), *places)


class _Rules(NamedTuple):
    """What is declared of kinds: a kernel that is kept on disk does not see when it changes."""

    lasting: Flags
    impression: int
    half_lives_ms: NDArray[np.float64]


_RULES = _Rules(kinds.LASTING, types_pb2.EVENT_KIND_IMPRESSION, counters.HALF_LIVES_MS)


@kernel
def _fold(
    batch: _Batch,
    posts: _Posts,
    users: _Users,
    communities: _PlaceRows,
    languages: _PlaceRows,
    rules: _Rules,
    norm: Norm,
    now_ms: int,
) -> Floats:
    """Change all columns; what each event counts, float32 (n,): 1, 0, or -1 when it undoes one."""
    times = np.minimum(batch.time_ms, now_ms)
    meets = (batch.strength != 0) & ~batch.undo
    counts = standing.stands(
        batch.viewer, batch.author, meets, users.heard_ms, users.created_ms, users.met, norm, now_ms
    )
    amount = event_log.settled(
        users.logs, batch.viewer, batch.post, batch.author, batch.kind, batch.undo, times, counts,
        rules.lasting, rules.impression,
    )  # fmt: skip
    _hear(users.active_ms, batch.viewer, times)
    # What authors do with their own posts is no news, and what accounts without standing do is their own.
    others = _only(amount, counts & (batch.viewer != batch.author))
    _count(batch, posts, users, amount, others, times, rules.half_lives_ms)
    _remember(batch, users, amount, times, rules.impression)
    _engage(batch, posts, communities, languages, others, rules.impression)
    return amount


@kernel
def _hear(active_ms: Int64s, viewer: Slots, times: Int64s) -> None:
    """Viewers were heard of."""
    for one in viewer:
        fetch(active_ms, one)
    for i in range(len(viewer)):
        active_ms[viewer[i]] = max(active_ms[viewer[i]], times[i])


@kernel
def _count(
    batch: _Batch,
    posts: _Posts,
    users: _Users,
    amount: Floats,
    others: Floats,
    times: Int64s,
    half_lives_ms: Array,
) -> None:
    """Counters of posts and authors, of what counts in the eyes of others, and of viewers."""
    counter = batch.counter
    counters.add(posts.counter, posts.counter_ms, batch.post, counter, others, times, half_lives_ms)
    heat.update(posts.heat, posts.counter, posts.counter_ms, batch.post)
    counters.add(users.received, users.received_ms, batch.author, counter, others, times, half_lives_ms)
    counters.add(users.given, users.given_ms, batch.viewer, counter, amount, times, half_lives_ms)


@kernel
def _remember(batch: _Batch, users: _Users, amount: Floats, times: Int64s, impression: int) -> None:
    """The viewers' rings, and their affinities to authors and topics."""
    viewer, post, strength = batch.viewer, batch.post, batch.strength
    rings.changed(users.seen, viewer, post, _only(amount, batch.kind == impression))
    rings.changed(users.stayed, viewer, post, batch.stayed)
    rings.changed(users.liked, viewer, post, _only(amount, strength > 0))
    rings.changed(users.disliked, viewer, post, _only(amount, strength < 0))
    others = _only(amount, viewer != batch.author)
    affinity.added(users.authors, viewer, batch.author, strength, others, times)
    topics = batch.topics
    held = np.flatnonzero(topics.ravel() >= 0)
    row = held // topics.shape[1]
    affinity.added(users.topics, viewer[row], topics.ravel()[held], strength[row], amount[row], times[row])


@kernel
def _engage(
    batch: _Batch,
    posts: _Posts,
    communities: _PlaceRows,
    languages: _PlaceRows,
    others: Floats,
    impression: int,
) -> None:
    """The posts' engagers and opposers, and what is hot, was on screens, and found people in the places."""
    good = _only(others, batch.strength > 0)
    came = rings.changed(posts.engagers, batch.post, batch.viewer, good)
    rings.changed(posts.opposers, batch.post, batch.viewer, _only(others, batch.strength < 0))
    shown = _only(others, batch.kind == impression)
    for places, rows in ((communities, batch.community), (languages, batch.language)):
        rings.changed(places.hot, rows, batch.post, np.maximum(good, np.float32(0)))
        _tally(places.shown, places.engaged, rows, shown, came)


@kernel
def _tally(places_shown: Int64s, places_engaged: Int64s, rows: Slots, shown: Floats, came: Flags) -> None:
    for i in range(len(rows)):
        if rows[i] >= 0:
            places_shown[rows[i]] += np.int64(shown[i])
            places_engaged[rows[i]] += came[i]


@kernel
def _only(amount: Floats, chosen: Flags) -> Floats:
    """The amounts of some events, and 0 for the others."""
    kept = np.zeros(len(amount), np.float32)
    for i in range(len(amount)):
        if chosen[i]:
            kept[i] = amount[i]
    return kept


def _teach(state: State, arrived: Arrived, batch: _Batch, amount: Floats) -> None:
    counted = amount[arrived.teaching] > 0
    rows = arrived.teaching[counted]
    times = np.minimum(batch.time_ms[rows], state.time_ms)
    taste.teach(state, batch.viewer[rows], arrived.vectors[counted], batch.strength[rows], times)
