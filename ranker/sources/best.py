"""The best few of what a walk met: what the sources share."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Found, View
from ranker.query import Query
from ranker.sets import holds, place, table
from ranker.state import State, rings
from ranker.state.columns import Array, Slots
from ranker.state.tables import Places

_NOTHING = np.zeros(0, np.int32)
_STEPS = 1024
"""Into which the range of scores is cut, to find those that can be among the best."""
Doubles = NDArray[np.float64]


def newest(state: State, slots: Slots) -> Doubles:
    """Scores that put the newest post first: the time made, in seconds."""
    return read(state.posts.created_ms, slots) / 1000.0


def with_newcomers(places: Places, rows: Slots, view: View, most_of_them: int) -> Slots:
    """New posts in some places, those of authors who are new here up to so many, the newest."""
    known, new = (rings.all_of_many(ring, rows) for ring in (places.recent, places.newcomers))
    return (
        np.concatenate([known, most(new, newest(view.state, new), most_of_them).slot]) if len(new) else known
    )


@numba.njit(cache=True, nogil=True)
def read(column: Array, slots: Slots) -> Doubles:
    """A column's values at slots, as scores."""
    scores = np.empty(len(slots))
    for i in range(len(slots)):
        scores[i] = column[slots[i]]
    return scores


def most(slots: Slots, scores: Doubles, limit: int, times: int = 1) -> Found:
    """The posts with the highest scores, best first; equal ones by slot, newest first. NONE is left out.

    A slot may come several times, with one score, and is found once: fast where it comes `times` at most.
    """
    return Found(*_most(slots, scores, _NOTHING, _NOTHING, 0, limit, times)[:2])


def most_new(query: Query, slots: Slots, scores: Doubles, limit: int, times: int = 1) -> Found:
    """As `most`, of the posts that the viewer has not met, in this session or before.

    Of all where these fill no page. A source brings only so many: a post that the filters take out again must
    not take the place of a new one.
    """
    ask = query.ask
    best, score, new = _most(slots, scores, query.met, ask.shown, ask.size, limit, times)
    return Found(best, score) if new >= ask.size else most(slots, scores, limit, times)


@numba.njit(cache=True, nogil=True)
def _most(
    slots: Slots, scores: Doubles, met: Slots, shown: Slots, enough: int, limit: int, times: int
) -> tuple[Slots, NDArray[np.float32], int]:
    """The best slots that are neither met nor shown, and how many there are, counted up to `enough`."""
    wanted = max(limit, enough)
    near = _near(slots, scores, times * (wanted + len(met) + len(shown)))
    found, value, new = _best_of(near, slots, scores, met, shown, enough, limit)
    if new < wanted and len(near) < len(slots):
        found, value, new = _best_of(np.arange(len(slots)), slots, scores, met, shown, enough, limit)
    return found, value, new


@numba.njit(cache=True, nogil=True)
def _best_of(
    near: NDArray[np.int64],
    slots: Slots,
    scores: Doubles,
    met: Slots,
    shown: Slots,
    enough: int,
    limit: int,
) -> tuple[Slots, NDArray[np.float32], int]:
    """As `_most`, of the slots in some places."""
    entered = table(len(near))
    kept, best = np.empty(max(limit, 1), np.int32), np.empty(max(limit, 1))
    new = count = 0
    for i in near:
        slot, score = slots[i], scores[i]
        better = count < limit or _above(score, slot, best[0], kept[0])
        if slot < 0 or (new >= enough and not better) or holds(met, slot) or holds(shown, slot):
            continue
        at = place(entered, slot)
        if entered[at] >= 0:
            continue
        entered[at] = slot
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


@numba.njit(cache=True, nogil=True)
def _near(slots: Slots, scores: Doubles, wanted: int) -> NDArray[np.int64]:
    """Where slots are that can be among so many of the best: all of these, and few more.

    Scores are counted by steps of their range, so that a heap need not take in most of what it lets go again.
    """
    held, count = np.empty(len(slots), np.int64), 0
    low, high = np.inf, -np.inf
    for i in range(len(slots)):
        held[count] = i
        count += slots[i] >= 0
        low, high = min(low, scores[i]), max(high, scores[i])
    held = held[:count]
    if count <= wanted or not low < high:
        return held
    step = np.empty(count, np.int16)
    steps = np.zeros(_STEPS, np.int64)
    for i in range(count):
        step[i] = (scores[held[i]] - low) / (high - low) * (_STEPS - 1)
        steps[step[i]] += 1
    least = _STEPS - 1
    while steps[least] < wanted:
        least -= 1
        steps[least] += steps[least + 1]
    near = 0
    for i in range(count):
        held[near] = held[i]
        near += step[i] >= least
    return held[:near]


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
