"""How near the post is to what the viewer likes and dislikes, by vector."""

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.dots import cosines, widened
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import kernel
from ranker.query import Query
from ranker.state.columns import Slots

_LIKED, _DISLIKED = 8, 4


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    vectors = posts.state.posts.vector
    parts = (
        query.interests,
        _newest(posts, query.liked, _LIKED),
        _newest(posts, query.disliked, _DISLIKED),
    )
    near = cosines(vectors, posts.slot, np.concatenate(parts)).T
    weights = query.interest_weights / max(query.interest_weights.sum(), 1e-30)
    end = 0
    for column, part in zip((0, 2, 4), parts, strict=True):
        first, end = end, end + len(part)
        equal = np.full(len(part), 1 / max(len(part), 1), np.float32)
        _most_and_mean(near[first:end], weights if column == 0 else equal, rows[:, column : column + 2])


def _newest(posts: Candidates, slots: Slots, most: int) -> NDArray[np.float32]:
    """Vectors of the newest posts that have one: float32 (k, D)."""
    columns = posts.state.posts
    return widened(columns.vector, slots[columns.has_vector[slots]][:most])


@kernel
def _most_and_mean(near: NDArray[np.float32], weights: NDArray[np.float32], rows: Rows) -> None:
    """Of cosines (q, n), over the first axis; NaN without any. Summed one after the other."""
    for i in range(len(rows)):
        most, mean = near[0, i] if len(near) else np.float32(np.nan), np.float32(0)
        for j in range(len(near)):
            most = max(most, near[j, i])
            mean += near[j, i] * weights[j]
        rows[i, 0], rows[i, 1] = most, mean + (most - most)


GROUP = Group(
    (
        Feature("interest_cosine", "nearest of the viewer's interests", "cos"),
        Feature("interest_cosine_mean", "the viewer's interests, by weight", "cos"),
        Feature("liked_cosine", "nearest of the last posts that the viewer liked", "cos"),
        Feature("liked_cosine_mean", "the last posts that the viewer liked", "cos"),
        Feature("disliked_cosine", "nearest of the last posts that the viewer wants less of", "cos"),
        Feature("disliked_cosine_mean", "the last posts that the viewer wants less of", "cos"),
    ),
    _fill,
)
