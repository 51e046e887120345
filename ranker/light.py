"""The light ranker: a guess of each candidate's value from a few columns, before features and heads.

It is the prior's formula (`ranker.prior`) of what needs no vector and no walk: how often an impression of the
post led to each action, its age, how the viewer stands to its author and topics, and whether the viewer reads
its language. Chances are small, so odds stand for them. Only its order counts: it says what is scored.
Trained models lean more on topics and less on age than the prior, and what it keeps must suit both:
`benchmarks.light` shows how much of the best posts' value that is.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, among
from ranker.events import COUNTERS
from ranker.heads import HEADS
from ranker.prior import HALF_AN_ODDS_H, MOST, RATE_OF, SMOOTHED_TO, TOWARD
from ranker.query import Query
from ranker.state import affinity
from ranker.state.columns import Slots
from ranker.state.counters import HALF_LIVES

_EVER = HALF_LIVES.index("ever")
_SHOWN = COUNTERS.index("impression")
_IMPRESSIONS = 10.0
"""What a rate is drawn to its base by, as in ranker.features."""
_HOUR_MS = 3_600_000.0
_FADING = 0.25
"""Power of the prior's fading with age."""
_TOPICS = 2.0
"""What a topic's liking adds to the log odds."""
_SHRINK = 5.0
"""Impressions that are added to those of a topic, as in ranker.features."""


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


def value(query: Query, posts: Candidates) -> NDArray[np.float64]:
    """A guess of the value of each candidate: float64 (n,)."""
    stands = np.nan_to_num(affinity.look_up(*query.authors, posts.author))
    toward = (
        TOWARD["follows_author"] * among(posts.author, query.follows)
        + TOWARD["author_positive"] * np.log1p(stands[:, affinity.SUMS.index("positive")])
        + TOWARD["author_negative"] * np.log1p(stands[:, affinity.SUMS.index("negative")])
        + TOWARD["language_read"] * among(posts.language, query.reads)
    )
    toward += _TOPICS * _topic_liking(posts.topics, *query.topics)
    age_h = np.maximum(query.now_ms - posts.created_ms, 0) / _HOUR_MS
    odds, fading = np.exp(np.clip(toward, -MOST, MOST)), (1 + age_h / HALF_AN_ODDS_H) ** _FADING
    return _value(posts.state.posts.counter, posts.slot, odds, fading)


@numba.njit(cache=True, nogil=True)
def _topic_liking(topics: Slots, keys: Slots, sums: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean liking of a post's topics that the viewer has met, -1 to 1 or so; 0 where none is known."""
    liking = np.zeros(len(topics))
    for i in range(len(topics)):
        known = 0
        for topic in topics[i]:
            at = np.searchsorted(keys, topic) if topic >= 0 else len(keys)
            if at < len(keys) and keys[at] == topic:
                known += 1
                liking[i] += (sums[at, 1] - sums[at, 2]) / (sums[at, 0] + _SHRINK)
        liking[i] /= max(known, 1)
    return liking


@numba.njit(cache=True, nogil=True)
def _value(
    counter: NDArray[np.float32], slots: Slots, odds: NDArray[np.float64], fading: NDArray[np.float64]
) -> NDArray[np.float64]:
    out = np.empty(len(slots))
    for i in range(len(slots)):
        happened = counter[slots[i], :, _EVER]
        wanted, unwanted = _FOR[_SHOWN], _AGAINST[_SHOWN]
        for kind in range(len(happened)):
            if kind != _SHOWN:
                shown = max(happened[_SHOWN], happened[kind])
                rate = (happened[kind] + _IMPRESSIONS * SMOOTHED_TO) / (shown + _IMPRESSIONS)
                wanted += _FOR[kind] * rate / SMOOTHED_TO
                unwanted += _AGAINST[kind] * rate / SMOOTHED_TO
        out[i] = wanted * odds[i] / fading[i] + unwanted / odds[i]
    return out
