"""A week's follows and posts written into the state as columns: what folding their entries comes to."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

import numpy as np

from benchmarks.week import PROVENANCES, Week
from ranker.state import State, rings, tables
from ranker.state.columns import Ragged
from ranker.state.recent_ids import hash_of
from ranker.text import fold as fold_text

_BLOCK = 10_000


def follow(state: State, week: Week) -> None:
    """All follows. Users must be known, in the order of their numbers, and follow nobody yet."""
    users, follows = state.users, week.followed
    length = np.zeros(users.size, np.int32)
    length[: len(follows.length)] = follows.length
    users.follows.load(length, follows.author)
    users.follows.resize(users.capacity)
    users.followers[: users.size] = np.bincount(follows.author, minlength=users.size)


def post(state: State, week: Week) -> None:
    """All posts, into a state that knows none."""
    posts, posted = state.posts, week.posted
    ids = [week.post_id(index).encode() for index in range(week.posts)]
    lengths = np.array([len(one) for one in ids], np.int32)
    state.post_ids = type(state.post_ids).load(lengths, np.frombuffer(b"".join(ids), np.uint8))
    posts.append(week.posts)
    rows = slice(0, week.posts)
    posts.author[rows], posts.created_ms[rows] = posted.author, posted.created_ms
    posts.parent[rows] = posted.parent
    posts.form[rows] = np.where(posted.parent >= 0, tables.REPLY, 0)
    posts.provenance[rows] = np.array(PROVENANCES)[posted.generated.astype(int)]
    words = [
        _block(state, week, range(start, min(start + _BLOCK, week.posts)))
        for start in range(0, week.posts, _BLOCK)
    ]
    for column, pieces in zip((posts.text, posts.folded), zip(*words, strict=True), strict=True):
        _fill(column, [one for piece in pieces for one in piece], posts.capacity)
    _announce(state)
    state.time_ms = max(state.time_ms, int(posted.created_ms[-1]))


def _block(state: State, week: Week, rows: range) -> tuple[list[bytes], list[bytes]]:
    """Write what some posts have by name, and their vectors; their texts as they are and folded."""
    posts, some = state.posts, slice(rows.start, rows.stop)
    posts.language[some] = _slots(partial(state.place, "language"), map(week.language, rows))
    posts.community[some] = _slots(partial(state.place, "community"), map(week.community, rows))
    posts.topics[some, 0] = _slots(partial(state.term, state.topic_ids), map(week.topic_name, rows))
    parents = [week.parent_id(row) for row in rows]
    posts.parent_hash[some] = [hash_of(parent) if parent else 0 for parent in parents]
    texts = [week.text(row) for row in rows]
    posts.text_hash[some] = [hash_of(text) for text in texts]
    exact = week.vectors(rows.start, rows.stop).astype(np.float64)
    posts.vector[some] = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    posts.has_vector[some] = True
    return [text.encode() for text in texts], [fold_text(text).encode() for text in texts]


def _slots(slot_of: Callable[[str], int], names: Iterable[str]) -> list[int]:
    """The slots of many names, each asked for once, in the order in which they come."""
    known = cache(slot_of)
    return [known(name) for name in names]


def _fill(column: Ragged, values: Sequence[bytes], rows: int) -> None:
    column.load(np.array([len(one) for one in values], np.int32), np.frombuffer(b"".join(values), np.uint8))
    column.resize(rows)


def _announce(state: State) -> None:
    """Enter the posts with their authors, languages and communities."""
    posts, users = state.posts, state.users
    slots = np.arange(posts.size, dtype=np.int32)
    authors = posts.author[: posts.size]
    np.maximum.at(users.active_ms, authors, posts.created_ms[: posts.size])
    for ring, count, places in (
        (users.posts, users.post_count, authors),
        (state.languages.recent, state.languages.recent_count, posts.language[: posts.size]),
        (state.communities.recent, state.communities.recent_count, posts.community[: posts.size]),
    ):
        rings.push(ring, count, places, slots)
