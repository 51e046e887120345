"""Posts liked by those who like what the viewer likes."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.query import Query
from ranker.sets import tally
from ranker.sources.best import most, most_new, read
from ranker.state import rings

_LIKED = 24
_NEIGHBOURS = 200
_POSTS_EACH = 16


def co_engagement(query: Query, view: View, limit: int) -> Found:
    """Posts that people engaged with who engaged with what the viewer engaged with.

    A walk on the rings: the viewer's last posts, their engagers, the engagers' last posts. A neighbour weighs
    as much as the posts shared; a post's sum is divided by the root of its popularity, so that what
    everybody likes does not win by that alone.
    """
    users, posts = view.state.users, view.state.posts
    engagers = rings.all_of_many(posts.engagers, query.liked[:_LIKED])
    others = engagers[engagers != query.viewer]
    people, shared = tally(others, np.ones(len(others)))
    if not len(people):
        return NOTHING
    near = most(people, shared, _NEIGHBOURS)
    theirs = rings.newest_of_many(users.liked, users.liked_count, near.slot, _POSTS_EACH)
    found, weight = tally(theirs.ravel(), np.repeat(near.score.astype(np.float64), _POSTS_EACH))
    return most_new(query, found, weight / np.sqrt(read(posts.engager_count, found) + 5.0), limit)
