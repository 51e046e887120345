"""Posts near what the viewer likes, by vector."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.filters.lifetime import MAX_AGE_MS
from ranker.query import Query

_SPARE = 1.5
"""Searches overlap, and filters take some away: each brings this much more than its share."""


def interests(query: Query, view: View, limit: int) -> Found:
    """Posts whose vectors are nearest to one of the viewer's interests; each interest has an equal share."""
    if not len(query.interests):
        return NOTHING
    share = max(int(_SPARE * limit / len(query.interests)), 1)
    found = view.slices.search(query.interests, share, after_ms=query.now_ms - MAX_AGE_MS)
    strength = (query.interest_weights / query.interest_weights.max())[:, None] * 0.2 + 0.8
    slots, scores = found.slots.ravel(), (found.cosines * strength).ravel()
    real = slots >= 0
    slots, scores = slots[real], scores[real]
    best_first = np.argsort(-scores, kind="stable")
    _, first = np.unique(slots[best_first], return_index=True)
    kept = best_first[np.sort(first)[:limit]]
    return Found(slots[kept], scores[kept].astype(np.float32))
