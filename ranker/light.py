"""The light ranker: a guess of each candidate's value from a few columns, before features and heads.

It is the prior's formula (`ranker.prior`) of what needs no vector and no walk: how often an impression of the
post led to each action, its age, how the viewer stands to its author and topics, and whether the viewer reads
its language. Chances are small, so odds stand for them. Only its order counts: it says what is scored.
Trained models lean more on topics and less on age than the prior, and what it keeps must suit both:
`benchmarks.light` shows how much of the best posts' value that is.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.events import COUNTERS
from ranker.heads import HEADS
from ranker.kernels import fetch, kernel
from ranker.prior import HALF_AN_ODDS_H, MOST, RATE_OF, SMOOTHED_TO, TOWARD
from ranker.query import Query
from ranker.sets import holds, position, positions
from ranker.state import affinity
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES

_EVER = HALF_LIVES.index("ever")
_SHOWN = COUNTERS.index("impression")
_IMPRESSIONS = 10.0
"""What a rate is drawn to its base by, as in ranker.features."""
_HOUR_MS = 3_600_000.0
_AHEAD = 64
"""Posts whose rows are asked for before their turn comes."""
_TOPICS = 2.0
"""What a topic's liking adds to the log odds."""
_SHRINK = 5.0
"""Impressions that are added to those of a topic, as in ranker.features."""
_FOLLOWS, _LANGUAGE = TOWARD["follows_author"], TOWARD["language_read"]
_GOOD, _BAD = TOWARD["author_positive"], TOWARD["author_negative"]
_POSITIVE, _NEGATIVE = affinity.SUMS.index("positive"), affinity.SUMS.index("negative")

Int64s = NDArray[np.int64]
Singles = NDArray[np.float32]


def _worth(sign: int) -> NDArray[np.float64]:
    """What one action of each counter is worth by the heads of a sign: weight times base rate, (counters,).

    The impression's place has the heads whose rate is not known post by post.
    """
    worth = np.zeros(len(COUNTERS))
    for head in HEADS:
        if np.sign(head.weight) == sign:
            at = COUNTERS.index(head.counter) if head.counter in RATE_OF else _SHOWN
            worth[at] += head.weight * head.base_rate
    return worth


_FOR, _AGAINST = _worth(1), _worth(-1)
_BASE = SMOOTHED_TO * _IMPRESSIONS


def value(query: Query, posts: Candidates) -> NDArray[np.float64]:
    """A guess of the value of each candidate: float64 (n,)."""
    columns = posts.state.posts
    toward = np.zeros(len(posts))
    _authors(posts.author, query.follows, *query.authors, toward)
    _contents(posts.slot, columns.language, columns.topics, query.reads, *query.topics, toward)
    return _value(posts.slot, columns.counter, posts.created_ms, query.now_ms, toward)


@kernel
def _authors(authors: Slots, follows: Slots, keys: Slots, sums: Singles, toward: NDArray[np.float64]) -> None:
    """Add how the viewer stands to each author."""
    followed, met = positions(follows), positions(keys)
    for i in range(len(authors)):
        if position(followed, authors[i]) >= 0:
            toward[i] += _FOLLOWS
        at = position(met, authors[i])
        if at >= 0:
            toward[i] += _GOOD * np.log1p(sums[at, _POSITIVE]) + _BAD * np.log1p(sums[at, _NEGATIVE])


@kernel
def _contents(
    slots: Slots,
    language: Slots,
    topics: Slots,
    reads: Slots,
    keys: Slots,
    sums: Singles,
    toward: NDArray[np.float64],
) -> None:
    """Add whether the viewer reads the language of each post, and the liking of its topics."""
    met = positions(keys)
    for slot in slots[:_AHEAD]:
        fetch(topics, slot)
        fetch(language, slot)
    for i in range(len(slots)):
        if i + _AHEAD < len(slots):
            fetch(topics, slots[i + _AHEAD])
            fetch(language, slots[i + _AHEAD])
        spoken = language[slots[i]]
        if spoken >= 0 and holds(reads, spoken):
            toward[i] += _LANGUAGE
        toward[i] += _TOPICS * _topic_liking(topics, slots[i], met, sums)


@numba.njit(inline="always")
def _topic_liking(topics: Slots, slot: int, met: Any, sums: Singles) -> float:
    """The mean liking of a post's topics that the viewer has met, -1 to 1 or so; 0 where none is known."""
    known, liking = 0, 0.0
    for i in range(topics.shape[1]):
        if topics[slot, i] < 0:
            break
        at = position(met, topics[slot, i])
        if at >= 0:
            known += 1
            liking += (sums[at, _POSITIVE] - sums[at, _NEGATIVE]) / (sums[at, 0] + _SHRINK)
    return liking / max(known, 1)


@kernel
def _value(
    slots: Slots, counter: Singles, created_ms: Int64s, now_ms: int, toward: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The odds fade with the fourth root of the age, in place of the prior's age."""
    out = np.empty(len(slots))
    for slot in slots[:_AHEAD]:
        fetch(counter, slot)
    for i in range(len(slots)):
        if i + _AHEAD < len(slots):
            fetch(counter, slots[i + _AHEAD])
        happened = counter[slots[i]]
        wanted, unwanted = _FOR[_SHOWN], _AGAINST[_SHOWN]
        for kind in range(len(happened)):
            if kind != _SHOWN:
                shown = max(happened[_SHOWN, _EVER], happened[kind, _EVER])
                lift = (happened[kind, _EVER] + _BASE) / (shown + _IMPRESSIONS) / SMOOTHED_TO
                wanted += _FOR[kind] * lift
                unwanted += _AGAINST[kind] * lift
        age_h = max(now_ms - created_ms[i], 0) / _HOUR_MS
        odds, fading = np.exp(min(max(toward[i], -MOST), MOST)), np.sqrt(np.sqrt(1 + age_h / HALF_AN_ODDS_H))
        out[i] = wanted * odds / fading + unwanted / odds
    return out
