"""Posts near what the viewer likes, by vector."""

import numba
import numpy as np
from feedrank.v1 import types_pb2

from ranker.candidates import NOTHING, Found, Mask, View, among
from ranker.filters.lifetime import MAX_AGE_MS
from ranker.query import Query
from ranker.sets import holds, place, table
from ranker.slice import Cosines
from ranker.slices import Found as Near
from ranker.state import NONE
from ranker.state.columns import Slots

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
    ask = query.ask
    return Found(
        *_merged(found.slots, found.cosines * strength, query.met, ask.shown, ask.size, share, limit)
    )


@numba.njit(cache=True, nogil=True)
def _merged(
    slots: Slots, scores: Cosines, met: Slots, shown: Slots, enough: int, share: int, limit: int
) -> tuple[Slots, Cosines]:
    """The best of several interests' posts, each once, best first: of each interest so many at most.

    slots: int32 (interests, k), each row best first, -1 where fewer were found. Posts that were met or shown
    are left out, unless the others are not `enough`.
    """
    entered = table(slots.size)
    new = _new(slots, met, shown, enough, entered) >= enough
    entered[:] = -1
    at, taken = np.empty(len(slots), np.int64), np.zeros(len(slots), np.int64)
    for row in range(len(slots)):
        at[row] = _next(slots[row], 0, met, shown, new)
    found, value = np.empty(limit, np.int32), np.empty(limit, np.float32)
    count = 0
    while count < limit:
        best = -1
        for row in range(len(slots)):
            if at[row] < slots.shape[1] and (best < 0 or scores[row, at[row]] > scores[best, at[best]]):
                best = row
        if best < 0:
            break
        slot, score = slots[best, at[best]], scores[best, at[best]]
        taken[best] += 1
        at[best] = (
            _next(slots[best], at[best] + 1, met, shown, new) if taken[best] < share else slots.shape[1]
        )
        free = place(entered, slot)
        if entered[free] < 0:
            entered[free] = found[count] = slot
            value[count] = score
            count += 1
    return found[:count], value[:count]


@numba.njit(cache=True, nogil=True)
def _new(slots: Slots, met: Slots, shown: Slots, enough: int, entered: Slots) -> int:
    """How many different posts were neither met nor shown, counted up to `enough` in an empty table."""
    count = 0
    flat = slots.ravel()
    for i in range(len(flat)):
        slot = flat[i]
        free = place(entered, slot)
        if slot < 0 or entered[free] >= 0 or holds(met, slot) or holds(shown, slot):
            continue
        entered[free] = slot
        count += 1
        if count == enough:
            break
    return count


@numba.njit(cache=True, nogil=True)
def _next(row: Slots, at: int, met: Slots, shown: Slots, new: bool) -> int:
    """Where the next post of a row is that may be taken; its length where none is."""
    while at < len(row) and (row[at] < 0 or (new and (holds(met, row[at]) or holds(shown, row[at])))):
        at += 1
    return at


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
