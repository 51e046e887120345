"""How the viewer stood to the author and the topics of the post."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.sets import holds, position, positions
from ranker.state.columns import Slots

_SHRINK = np.float32(5)
"""Impressions that are added to those of an author or a topic, so that a few say little."""


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    columns, follows = posts.state.posts, posts.state.users.follows
    _follows(
        posts.author,
        query.follows,
        query.viewer,
        follows.pool,
        follows.start,
        follows.length,
        rows[:, :2],
    )
    _authors(posts.author, *query.authors, rows[:, 2:6])
    _topics(posts.slot, columns.topics, *query.topics, rows[:, 6:])


@kernel
def _follows(
    authors: Slots,
    followed: Slots,
    viewer: int,
    pool: Slots,
    start: NDArray[np.int64],
    length: Slots,
    rows: Rows,
) -> None:
    """Whether the viewer follows the author, and the author the viewer."""
    known = positions(followed)
    for author in authors:
        fetch(start, author)
        fetch(length, author)
    for author in authors:
        fetch(pool, start[author] + length[author] // 2)
    for i in range(len(authors)):
        author = authors[i]
        theirs = pool[start[author] : start[author] + length[author]]
        rows[i, 0] = position(known, author) >= 0
        rows[i, 1] = viewer >= 0 and holds(theirs, viewer)


@kernel
def _authors(authors: Slots, keys: Slots, sums: NDArray[np.float32], rows: Rows) -> None:
    """The sums of the author, as affinity.read gives them, and the liking, NaN where not known."""
    met = positions(keys)
    for i in range(len(authors)):
        at = position(met, authors[i])
        for j in range(3):
            rows[i, j] = sums[at, j] if at >= 0 else 0
        rows[i, 3] = _liking(sums, at) if at >= 0 else np.nan


@kernel
def _topics(slots: Slots, topics: Slots, keys: Slots, sums: NDArray[np.float32], rows: Rows) -> None:
    """How many topics are known; the most, the least and the mean liking; the most for, and against."""
    met = positions(keys)
    unknown = np.float32(np.nan)
    for i in range(len(slots)):
        known, total = 0, np.float32(0)
        most, least, good, bad = unknown, unknown, unknown, unknown
        for j in range(topics.shape[1]):
            topic = topics[slots[i], j]
            at = position(met, topic) if topic >= 0 else -1
            if at >= 0:
                liking = _liking(sums, at)
                known, total = known + 1, total + liking
                most, least = np.fmax(most, liking), np.fmin(least, liking)
                good, bad = np.fmax(good, sums[at, 1]), np.fmax(bad, sums[at, 2])
        rows[i, 0], rows[i, 1], rows[i, 2] = known, most, least
        rows[i, 3] = total / known if known else unknown
        rows[i, 4], rows[i, 5] = good, bad


@numba.njit(inline="always")
def _liking(sums: NDArray[np.float32], at: int) -> Any:
    """For minus against, an impression; drawn to 0 by the weight of five impressions. -1 to 1 or so."""
    return (sums[at, 1] - sums[at, 2]) / (sums[at, 0] + _SHRINK)


GROUP = Group(
    (
        Feature("follows_author", "the viewer follows the author", "1"),
        Feature("author_follows_viewer", "the author follows the viewer", "1"),
        Feature("author_seen", "the author's posts that the viewer saw, half-life 30 d", "log"),
        Feature("author_positive", "what spoke for the author, half-life 30 d", "log"),
        Feature("author_negative", "what spoke against the author, half-life 30 d", "log"),
        Feature("author_liking", "for minus against the author, an impression", "1"),
        Feature("topics_known", "topics of the post that the viewer has met", "count"),
        Feature("topic_liking_most", "for minus against, an impression, of the topic liked most", "1"),
        Feature("topic_liking_least", "for minus against, an impression, of the topic liked least", "1"),
        Feature("topic_liking_mean", "for minus against, an impression, mean over the topics", "1"),
        Feature("topic_positive", "what spoke for the post's topics, the most", "log"),
        Feature("topic_negative", "what spoke against the post's topics, the most", "log"),
    ),
    _fill,
)
