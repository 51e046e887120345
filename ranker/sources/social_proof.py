"""Posts that people whom the viewer follows engaged with."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.query import Query
from ranker.sets import tally
from ranker.sources.best import most_new, read
from ranker.state import rings

_MOST_PEOPLE = 500
_POSTS_EACH = 16


def social_proof(query: Query, view: View, limit: int) -> Found:
    """Posts that people whom the viewer follows engaged with lately; the score is how many did."""
    users = view.state.users
    people = query.follows
    if not len(people):
        return NOTHING
    if len(people) > _MOST_PEOPLE:
        people = people[np.argpartition(-users.active_ms[people], _MOST_PEOPLE)[:_MOST_PEOPLE]]
    theirs = rings.newest_of_many(users.liked, users.liked_count, people, _POSTS_EACH).ravel()
    posts, count = tally(theirs, np.ones(len(theirs)))
    age_days = np.maximum(query.now_ms - read(view.state.posts.created_ms, posts), 0) / 86_400_000
    return most_new(query, posts, count / (1.0 + age_days), limit)
