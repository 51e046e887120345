"""A community's posts."""

import numpy as np

from ranker.candidates import NOTHING, Found, View
from ranker.query import Query
from ranker.sources.best import most, newest, with_newcomers
from ranker.sources.trending import hot, hottest
from ranker.state import NONE

_NEWCOMERS = 25
"""One in so many may be new and of an author who is new here."""


def community(query: Query, view: View, limit: int) -> Found:
    """The new and the popular posts of the community asked for, half and half."""
    if query.community == NONE:
        return NOTHING
    places = view.state.communities
    row = np.array([query.community], np.int32)
    popular = hottest(view, [hot(places, row)], query, limit // 2)
    recent = with_newcomers(places, row, view, limit // _NEWCOMERS)
    new = most(recent, newest(view.state, recent), limit)
    others = ~np.isin(new.slot, popular.slot)
    room = limit - len(popular.slot)
    return Found(
        np.concatenate([popular.slot, new.slot[others][:room]]),
        np.concatenate([popular.score, new.score[others][:room]]),
    )
