"""The fold of people: users, relations, preferences, and what they were served.

What names nobody is passed over.
"""

from typing import NamedTuple

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.errors import JournalError
from ranker.state import NONE, State, rings
from ranker.state.columns import Ragged, Slots, padded
from ranker.state.strings import Int64s, Strings
from ranker.text import primary_language

_KINDS = frozenset(types_pb2.RelationKind.values()) - {types_pb2.RELATION_KIND_UNSPECIFIED}
_MAX_RELATIONS = 50_000
"""Of one kind, a user; further ones are passed over."""


def put(state: State, change: journal_pb2.Users) -> None:
    """Add users, or replace what was put of them."""
    users = state.users
    for row in filter(lambda row: row.id, change.users):
        slot = state.user(row.id)
        users.active_ms[slot] = max(users.active_ms[slot], state.time_ms)
        if row.created_ms:
            users.created_ms[slot] = row.created_ms
        spoken = [state.place("language", primary_language(tag)) for tag in row.languages]
        joined = [state.place("community", name) for name in row.community_ids]
        users.languages[slot] = padded(spoken, users.languages.shape[1])
        users.communities[slot] = padded(joined, users.communities.shape[1])


def read_relations(change: journal_pb2.Relations) -> journal_pb2.Relations:
    """The relations of an entry. JournalError, before any is set, for a kind that is not declared."""
    if any(row.kind not in _KINDS for row in change.relations):
        raise JournalError(
            "an entry holds relations of a kind that this version does not know: upgrade feedrank"
        )
    return change


def put_relations(state: State, change: journal_pb2.Relations) -> None:
    """Set or remove relations, in order."""
    for row in filter(lambda row: row.user_id and row.target_id, change.relations):
        relate(state, state.user(row.user_id), state.user(row.target_id), row.kind, remove=row.remove)


def relate(state: State, user: int, target: int, kind: int, *, remove: bool) -> None:
    """Set or remove one relation of a kind of the contract."""
    users = state.users
    change = "discard" if remove else "insert"
    lists: dict[int, Ragged] = {
        types_pb2.RELATION_KIND_FOLLOW: users.follows,
        types_pb2.RELATION_KIND_BLOCK: users.blocks,
        types_pb2.RELATION_KIND_MUTE: users.mutes,
    }
    rows = lists[kind]
    if (not remove and len(rows[user]) >= _MAX_RELATIONS) or not getattr(rows, change)(user, target):
        return
    if kind == types_pb2.RELATION_KIND_FOLLOW:
        _count_follower(state, user, target, remove=remove)
    if kind == types_pb2.RELATION_KIND_BLOCK:
        getattr(users.blocked_by, change)(target, user)


def _count_follower(state: State, user: int, target: int, *, remove: bool) -> None:
    """Count a follower, or no longer. One who is new here counts once that has passed."""
    users = state.users
    if remove and users.new_follows.discard(user, target):
        return
    if not remove and state.is_new(user):
        users.new_follows.insert(user, target)
    else:
        users.followers[target] += -1 if remove else 1


def put_preferences(state: State, change: journal_pb2.ViewerPreferences) -> None:
    """Replace a viewer's preferences."""
    if (slot := state.user(change.viewer_id)) == NONE:
        return
    chosen = change.preferences
    for topic in (*chosen.topics_more, *chosen.topics_less):
        state.term(state.topic_ids, topic.casefold())
    state.users.preferences.set(slot, np.frombuffer(chosen.SerializeToString(), np.uint8))


class Shown(NamedTuple):
    """Posts that answers showed: all of a page, page after page. The last two have one entry a page."""

    post: Slots
    page: NDArray[np.intp]
    viewers: Strings
    time_ms: Int64s


def read_served(state: State, change: journal_pb2.Served) -> Shown:
    """What answers showed to viewers, in the fold's thread: nothing else changes the state."""
    pages = [page for page in change.pages if page.viewer_id]
    counts = [len(page.post_ids) for page in pages]
    return Shown(
        state.post_ids.slots([post_id for page in pages for post_id in page.post_ids]),
        np.repeat(np.arange(len(pages)), counts),
        Strings.of([page.viewer_id for page in pages]),
        np.array([page.time_ms for page in pages], np.int64),
    )


def remember_served(state: State, shown: Shown) -> None:
    """Remember what answers showed; not what came too late to somebody who is erased since."""
    users = state.users
    if state.departed:
        shown = _to_those_who_are_there(state, shown)
    viewer = state.users_of(shown.viewers)[shown.page]
    rings.push(users.served, users.served_count, viewer, shown.post)
    np.maximum.at(users.active_ms, viewer, shown.time_ms[shown.page])


def _to_those_who_are_there(state: State, shown: Shown) -> Shown:
    told = zip(shown.viewers.texts(), shown.time_ms.tolist(), strict=True)
    there = np.array([not state.departed.covers(name, time_ms) for name, time_ms in told], np.bool_)
    kept = there[shown.page]
    page = (np.cumsum(there) - 1)[shown.page[kept]]
    pages = np.flatnonzero(there)
    return Shown(shown.post[kept], page, shown.viewers.only(pages), shown.time_ms[pages])
