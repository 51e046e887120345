"""How near the post is to what the viewer likes and dislikes, by vector."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.dots import cosines
from ranker.features.declaration import Feature, Group, Values
from ranker.query import Query
from ranker.state.columns import Slots

_LIKED, _DISLIKED = 8, 4


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    vectors = posts.state.posts.vector
    liked = _vectors(posts, query.liked, _LIKED)
    disliked = _vectors(posts, query.disliked, _DISLIKED)
    parts = (query.interests, liked, disliked)
    near = cosines(vectors, posts.slot, np.concatenate(parts))
    interest, like, dislike = np.split(near, np.cumsum([len(part) for part in parts])[:-1], axis=1)
    weights = query.interest_weights / query.interest_weights.sum() if len(query.interest_weights) else 0
    return (
        _most(interest),
        _mean(interest * weights) * max(interest.shape[1], 1),
        _most(like),
        _mean(like),
        _most(dislike),
        _mean(dislike),
    )


def _vectors(posts: Candidates, slots: Slots, most: int) -> NDArray[np.float32]:
    """Vectors of the newest posts that have one: float32 (k, D)."""
    columns = posts.state.posts
    vectored = slots[columns.has_vector[slots]][:most]
    return columns.vector[vectored].astype(np.float32)


def _most(near: NDArray[np.float32]) -> Values:
    return near.max(axis=1) if near.shape[1] else np.nan


def _mean(near: NDArray[np.float32]) -> Values:
    """Summed one after the other, so that the result does not depend on the number of rows."""
    if not near.shape[1]:
        return np.nan
    total = near[:, 0].copy()
    for j in range(1, near.shape[1]):
        total += near[:, j]
    return total / np.float32(near.shape[1])


GROUP = Group(
    (
        Feature("interest_cosine", "nearest of the viewer's interests", "cos"),
        Feature("interest_cosine_mean", "the viewer's interests, by weight", "cos"),
        Feature("liked_cosine", "nearest of the last posts that the viewer liked", "cos"),
        Feature("liked_cosine_mean", "the last posts that the viewer liked", "cos"),
        Feature("disliked_cosine", "nearest of the last posts that the viewer wants less of", "cos"),
        Feature("disliked_cosine_mean", "the last posts that the viewer wants less of", "cos"),
    ),
    _values,
)
