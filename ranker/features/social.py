"""Who engaged with the post, and what they are to the viewer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    ring = posts.state.posts.engagers[posts.slot]
    row, place = np.nonzero((ring != NONE) & (ring != query.viewer))
    engagers = Engagers(ring[row, place], row, len(posts))
    known = np.maximum(engagers.sums(np.ones(len(row))), 1)
    like_minded = _met(engagers, query, posts, query.liked)
    others = _met(engagers, query, posts, query.disliked)
    return (
        engagers.sums(among(engagers.user, query.follows)),
        log(like_minded),
        like_minded / known,
        log(others),
        others / known,
        among(posts.community, query.communities),
        among(posts.language, query.reads) if len(query.reads) else np.nan,
    )


class Engagers(NamedTuple):
    """Who engaged lately with each of some posts, without the viewer."""

    user: Slots
    row: NDArray[np.intp]
    """Which of the posts, rising."""
    posts: int

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of whole numbers over the engagers of each post; no order of additions shows."""
        return np.bincount(self.row, values, self.posts).astype(np.float64)


def _met(engagers: Engagers, query: Query, posts: Candidates, slots: Slots) -> NDArray[np.float32]:
    """Those who engaged with the viewer's posts too, each with the share of the posts, shrunk; summed."""
    people, count = _company(query, posts, slots[:_POSTS])
    if not len(people):
        return np.zeros(engagers.posts, np.float32)
    at = np.minimum(np.searchsorted(people, engagers.user), len(people) - 1)
    met = engagers.sums(np.where(people[at] == engagers.user, count[at], 0))
    return np.asarray(met / (len(slots[:_POSTS]) + _SHRINK_POSTS), np.float32)


def _company(query: Query, posts: Candidates, slots: Slots) -> tuple[Slots, NDArray[np.intp]]:
    """Who engaged with some posts, sorted, and with how many of them each did."""
    met = posts.state.posts.engagers[slots]
    return np.unique(met[(met != NONE) & (met != query.viewer)], return_counts=True)


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
