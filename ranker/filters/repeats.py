"""Filters of the same thing twice."""

from typing import Any

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
    columns = posts.state.posts
    return _repeats(posts.slot, posts.parent, posts.form, query.ask.shown, columns.parent, columns.form)


@numba.njit(cache=True, nogil=True)
def _repeats(
    slot: Slots,
    parent: Slots,
    form: NDArray[np.uint8],
    shown: Slots,
    parent_of: Slots,
    form_of: NDArray[np.uint8],
) -> Mask:
    """What was shown wins over the original, that over its reposts, and the first repost over later ones."""
    there, repeats = table(len(slot) + len(shown)), np.zeros(len(slot), np.bool_)
    for one in shown:
        original = _original(one, parent_of[one], form_of[one])
        there[place(there, original)] = original
    for reposts in (False, True):
        for i in range(len(slot)):
            original = _original(slot[i], parent[i], form[i])
            if (original != slot[i]) == reposts:
                at = place(there, original)
                repeats[i] = there[at] >= 0
                there[at] = original
    return repeats


@numba.njit(inline="always")
def _original(slot: int, parent: int, form: int) -> Any:
    """What a post is or repeats."""
    return parent if form & REPOST > 0 and parent >= 0 else slot
