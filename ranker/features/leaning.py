"""What the viewer's own small model expects of the post.

For each viewer a logistic regression says how far the odds that the viewer likes a post differ from the odds
that anybody does. It is learned anew with each query, by one pass of stochastic gradient descent over the
posts that the viewer met lately, oldest first: nothing of it is state. Its inputs are the post's topics,
author and community (hashed: Weinberger et al., "Feature hashing for large scale multitask learning", ICML
2009) and the post's vector. A step on a word shrinks with the number of times that it was met, as in online
gradient descent on strongly convex losses. What anybody does is the commonest good reaction, an impression,
without the viewer's own part in it.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.dots import cosines
from ranker.events import COUNTERS
from ranker.features.declaration import Feature, Group, Values
from ranker.query import Query
from ranker.state import NONE, State
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES
from ranker.state.tables import Posts

_STEP, _STEP_DECAY = 0.2, 0.2
"""Of a word's weight: step / (1 + decay * times met)."""
_VECTOR_STEP = 0.3
_BIAS_STEP, _BIAS_DECAY = 0.5, 0.1
_SHRINK_PEOPLE = 10.0
"""So many people who reacted as usual are added to those who met a post."""
_USUAL = 0.05
"""The share of good reactions, before anything is known of a place."""
_BUCKETS = 1 << 13
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

_GOOD = [COUNTERS.index(name) for name in COUNTERS if name not in ("impression", "negative")]
"""One person may open, like and share a post: the commonest of these says best how many reacted."""

Floats = NDArray[np.float64]


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    state, met = posts.state, query.history
    columns = state.posts
    weight, direction, bias = _learned(
        _words(columns, met),
        columns.vector[met].astype(np.float32),
        _reception(state, met, query.reactions),
        query.reactions,
    )
    anybody = _reception(state, posts.slot, np.zeros(len(posts), np.float32), own=0)
    words = _sums(weight, _words(columns, posts.slot))
    near = np.nan_to_num(cosines(columns.vector, posts.slot, direction[None])[:, 0])
    return anybody, words, near, anybody + bias + words + near, _reaction_before(query, posts.slot)


def _reception(state: State, slots: Slots, reactions: NDArray[np.float32], own: int = 1) -> Floats:
    """Log odds that somebody who meets the post reacts in a good way: float64 (n,).

    Drawn to what is usual for the post's community or language. Left out are `own` views with the reactions.
    """
    posts = state.posts
    counts = posts.counter[slots][..., HALF_LIVES.index("ever")]
    good = np.maximum.reduce([counts[:, counter] for counter in _GOOD]) - np.maximum(reactions, 0)
    shown = counts[:, COUNTERS.index("impression")] - own
    usual = _usual(state, slots)
    bad = np.maximum(shown - good, 0)
    odds: Floats = np.log(
        (np.maximum(good, 0) + _SHRINK_PEOPLE * usual) / (bad + _SHRINK_PEOPLE * (1 - usual))
    )
    return odds


def _usual(state: State, slots: Slots) -> Floats:
    """The share of those who met a post of the same place that engaged with it."""
    community, language = state.posts.community[slots], state.posts.language[slots]
    shown = np.where(community == NONE, state.languages.shown[language], state.communities.shown[community])
    engaged = np.where(
        community == NONE, state.languages.engaged[language], state.communities.engaged[community]
    )
    share: Floats = (engaged + _SHRINK_PEOPLE * _USUAL) / (np.maximum(shown, engaged) + _SHRINK_PEOPLE)
    return share


def _words(columns: Posts, slots: Slots) -> Slots:
    """Buckets of topics, author and community: int32 (n, topics + 2), -1 for none."""
    author, community = columns.author[slots], columns.community[slots]
    return _hashed(columns.topics[slots], author, community)


@njit(cache=True, nogil=True)
def _hashed(topics: Slots, author: Slots, community: Slots) -> Slots:
    width = topics.shape[1]
    out = np.full((len(topics), width + 2), -1, np.int32)
    for i in range(len(topics)):
        for j in range(width):
            out[i, j] = _bucket(topics[i, j], 0)
        out[i, width] = _bucket(author[i], 1)
        out[i, width + 1] = _bucket(community[i], 2)
    return out


@njit(cache=True, nogil=True)
def _bucket(slot: int, kind: int) -> int:
    if slot < 0:
        return -1
    return int((np.uint64(slot * 3 + kind) * _GOLDEN) >> np.uint64(51))


@njit(cache=True, nogil=True)
def _learned(
    words: Slots, vectors: NDArray[np.float32], anybody: Floats, reactions: NDArray[np.float32]
) -> tuple[Floats, NDArray[np.float32], float]:
    """The weights of words, the direction in the space of vectors, and the viewer's bias.

    words: int32 (m, k); vectors: float32 (m, D); anybody: the log odds of each post, float64 (m,);
    reactions: float32 (m,), -1 to 1. Sums run in index order.
    """
    weight, times = np.zeros(_BUCKETS), np.zeros(_BUCKETS)
    direction = np.zeros(vectors.shape[1], np.float32)
    bias = 0.0
    for i in range(len(words)):
        odds = anybody[i] + bias + _sum(weight, words[i]) + _dot(direction, vectors[i])
        error = reactions[i] - 1 / (1 + np.exp(-odds))
        for word in words[i]:
            if word >= 0:
                weight[word] += _STEP * error / (1 + _STEP_DECAY * times[word])
                times[word] += 1
        step = np.float32(_VECTOR_STEP * error)
        for d in range(len(direction)):
            direction[d] += step * vectors[i, d]
        bias += _BIAS_STEP * error / (1 + _BIAS_DECAY * i)
    return weight, direction, bias


@njit(cache=True, nogil=True)
def _dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """In eight sums side by side, which a processor adds faster than one; the order is fixed all the same."""
    a = b = c = d = e = f = g = h = np.float32(0)
    whole = len(one) // 8 * 8
    for i in range(0, whole, 8):
        a += one[i] * other[i]
        b += one[i + 1] * other[i + 1]
        c += one[i + 2] * other[i + 2]
        d += one[i + 3] * other[i + 3]
        e += one[i + 4] * other[i + 4]
        f += one[i + 5] * other[i + 5]
        g += one[i + 6] * other[i + 6]
        h += one[i + 7] * other[i + 7]
    for i in range(whole, len(one)):
        a += one[i] * other[i]
    return float(((a + b) + (c + d)) + ((e + f) + (g + h)))


@njit(cache=True, nogil=True)
def _sums(weight: Floats, words: Slots) -> Floats:
    out = np.zeros(len(words))
    for i in range(len(words)):
        out[i] = _sum(weight, words[i])
    return out


@njit(cache=True, nogil=True)
def _sum(weight: Floats, words: Slots) -> float:
    total = 0.0
    for word in words:
        if word >= 0:
            total += weight[word]
    return total


def _reaction_before(query: Query, slots: Slots) -> NDArray[np.float32]:
    """The viewer's reaction where the post was met before, else NaN."""
    if not len(query.history):
        return np.full(len(slots), np.nan, np.float32)
    order = np.argsort(query.history)
    at = order[np.minimum(np.searchsorted(query.history, slots, sorter=order), len(order) - 1)]
    return np.where(query.history[at] == slots, query.reactions[at], np.float32(np.nan))


GROUP = Group(
    (
        Feature("reception", "log odds that anybody who meets the post reacts in a good way", "1"),
        Feature("leaning_words", "what topics, author and community add to the viewer's log odds", "1"),
        Feature("leaning_vector", "what the post's vector adds to the viewer's log odds", "1"),
        Feature("leaning", "log odds that the viewer does so, as the viewer's own model says", "1"),
        Feature("reaction_before", "the viewer's reaction when the post was met before, -1 to 1", "1"),
    ),
    _values,
)
