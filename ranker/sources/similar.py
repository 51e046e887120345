"""Posts near one post, by vector."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.query import Query
from ranker.state import NONE


def similar(query: Query, view: View, limit: int) -> Found:
    """The posts whose vectors are nearest to that of the post asked about; the score is the cosine."""
    posts, slot = view.state.posts, query.near
    if slot == NONE or not posts.has_vector[slot]:
        return NOTHING
    found = view.slices.search(posts.vector[[slot]].astype(np.float32), limit + 1)
    others = (found.slots[0] != slot) & (found.slots[0] != NONE)
    return Found(found.slots[0][others], found.cosines[0][others])
