"""The fold of an erased person: nothing that says who it was stays in the state.

The person's row and those of the posts are blank afterwards, without an id; every place that named them is
empty. What others' counters came to stays: numbers, of nobody. Words that only the person used as topics or
labels go too.
"""

from collections import Counter
from dataclasses import dataclass

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
from ranker.state.strings import Hashes
from ranker.state.tables import Flags


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
    parents: Hashes
    """Of the ids of the posts, as `Posts.parent_hash` has them."""


def find(state: State, change: journal_pb2.ErasedUser) -> Traces:
    """What the state holds of a person, in the fold's thread: nothing else changes the state."""
    user = state.user_ids.slot(change.user_id) if change.user_id else NONE
    if user == NONE:
        return Traces(change, NONE, np.zeros(0, np.int32), {}, {}, np.zeros(0, np.uint64))
    posts = state.posts
    own = np.flatnonzero(posts.author[: posts.size] == user).astype(np.int32)
    terms = _terms_of_nobody_else(state, user, own)
    gone = _gone(state, user, own, terms)
    but = {"user": np.array([user], np.int32), "post": own}
    named_in = {
        name: mentions.find(table, gone, but.get(name, np.zeros(0, np.int32)))
        for name, (table, _) in state.tables.items()
    }
    parents = np.array([hash_of(name) for name in state.post_ids.texts(own)], np.uint64)
    return Traces(change, user, own, terms, named_in, parents)


def counts(state: State, traces: Traces) -> dict[str, int]:
    """What an erasure takes out, by store: the person's own by the column, what others hold by table too."""
    found: Counter[str] = Counter()
    if traces.user != NONE:
        found["profile"] = 1
        found.update(mentions.held(state.users, traces.user))
        found["preferences"] = int(found["preferences"] > 0)
        found["posts"] = len(traces.posts)
        for name, slots in traces.terms.items():
            found[f"{name}s"] = len(slots)
        for table, some in traces.named_in.items():
            found.update({f"{table}.{column}": count for column, count in some.counts()})
    return {name: count for name, count in found.items() if count}


def erase(state: State, index: Index, traces: Traces) -> None:
    """Take a person out of the state."""
    change = traces.change
    if change.key:
        state.departed.add(change.key, change.digest or digest_of(change.user_id, change.key), state.time_ms)
    if traces.user == NONE:
        return
    users, posts, own = state.users, state.posts, traces.posts
    np.subtract.at(users.followers, users.follows[traces.user], 1)
    gone = _gone(state, traces.user, own, traces.terms)
    for name, some in traces.named_in.items():
        mentions.take_out(state.tables[name][0], some, gone)
    orphans = np.isin(posts.parent_hash[: posts.size], traces.parents)
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
