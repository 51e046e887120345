"""How the viewer stood to the author and the topics of the post."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask, among
from ranker.features.declaration import Feature, Group, Values, log
from ranker.query import Query
from ranker.state.affinity import look_up
from ranker.state.columns import Slots

_IMPRESSIONS, _POSITIVE, _NEGATIVE = range(3)
_SHRINK = np.float32(5)
"""Impressions that are added to those of an author or a topic, so that a few say little."""


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    author = look_up(*query.authors, posts.author)
    return (
        among(posts.author, query.follows),
        _followed_back(query, posts),
        log(np.nan_to_num(author[:, _IMPRESSIONS])),
        log(np.nan_to_num(author[:, _POSITIVE])),
        log(np.nan_to_num(author[:, _NEGATIVE])),
        _liking(author),
        *_topics_of(posts.topics, *query.topics),
    )


def _liking(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """For minus against, an impression; drawn to 0 by the weight of five impressions. -1 to 1 or so."""
    liking: NDArray[np.float32] = (sums[..., _POSITIVE] - sums[..., _NEGATIVE]) / (
        sums[..., _IMPRESSIONS] + _SHRINK
    )
    return liking


@numba.njit(cache=True, nogil=True)
def _topics_of(topics: Slots, keys: Slots, sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """How the viewer stood to the topics of posts (n, k), by the sums of keys as affinity.read gives them.

    Rows: how many are known; the most, the least and the mean liking; ln(1 + the most for), and against.
    """
    out = np.full((6, len(topics)), np.nan, np.float32)
    for i in range(len(topics)):
        known, total = 0, np.float32(0)
        for topic in topics[i]:
            at = np.searchsorted(keys, topic) if topic >= 0 else len(keys)
            if at == len(keys) or keys[at] != topic:
                continue
            seen, good, bad = sums[at]
            liking = (good - bad) / (seen + _SHRINK)
            known, total = known + 1, total + liking
            out[1, i], out[2, i] = np.fmax(out[1, i], liking), np.fmin(out[2, i], liking)
            out[4, i], out[5, i] = np.fmax(out[4, i], good), np.fmax(out[5, i], bad)
        out[0, i] = known
        out[3, i] = total / known if known else np.nan
    out[4:] = np.log1p(out[4:])
    return out


def _followed_back(query: Query, posts: Candidates) -> Mask:
    follows = posts.state.users.follows
    return _rows_hold(follows.pool, follows.start, follows.length, posts.author, query.viewer)


@numba.njit(cache=True, nogil=True)
def _rows_hold(pool: Slots, start: Any, length: Any, rows: Slots, value: int) -> Mask:
    """Which rows of sorted slots hold a value."""
    found = np.zeros(len(rows), np.bool_)
    if value < 0:
        return found
    for i in range(len(rows)):
        low, high = start[rows[i]], start[rows[i]] + length[rows[i]]
        end = high
        while low < high:
            middle = (low + high) // 2
            if pool[middle] < value:
                low = middle + 1
            else:
                high = middle
        found[i] = low < end and pool[low] == value
    return found


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
    _values,
)
