"""Posts of the authors whom the viewer follows."""

import numpy as np

from ranker.candidates import Found, View, among
from ranker.query import Query
from ranker.sources.best import most, most_new, newest
from ranker.state import rings

_MOST_AUTHORS = 2_000


def in_network(query: Query, view: View, limit: int) -> Found:
    """Posts of the authors whom the viewer follows, newest first."""
    users = view.state.users
    authors = query.follows
    if len(authors) > _MOST_AUTHORS:
        lately = np.argpartition(-users.active_ms[authors], _MOST_AUTHORS)[:_MOST_AUTHORS]
        authors = authors[lately]
    own = np.array([query.viewer], np.int32) if query.chosen.show_own_posts else authors[:0]
    rows = np.concatenate([authors, own])
    posts = rings.all_of_many(users.posts, rows)
    if len(query.ask.shown):
        posts = posts[~among(posts, query.ask.shown)]
    made = newest(view.state, posts)
    return most(posts, made, limit) if query.ask.chronological else most_new(query, posts, made, limit)
