"""Filters of the same thing twice."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask
from ranker.query import Query
from ranker.sets import place, table
from ranker.state.columns import Slots
from ranker.state.tables import REPOST


def duplicate(query: Query, posts: Candidates) -> Mask:
    """Its original, or another repost of the same post, is there already."""
    shown, columns = query.ask.shown, posts.state.posts
    met = _original(shown, columns.parent[shown], columns.form[shown])
    return _repeats(posts.slot, posts.parent, posts.form, met)


def _original(slot: Slots, parent: Slots, form: NDArray[np.uint8]) -> Slots:
    """What each post is or repeats."""
    return np.where((form & REPOST > 0) & (parent >= 0), parent, slot).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _repeats(slot: Slots, parent: Slots, form: NDArray[np.uint8], met: Slots) -> Mask:
    """What was met wins over the original, that over its reposts, and the first repost over later ones."""
    there, repeats = table(len(slot) + len(met)), np.zeros(len(slot), np.bool_)
    for original in met:
        there[place(there, original)] = original
    for reposts in (False, True):
        for i in range(len(slot)):
            reposted = form[i] & REPOST > 0 and parent[i] >= 0
            if reposted == reposts:
                original = parent[i] if reposted else slot[i]
                at = place(there, original)
                repeats[i] = there[at] >= 0
                there[at] = original
    return repeats
