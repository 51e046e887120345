"""The fold of an erased person: nothing that says who it was stays in the state.

The person's row and those of the posts are blank afterwards, without an id; every place that named them is
empty. What others' counters came to stays: numbers, of nobody. Words that only the person used as topics or
labels go too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from ranker.fold.index import Index
from ranker.state import NONE, State, mentions
from ranker.state.columns import Slots
from ranker.state.departed import digest_of
from ranker.state.ids import Ids
from ranker.state.mentions import Mentions
from ranker.state.recent_ids import hash_of
from ranker.state.tables import Flags

ON_ITS_WAY_MS = 1_000
"""What was served so shortly after an erasure was asked for may have been made before it was folded."""


@dataclass(frozen=True)
class Erased:
    """Somebody who was erased."""

    user_id: str
    entry_id: str
    """Of the erasure."""
    time_ms: int
    post_ids: Sequence[str] = ()
    """Those that the state knew."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the state held, by store."""


@dataclass(frozen=True)
class Traces:
    """All that the state holds of a person, found before the turn."""

    change: journal_pb2.ErasedUser
    user: int
    """NONE for somebody unknown, or whose entry was redacted."""
    posts: Slots
    terms: dict[str, Slots]
    """Topics and labels that nobody else uses."""
    named_in: dict[str, Mentions]
    """Who else names the person, by table."""
    post_ids: list[str]
    counts: Mapping[str, int]
    """What goes, by store: the person's own by the column, what others hold with its table before."""

    def told(self, time_ms: int, position: str) -> Erased:
        """What those are told who keep more of a person than the state."""
        return Erased(self.change.user_id, position, time_ms, self.post_ids, self.counts)


def find(state: State, change: journal_pb2.ErasedUser) -> Traces:
    """What the state holds of a person, in the fold's thread: nothing else changes the state."""
    user = state.user_ids.slot(change.user_id) if change.user_id else NONE
    if user == NONE:
        return Traces(change, NONE, np.zeros(0, np.int32), {}, {}, [], {})
    posts = state.posts
    own = np.flatnonzero(posts.author[: posts.size] == user).astype(np.int32)
    terms = _terms_of_nobody_else(state, user, own)
    gone = _gone(state, user, own, terms)
    but = {"user": np.array([user], np.int32), "post": own}
    named_in = {
        name: mentions.find(table, gone, but.get(name, np.zeros(0, np.int32)))
        for name, (table, _) in state.tables.items()
    }
    counts = _counts(state, user, own, terms, named_in)
    return Traces(change, user, own, terms, named_in, state.post_ids.texts(own), counts)


def _counts(
    state: State, user: int, own: Slots, terms: Mapping[str, Slots], named_in: Mapping[str, Mentions]
) -> dict[str, int]:
    """What an erasure takes out, by store."""
    found = Counter(mentions.held(state.users, user))
    found["profile"], found["posts"] = 1, len(own)
    found["preferences"] = int(found["preferences"] > 0)
    found.update({f"{name}s": len(slots) for name, slots in terms.items()})
    for table, some in named_in.items():
        found.update({f"{table}.{column}": count for column, count in some.counts()})
    return {name: count for name, count in found.items() if count}


def erase(state: State, index: Index, traces: Traces) -> None:
    """Take a person out of the state."""
    change = traces.change
    if change.key:
        digest = change.digest or digest_of(change.user_id, change.key)
        state.departed.add(change.key, digest, state.time_ms + ON_ITS_WAY_MS)
    if traces.user == NONE:
        return
    users, posts, own = state.users, state.posts, traces.posts
    np.subtract.at(users.followers, users.follows[traces.user], 1)
    np.add.at(users.followers, users.new_follows[traces.user], 1)  # they were not counted yet
    gone = _gone(state, traces.user, own, traces.terms)
    for name, some in traces.named_in.items():
        mentions.take_out(state.tables[name][0], some, gone)
    parents = np.array([hash_of(name) for name in traces.post_ids], np.uint64)
    orphans = np.isin(posts.parent_hash[: posts.size], parents)
    posts.parent_hash[: posts.size][orphans] = 0
    index.remove(own[posts.has_vector[own]])
    mentions.blank(posts, own)
    posts.deleted[own] = True
    posts.derive(own)
    mentions.blank(users, np.array([traces.user], np.int32))
    state.post_ids.forget(own)
    state.user_ids.forget(np.array([traces.user], np.int32))
    for name, slots in traces.terms.items():
        _ids_of(state, name).forget(slots)


def _gone(state: State, user: int, posts: Slots, terms: dict[str, Slots]) -> dict[str, Flags]:
    slots = {"user": np.array([user], np.int32), "post": posts, **terms}
    lengths = {name: len(_ids_of(state, name)) for name in slots}
    gone = {name: np.zeros(lengths[name], np.bool_) for name in slots}
    for name, some in slots.items():
        gone[name][some] = True
    return gone


def _ids_of(state: State, name: str) -> Ids:
    words = {"topic": state.topic_ids, "label": state.label_ids}
    return words[name] if name in words else state.tables[name][1]


def _terms_of_nobody_else(state: State, user: int, own: Slots) -> dict[str, Slots]:
    """Topics and labels that the person used, and no post of others has."""
    posts = state.posts
    chosen = types_pb2.Preferences.FromString(state.users.preferences[user].tobytes())
    wished = [word.casefold() for word in (*chosen.topics_more, *chosen.topics_less)]
    used = {
        "topic": np.append(posts.topics[own], state.topic_ids.slots(wished)),
        "label": posts.labels[own].ravel(),
    }
    others = np.ones(posts.size, np.bool_)
    others[own] = False
    columns = {"topic": posts.topics, "label": posts.labels}
    return {
        name: np.setdiff1d(slots[slots != NONE], columns[name][: posts.size][others]).astype(np.int32)
        for name, slots in used.items()
    }
