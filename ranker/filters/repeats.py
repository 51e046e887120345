"""Filters of the same thing twice."""

import numpy as np

from ranker.candidates import Candidates, Mask
from ranker.query import Query
from ranker.state import NONE
from ranker.state.tables import REPOST


def duplicate(_query: Query, posts: Candidates) -> Mask:
    """Its original, or another repost of the same post, is there already."""
    reposted = ((posts.form & REPOST) > 0) & (posts.parent != NONE)
    original = np.where(reposted, posts.parent, posts.slot)
    # The original wins over its reposts, and the first repost over later ones.
    order = np.lexsort((np.arange(len(posts)), reposted))
    _, first = np.unique(original[order], return_index=True)
    repeats = np.ones(len(posts), np.bool_)
    repeats[order[first]] = False
    return repeats
