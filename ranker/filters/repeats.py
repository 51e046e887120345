"""Filters of the same thing twice."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask
from ranker.query import Query
from ranker.sets import place, table
from ranker.state.columns import Slots
from ranker.state.tables import REPOST


def duplicate(_query: Query, posts: Candidates) -> Mask:
    """Its original, or another repost of the same post, is there already."""
    return _repeats(posts.slot, posts.parent, posts.form)


@numba.njit(cache=True, nogil=True)
def _repeats(slot: Slots, parent: Slots, form: NDArray[np.uint8]) -> Mask:
    """The original wins over its reposts, and the first repost over later ones."""
    there, repeats = table(len(slot)), np.zeros(len(slot), np.bool_)
    for reposts in (False, True):
        for i in range(len(slot)):
            reposted = form[i] & REPOST > 0 and parent[i] >= 0
            if reposted == reposts:
                original = parent[i] if reposted else slot[i]
                at = place(there, original)
                repeats[i] = there[at] >= 0
                there[at] = original
    return repeats
