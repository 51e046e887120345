"""Posts that many engage with now, by language and community."""

import numpy as np

from ranker.candidates import Found, View
from ranker.query import Query
from ranker.sources.best import most_new, read
from ranker.state import heat, rings
from ranker.state.columns import Slots
from ranker.state.tables import Places


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
    """Posts that somebody engaged with lately in these places."""
    return rings.all_of_many(places.hot, rows)


def hottest(view: View, met: list[Slots], query: Query, limit: int) -> Found:
    """Of the posts met, those with most engagement, faded with a half-life of six hours.

    As a rule, each of the arrays has a post once: it is in one place of a kind.
    """
    slots, posts = np.concatenate(met), view.state.posts
    best = most_new(query, slots, read(posts.heat, slots), limit, times=len(met)).slot
    return Found(best, heat.read(posts.heat[best], query.now_ms))


def _liveliest(places: Places, most_places: int) -> Slots:
    return np.argsort(-places.hot_count[: places.size], kind="stable")[:most_places].astype(np.int32)
