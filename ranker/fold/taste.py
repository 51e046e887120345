"""The fold of taste: the interests that viewers' events teach."""

import numpy as np

from embeddings import interests
from ranker.state import NONE, State
from ranker.state.columns import Array, Slots
from ranker.state.tables import INTERESTS, Floats, Int64s


def teach(state: State, viewers: Slots, vectors: Array, strengths: Floats, times_ms: Int64s) -> None:
    """Viewers learn from posts' vectors, (n, dimension), in order."""
    users = state.users
    rows = users.interest_vector.rows
    rows.claim(viewers)
    if len(viewers):
        vector, weight, ms = (rows.blocks(name) for name in ("vector", "weight", "ms"))
        blocks = (rows.start[viewers] // INTERESTS).astype(np.int32)
        interests.learn_batch(vector, weight, ms, blocks, vectors, strengths, times_ms)


def teach_early_engagers(state: State, posts: Slots) -> None:
    """Those who engaged with a post before its vector came learn from it now."""
    engagers = state.posts.engagers[posts]
    viewer, post = engagers.ravel(), np.repeat(posts, engagers.shape[1])
    known = viewer != NONE
    count = int(known.sum())
    vectors = state.posts.vector[post[known]]
    teach(state, viewer[known], vectors, np.ones(count, np.float32), np.full(count, state.time_ms))
