"""Posts that many engage with now, by language and community."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.events import COUNTERS
from ranker.query import Query
from ranker.sources.best import most, not_met
from ranker.state import NONE, counters
from ranker.state.columns import Slots
from ranker.state.tables import Places

_SIX_HOURS = counters.HALF_LIVES.index("6h")
_HALF_LIFE_MS = counters.HALF_LIVES_MS[[_SIX_HOURS]]
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
    slots = np.unique(np.concatenate(met))
    slots = not_met(query, slots[slots != NONE])
    if not len(slots):
        return NOTHING
    posts = view.state.posts
    lately = posts.counter[..., _SIX_HOURS, None]
    now = counters.read(lately, posts.counter_ms, slots, query.now_ms, _HALF_LIFE_MS)
    return most(slots, now[..., 0] @ _WEIGHTS, limit)


def _liveliest(places: Places, most_places: int) -> Slots:
    return np.argsort(-places.hot_count[: places.size], kind="stable")[:most_places].astype(np.int32)
