"""Posts that many engage with now, by language and community."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Found, View
from ranker.events import COUNTERS
from ranker.query import Query
from ranker.sets import distinct
from ranker.sources.best import most_new
from ranker.state import counters
from ranker.state.columns import Slots
from ranker.state.tables import Places

_SIX_HOURS = counters.HALF_LIVES.index("6h")
_HALF_LIFE_MS = float(counters.HALF_LIVES_MS[_SIX_HOURS])
_WEIGHTS = np.array(
    [
        {"like": 1.0, "reply": 1.5, "share": 2.0, "click": 0.2, "negative": -2.0}.get(name, 0.0)
        for name in COUNTERS
    ]
)


def trending(query: Query, view: View, limit: int) -> Found:
    """Posts with most engagement over some hours, in the viewer's languages and communities.

    A viewer whose languages are not known gets those of the three liveliest.
    """
    state = view.state
    read = query.reads if len(query.reads) else _liveliest(state.languages, 3)
    return hottest(
        view, [hot(state.languages, read), hot(state.communities, query.communities)], query, limit
    )


def hot(places: Places, rows: Slots) -> Slots:
    """Posts that somebody engaged with lately in these places, with repeats."""
    return places.hot[rows].ravel()


def hottest(view: View, met: list[Slots], query: Query, limit: int) -> Found:
    """Of the posts met, those with most engagement, faded with a half-life of six hours."""
    slots, posts = distinct(np.concatenate(met)), view.state.posts
    return most_new(query, slots, _heat(posts.counter, posts.counter_ms, slots, query.now_ms), limit)


@numba.njit(cache=True, nogil=True)
def _heat(
    counter: NDArray[np.float32], counter_ms: NDArray[np.int64], slots: Slots, now_ms: int
) -> NDArray[np.float64]:
    """The weighted sum of each post's engagement over six hours, as it stands at a time: float64 (n,)."""
    heat = np.zeros(len(slots))
    for i in range(len(slots)):
        for kind in range(len(_WEIGHTS)):
            heat[i] += _WEIGHTS[kind] * counter[slots[i], kind, _SIX_HOURS]
        heat[i] *= 2.0 ** (-max(now_ms - counter_ms[slots[i]], 0) / _HALF_LIFE_MS)
    return heat


def _liveliest(places: Places, most_places: int) -> Slots:
    return np.argsort(-places.hot_count[: places.size], kind="stable")[:most_places].astype(np.int32)
