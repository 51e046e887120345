"""Posts near what the viewer likes, by vector."""

import numpy as np
from feedrank.v1 import types_pb2

from ranker.candidates import NOTHING, Found, Mask, View, among
from ranker.filters.lifetime import MAX_AGE_MS
from ranker.query import Query
from ranker.slices import Found as Near
from ranker.sources.best import not_met
from ranker.state import NONE

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
    after_ms, allowed = query.now_ms - MAX_AGE_MS, _chosen(query, view)
    near = view.slices.search(query.interests, share, after_ms=after_ms, allowed=allowed)
    if among(near.slots.ravel(), query.met).mean() <= 1 - 1 / _SPARE:
        return near
    return view.slices.search(query.interests, _WIDER * share, after_ms=after_ms, allowed=allowed)


def _chosen(query: Query, view: View) -> Mask | None:
    """The posts in a language and of a making that the viewer chose; None where she chose nothing.

    The filters `other_language` and `ai_content` would take the others out, and might leave next to nothing.
    """
    state, chosen = view.state, query.chosen
    masks = []
    if chosen.languages:
        # The last entry is that of posts without a language, whose slot is -1.
        shown = np.zeros(state.languages.size + 1, np.bool_)
        shown[query.languages] = True
        shown[state.language_ids.slot("und")] = True
        shown[-1] = state.language_ids.slot("und") == NONE
        masks.append(shown[state.posts.language[: state.posts.size]])
    if chosen.ai_level == types_pb2.AI_LEVEL_NONE:
        made = state.posts.provenance[: state.posts.size]
        masks.append((made != types_pb2.PROVENANCE_AI_GENERATED) & (made != types_pb2.PROVENANCE_AI_ASSISTED))
    return np.logical_and.reduce(masks) if masks else None
