"""New posts that few have seen: exploration."""

import numpy as np

from ranker.candidates import Found, View
from ranker.events import COUNTERS
from ranker.query import Query
from ranker.sources.best import most_new, newest, read, with_newcomers
from ranker.state.counters import HALF_LIVES

_IMPRESSION, _EVER = COUNTERS.index("impression"), HALF_LIVES.index("ever")
_FEW = 30
"""A post with fewer impressions than this has not had its chance yet."""
_NEWCOMERS = 5
"""One in so many may be of an author who is new here."""


def fresh(query: Query, view: View, limit: int) -> Found:
    """New posts with few impressions, in languages the viewer reads; newest first.

    One of those that pass the filters is drawn for a slot of its own (`selection`): each with the same,
    logged propensity.
    """
    languages, posts = view.state.languages, view.state.posts
    rows = query.reads if len(query.reads) else np.arange(languages.size, dtype=np.int32)
    slots = with_newcomers(languages, rows, view, limit // _NEWCOMERS)
    unseen = slots[read(posts.counter[:, _IMPRESSION, _EVER], slots) < _FEW]
    return most_new(query, unseen, newest(view.state, unseen), limit)
