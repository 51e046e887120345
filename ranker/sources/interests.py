"""Posts near what the viewer likes, by vector."""

import numpy as np

from ranker.candidates import NOTHING, Found, View, among
from ranker.filters.lifetime import MAX_AGE_MS
from ranker.query import Query
from ranker.slices import Found as Near
from ranker.sources.best import not_met

_SPARE = 1.5
"""Searches overlap, and filters take some away: each brings this much more than its share."""
_WIDER = 4
"""A viewer who has met much of what is near gets a search that is so much wider."""


def interests(query: Query, view: View, limit: int) -> Found:
    """Posts whose vectors are nearest to one of the viewer's interests; each interest has an equal share."""
    if not len(query.interests):
        return NOTHING
    share = max(int(_SPARE * limit / len(query.interests)), 1)
    found = _search(query, view, share)
    strength = (query.interest_weights / query.interest_weights.max())[:, None] * 0.2 + 0.8
    kept = among(found.slots, not_met(query, np.unique(found.slots[found.slots >= 0])))
    kept &= np.cumsum(kept, axis=1) <= share
    slots, scores = found.slots[kept], (found.cosines * strength)[kept]
    best_first = np.argsort(-scores, kind="stable")
    _, first = np.unique(slots[best_first], return_index=True)
    best = best_first[np.sort(first)[:limit]]
    return Found(slots[best], scores[best].astype(np.float32))


def _search(query: Query, view: View, share: int) -> Near:
    """Each interest's nearest posts; more of them where the viewer has met more than what is to spare."""
    after_ms = query.now_ms - MAX_AGE_MS
    near = view.slices.search(query.interests, share, after_ms=after_ms)
    if among(near.slots.ravel(), query.met).mean() <= 1 - 1 / _SPARE:
        return near
    return view.slices.search(query.interests, _WIDER * share, after_ms=after_ms)
