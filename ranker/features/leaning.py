"""What the viewer's own small model expects of the post.

For each viewer a logistic regression says how far the odds that the viewer likes a post differ from the odds
that anybody does. It is learned anew with each query, by one pass of stochastic gradient descent over the
posts that the viewer met lately, oldest first: nothing of it is state. Its inputs are the post's topics,
author and community (hashed: Weinberger et al., "Feature hashing for large scale multitask learning", ICML
2009) and the post's vector. A step on a word shrinks with the number of times that it was met, as in online
gradient descent on strongly convex losses. What anybody does is the commonest good reaction, an impression,
without the viewer's own part in it.

Beside it stands what the viewer made of the nearest of these posts: the mean of the reactions to them, less
the mean of all, weighted by the cube of the cosine and fading with the posts met since (kernel regression:
Nadaraya, "On estimating regression", 1964). One direction in the space of vectors can't tell several tastes
from what lies between them; this can, and it follows a change of taste within a few pages.
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
_NEAR = 64
"""Posts that are looked through for near ones, the last met."""
_FADE = 32
"""After so many posts more a reaction counts half."""
_SHRINK_NEAR = np.float32(2)
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
    last = columns.vector[met[-_NEAR:]].astype(np.float32)
    cosine = cosines(columns.vector, posts.slot, np.concatenate([direction[None], last])).T
    along = np.nan_to_num(cosine[0])
    return (
        anybody,
        words,
        along,
        anybody + bias + words + along,
        _reaction_before(query, posts.slot),
        *_of_near(cosine[1:], query.reactions[-_NEAR:]),
    )


def _reception(state: State, slots: Slots, reactions: NDArray[np.float32], own: int = 1) -> Floats:
    """Log odds that somebody who meets the post reacts in a good way: float64 (n,).

    Drawn to what is usual for the post's community or language. Left out are `own` views with the reactions.
    """
    posts = state.posts
    counts = posts.counter[slots][..., HALF_LIVES.index("ever")]
    good = np.maximum.reduce([counts[:, counter] for counter in _GOOD]) - np.clip(reactions, 0, 1)
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
    reactions: float32 (m,), as Query.reactions: one above 1 pulls harder. Sums run in index order.
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


def _of_near(
    cosine: NDArray[np.float32], reactions: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean reaction to the nearest posts, less the mean of all, and the weight behind it: (n,) each.

    cosine: float32 (m, n), NaN for a candidate without a vector, of which nothing is known.
    """
    m = len(reactions)
    fade = np.exp2(np.arange(1 - m, 1) / _FADE).astype(np.float32)
    mean = np.float32(reactions.sum() / max(m, 1))
    return _smoothed(cosine, fade, reactions - mean)


@njit(cache=True, nogil=True)
def _smoothed(
    cosine: NDArray[np.float32], fade: NDArray[np.float32], felt: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    total, weight = np.zeros(cosine.shape[1], np.float32), np.zeros(cosine.shape[1], np.float32)
    for j in range(len(felt)):
        row = cosine[j]
        for i in range(len(row)):
            near = row[i] if row[i] > 0 else np.float32(0)
            kernel = fade[j] * near * near * near
            total[i] += kernel * felt[j]
            weight[i] += kernel
    return total / (weight + _SHRINK_NEAR), weight


def _reaction_before(query: Query, slots: Slots) -> NDArray[np.float32]:
    """The sign of the viewer's reaction where the post was met before, else NaN."""
    if not len(query.history):
        return np.full(len(slots), np.nan, np.float32)
    order = np.argsort(query.history)
    at = order[np.minimum(np.searchsorted(query.history, slots, sorter=order), len(order) - 1)]
    before = np.sign(query.reactions[at])
    return np.where(query.history[at] == slots, before, np.float32(np.nan))


GROUP = Group(
    (
        Feature("reception", "log odds that anybody who meets the post reacts in a good way", "1"),
        Feature("leaning_words", "what topics, author and community add to the viewer's log odds", "1"),
        Feature("leaning_vector", "what the post's vector adds to the viewer's log odds", "1"),
        Feature("leaning", "log odds that the viewer does so, as the viewer's own model says", "1"),
        Feature("reaction_before", "the viewer's reaction when the post was met before, -1 to 1", "1"),
        Feature("leaning_near", "reactions to the nearest posts met lately, above the mean, -3 to 3", "1"),
        Feature("leaning_near_known", "how much is known of that: cubed cosines of posts met lately", "1"),
    ),
    _values,
)
