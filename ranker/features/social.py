"""Who engaged with the post, and what they are to the viewer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, among
from ranker.features.declaration import Feature, Group, Values, log
from ranker.query import Query
from ranker.state import NONE
from ranker.state.columns import Slots

_POSTS = 32
_SHRINK_POSTS = 4.0
"""So that one post does not speak as loudly as thirty."""


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    engagers = posts.state.posts.engagers[posts.slot]
    engagers = np.where(engagers == query.viewer, NONE, engagers)
    known = np.maximum((engagers != NONE).sum(axis=1), 1).astype(np.float32)
    like_minded = _met(engagers, _company(query, posts, query.liked), query.liked)
    others = _met(engagers, _company(query, posts, query.disliked), query.disliked)
    return (
        among(engagers, query.follows).sum(axis=1),
        log(like_minded),
        like_minded / known,
        log(others),
        others / known,
        among(posts.community, query.communities),
        among(posts.language, query.reads) if len(query.reads) else np.nan,
    )


def _company(query: Query, posts: Candidates, slots: Slots) -> tuple[Slots, Slots]:
    """Who engaged with some posts, sorted, and with how many of them each did."""
    met = posts.state.posts.engagers[slots[:_POSTS]]
    people, count = np.unique(met[(met != NONE) & (met != query.viewer)], return_counts=True)
    return people, count.astype(np.int32)


def _met(engagers: Slots, company: tuple[Slots, Slots], slots: Slots) -> NDArray[np.float32]:
    """The company's shares of the posts, shrunk, summed over the engagers of each post.

    Whole numbers are summed and divided once, so that no order of additions shows.
    """
    people, count = company
    if not len(people):
        return np.zeros(len(engagers), np.float32)
    at = np.minimum(np.searchsorted(people, engagers), len(people) - 1)
    met = np.where(people[at] == engagers, count[at], 0).sum(axis=1)
    return np.asarray(met / (len(slots[:_POSTS]) + _SHRINK_POSTS), np.float32)


GROUP = Group(
    (
        Feature("followed_engagers", "people whom the viewer follows among the last to engage", "count"),
        Feature("like_minded", "shared engagements of the last to engage with the viewer", "log"),
        Feature("like_minded_share", "shared engagements with the viewer, mean of the last to engage", "1"),
        Feature("other_minded", "engagements with what the viewer dislikes, of the last to engage", "log"),
        Feature("other_minded_share", "the same, mean of the last to engage", "1"),
        Feature("in_community", "the viewer is in the post's community", "1"),
        Feature("language_read", "the viewer reads the post's language", "1"),
    ),
    _values,
)
