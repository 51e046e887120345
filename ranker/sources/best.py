"""The best few of what a walk met: what the sources share."""

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Found, among
from ranker.query import Query
from ranker.state import NONE, State
from ranker.state.columns import Slots


def not_met(query: Query, slots: Slots) -> Slots:
    """The posts that the viewer has not met, in this session or before; all where these fill no page.

    A source brings only so many: a post that the filters take out again must not take the place of a new one.
    """
    new = slots[~among(slots, query.met) & ~among(slots, query.ask.shown)]
    return new if len(new) >= query.ask.size else slots


def newest_first(state: State, slots: Slots, limit: int) -> Found:
    """The newest of the posts; NONE is passed over. The score is the time made, in seconds."""
    slots = slots[slots != NONE]
    return most(slots, state.posts.created_ms[slots] / 1000.0, limit)


def most(slots: Slots, scores: NDArray[np.float64], limit: int) -> Found:
    """The posts with the highest scores, best first; equal ones by slot, newest slot first."""
    if len(slots) > limit:
        kept = scores >= np.partition(scores, -limit)[-limit]
        slots, scores = slots[kept], scores[kept]
    order = np.lexsort((-slots, -scores))[:limit]
    return Found(slots[order].astype(np.int32), scores[order].astype(np.float32))


def tally(slots: Slots, weights: NDArray[np.float64]) -> tuple[Slots, NDArray[np.float64]]:
    """The different posts that were met, and the sum of their weights; NONE is passed over."""
    met = slots != NONE
    posts, group = np.unique(slots[met], return_inverse=True)
    return posts, np.bincount(group, weights[met], len(posts)).astype(np.float64)
