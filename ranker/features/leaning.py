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

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.dots import cosines, widened
from ranker.events import COUNTERS
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.sets import position, positions
from ranker.state import State
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES
from ranker.state.tables import Int64s

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
_FADES = np.exp2(np.arange(1 - _NEAR, 1) / _FADE).astype(np.float32)
_SHRINK_NEAR = np.float32(2)
_BUCKETS = 1 << 13
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

_KINDS, _EVER = len(COUNTERS), HALF_LIVES.index("ever")
_SHOWN, _NEGATIVE = COUNTERS.index("impression"), COUNTERS.index("negative")

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


class Known(NamedTuple):
    """Columns of posts, and of communities and languages."""

    topics: Slots
    author: Slots
    community: Slots
    language: Slots
    counter: Singles
    shown: Int64s
    engaged: Int64s
    shown_in: Int64s
    """Of languages."""
    engaged_in: Int64s


class Learned(NamedTuple):
    """A viewer's model."""

    weight: Floats
    """Of words, (_BUCKETS,)."""
    direction: Singles
    """In the space of vectors, (D,)."""
    bias: float


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    state, met, reactions = posts.state, query.history, query.reactions
    known, vectors = _known(state), widened(state.posts.vector, met)
    learned = _taught(known, met, vectors, reactions)
    directions = np.concatenate([learned.direction[None], vectors[-_NEAR:]])
    cosine = cosines(state.posts.vector, posts.slot, directions).T
    _lean(known, posts.slot, cosine[0], learned, rows[:, :4])
    _reaction_before(posts.slot, met, reactions, rows[:, 4])
    _of_near(cosine[1:], reactions[-_NEAR:], rows[:, 5:])


def _known(state: State) -> Known:
    posts, communities, languages = state.posts, state.communities, state.languages
    return Known(
        posts.topics,
        posts.author,
        posts.community,
        posts.language,
        posts.counter,
        communities.shown,
        communities.engaged,
        languages.shown,
        languages.engaged,
    )


@kernel
def _reception(known: Known, slots: Slots, views: int, reactions: Singles) -> Floats:
    """Log odds that somebody who meets the post reacts in a good way: float64 (n,).

    Left out are so many views with the reactions.
    """
    usual = _usual(
        known.community[slots],
        known.language[slots],
        known.shown,
        known.engaged,
        known.shown_in,
        known.engaged_in,
    )
    return _received(known.counter, slots, views, reactions, usual)


@kernel
def _usual(
    community: Slots,
    language: Slots,
    shown: Int64s,
    engaged: Int64s,
    shown_in: Int64s,
    engaged_in: Int64s,
) -> Floats:
    """The share of those who met a post of the same community, else language, that engaged with it."""
    share = np.empty(len(community))
    for i in range(len(community)):
        at, place = community[i], language[i]
        all_, good = (shown[at], engaged[at]) if at >= 0 else (shown_in[place], engaged_in[place])
        share[i] = (good + _SHRINK_PEOPLE * _USUAL) / (max(all_, good) + _SHRINK_PEOPLE)
    return share


@kernel
def _received(counter: Singles, slots: Slots, views: int, reactions: Singles, usual: Floats) -> Floats:
    """One person may open, like and share a post: the commonest of these says best how many reacted."""
    odds = np.empty(len(slots))
    for slot in slots:
        fetch(counter, slot)
    for i in range(len(slots)):
        good = np.float32(0)
        for kind in range(_KINDS):
            if kind not in (_SHOWN, _NEGATIVE):
                good = max(good, counter[slots[i], kind, _EVER])
        good = max(good - min(max(reactions[i], np.float32(0)), np.float32(1)), np.float32(0))
        bad = max(counter[slots[i], _SHOWN, _EVER] - views - good, 0.0)
        odds[i] = np.log((good + _SHRINK_PEOPLE * usual[i]) / (bad + _SHRINK_PEOPLE * (1 - usual[i])))
    return odds


@kernel
def _words(known: Known, slots: Slots) -> Slots:
    """Buckets of topics, author and community: int32 (n, topics + 3), then -1."""
    return _hashed(slots, known.topics, known.author[slots], known.community[slots])


@kernel
def _hashed(slots: Slots, topics: Slots, author: Slots, community: Slots) -> Slots:
    out = np.empty((len(slots), topics.shape[1] + 3), np.int32)
    for slot in slots:
        fetch(topics, slot)
    for i in range(len(slots)):
        known = 0
        for j in range(topics.shape[1]):
            known = _enter(topics[slots[i], j], 0, out, i, known)
        known = _enter(author[i], 1, out, i, known)
        known = _enter(community[i], 2, out, i, known)
        out[i, known] = -1
    return out


@njit(inline="always")
def _enter(slot: int, kind: int, out: Slots, row: int, known: int) -> int:
    if slot < 0:
        return known
    out[row, known] = int((np.uint64(slot * 3 + kind) * _GOLDEN) >> np.uint64(51))
    return known + 1


@kernel
def _taught(known: Known, met: Slots, vectors: Singles, reactions: Singles) -> Learned:
    """The model of a viewer who met these posts."""
    anybody = _reception(known, met, 1, reactions)
    return _learned(_words(known, met), vectors, anybody, reactions)


@kernel
def _lean(known: Known, slots: Slots, along: Singles, learned: Learned, rows: Rows) -> None:
    """What the model says of posts whose vectors point so far along its direction."""
    anybody = _reception(known, slots, 0, np.zeros(len(slots), np.float32))
    _odds(anybody, _words(known, slots), along, learned, rows)


@kernel
def _odds(anybody: Floats, words: Slots, along: Singles, learned: Learned, rows: Rows) -> None:
    """Log odds of anybody, what words and vector add, and the viewer's log odds."""
    for i in range(len(words)):
        of_words = _sum(learned.weight, words, i)
        of_vector = along[i] if along[i] == along[i] else np.float32(0)
        rows[i, 0], rows[i, 1], rows[i, 2] = anybody[i], of_words, of_vector
        rows[i, 3] = anybody[i] + learned.bias + of_words + of_vector


@kernel
def _learned(words: Slots, vectors: Singles, anybody: Floats, reactions: Singles) -> Learned:
    """The model that posts teach, oldest first.

    words: int32 (m, k), as `_words`; vectors: float32 (m, D); anybody: the log odds of each post, float64
    (m,); reactions: float32 (m,), as Query.reactions: one above 1 pulls harder. Sums run in index order.
    """
    weight, times = np.zeros(_BUCKETS), np.zeros(_BUCKETS, np.int32)
    direction, bias = np.zeros(vectors.shape[1], np.float32), 0.0
    for i in range(len(words)):
        odds = anybody[i] + bias + _sum(weight, words, i) + _dot(direction, vectors[i])
        error = reactions[i] - 1 / (1 + np.exp(-odds))
        for word in words[i]:
            if word < 0:
                break
            weight[word] += _STEP * error / (1 + _STEP_DECAY * times[word])
            times[word] += 1
        step = np.float32(_VECTOR_STEP * error)
        for d in range(len(direction)):
            direction[d] += step * vectors[i, d]
        bias += _BIAS_STEP * error / (1 + _BIAS_DECAY * i)
    return Learned(weight, direction, bias)


@kernel
def _dot(one: Singles, other: Singles) -> float:
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


@njit(inline="always")
def _sum(weight: Floats, words: Slots, row: int) -> float:
    total = 0.0
    for j in range(words.shape[1]):
        if words[row, j] < 0:
            break
        total += weight[words[row, j]]
    return total


def _of_near(cosine: Singles, reactions: Singles, rows: Rows) -> None:
    """The mean reaction to the nearest posts, less the mean of all, and the weight behind it.

    cosine: float32 (m, n), NaN for a candidate without a vector, of which nothing is known.
    """
    m = len(reactions)
    mean = np.float32(reactions.sum() / max(m, 1))
    _smoothed(cosine, _FADES[_NEAR - m :], reactions - mean, rows)


@kernel
def _smoothed(cosine: Singles, fade: Singles, felt: Singles, rows: Rows) -> None:
    total, weight = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for j in range(len(felt)):
        row = cosine[j]
        for i in range(len(row)):
            near = row[i] if row[i] > 0 else np.float32(0)
            kernel = fade[j] * near * near * near
            total[i] += kernel * felt[j]
            weight[i] += kernel
    for i in range(len(rows)):
        rows[i, 0], rows[i, 1] = total[i] / (weight[i] + _SHRINK_NEAR), weight[i]


@kernel
def _reaction_before(slots: Slots, met: Slots, reactions: Singles, out: Singles) -> None:
    """The sign of the viewer's reaction where the post was met before, else NaN."""
    before = positions(met)
    for i in range(len(slots)):
        at = position(before, slots[i])
        out[i] = np.sign(reactions[at]) if at >= 0 else np.nan


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
    _fill,
)
