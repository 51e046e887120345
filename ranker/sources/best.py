"""The best few of what a walk met: what the sources share."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Found, among
from ranker.query import Query
from ranker.sets import holds
from ranker.state import State
from ranker.state.columns import Slots

_NOTHING = np.zeros(0, np.int32)
Doubles = NDArray[np.float64]


def not_met(query: Query, slots: Slots) -> Slots:
    """The posts that the viewer has not met, in this session or before; all where these fill no page.

    A source brings only so many: a post that the filters take out again must not take the place of a new one.
    """
    new = slots[~among(slots, query.met) & ~among(slots, query.ask.shown)]
    return new if len(new) >= query.ask.size else slots


def newest(state: State, slots: Slots) -> Doubles:
    """Scores that put the newest post first: the time made, in seconds."""
    return state.posts.created_ms[slots] / 1000.0


def most(slots: Slots, scores: Doubles, limit: int) -> Found:
    """The posts with the highest scores, best first; equal ones by slot, newest first. NONE is left out."""
    return Found(*_most(slots, scores, _NOTHING, _NOTHING, 0, limit)[:2])


def most_new(query: Query, slots: Slots, scores: Doubles, limit: int) -> Found:
    """As `most`, of the posts that `not_met` leaves; each slot comes once."""
    ask = query.ask
    best, score, new = _most(slots, scores, query.met, ask.shown, ask.size, limit)
    return Found(best, score) if new >= ask.size else most(slots, scores, limit)


@numba.njit(cache=True, nogil=True)
def _most(
    slots: Slots, scores: Doubles, met: Slots, shown: Slots, enough: int, limit: int
) -> tuple[Slots, NDArray[np.float32], int]:
    """The best slots that are neither met nor shown, and how many there are of these, counted up to `enough`.

    Only what would be among the best so far is looked up: most of a walk is not.
    """
    kept, best = np.empty(max(limit, 1), np.int32), np.empty(max(limit, 1))
    new = count = 0
    for i in range(len(slots)):
        slot, score = slots[i], scores[i]
        better = count < limit or _above(score, slot, best[0], kept[0])
        if slot < 0 or (new >= enough and not better) or holds(met, slot) or holds(shown, slot):
            continue
        new += 1
        if count < limit:
            count += 1
            _rise(kept, best, count, slot, score)
        elif better:
            _sink(kept, best, count, slot, score)
    found, value = np.empty(count, np.int32), np.empty(count, np.float32)
    for left in range(count - 1, -1, -1):
        found[left], value[left] = kept[0], best[0]
        _sink(kept, best, left, kept[left], best[left])
    return found, value, new


@numba.njit(cache=True, nogil=True, inline="always")
def _above(score: float, slot: int, other_score: float, other_slot: int) -> bool:
    return score > other_score or (score == other_score and slot > other_slot)


@numba.njit(cache=True, nogil=True)
def _rise(kept: Slots, best: Doubles, count: int, slot: int, score: float) -> None:
    """Enter a slot at the end of a heap whose first is the least, and which is `count` long with it."""
    at = count - 1
    while at > 0 and _above(best[(at - 1) // 2], kept[(at - 1) // 2], score, slot):
        kept[at], best[at] = kept[(at - 1) // 2], best[(at - 1) // 2]
        at = (at - 1) // 2
    kept[at], best[at] = slot, score


@numba.njit(cache=True, nogil=True)
def _sink(kept: Slots, best: Doubles, count: int, slot: int, score: float) -> None:
    """Put a slot in the place of the least of a heap."""
    at, child = 0, 1
    while child < count:
        if child + 1 < count and _above(best[child], kept[child], best[child + 1], kept[child + 1]):
            child += 1
        if not _above(score, slot, best[child], kept[child]):
            break
        kept[at], best[at] = kept[child], best[child]
        at, child = child, 2 * child + 1
    kept[at], best[at] = slot, score
