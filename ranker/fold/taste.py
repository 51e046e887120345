"""The fold of taste: the interests that viewers' events teach."""

import numpy as np

from embeddings import interests
from ranker.state import NONE, State
from ranker.state.columns import Slots
from ranker.state.tables import INTERESTS, Floats, Int64s


def teach(state: State, viewers: Slots, posts: Slots, strengths: Floats, times_ms: Int64s) -> None:
    """Viewers learn from posts that have a vector, in order."""
    users = state.users
    rows = users.interest_vector.rows
    rows.claim(viewers)
    if len(viewers):
        vector, weight, ms = (rows.blocks(name) for name in ("vector", "weight", "ms"))
        blocks = (rows.start[viewers] // INTERESTS).astype(np.int32)
        interests.learn_batch(vector, weight, ms, blocks, state.posts.vector[posts], strengths, times_ms)


def teach_early_engagers(state: State, posts: Slots) -> None:
    """Those who engaged with a post before its vector came learn from it now."""
    engagers = state.posts.engagers[posts]
    viewer, post = engagers.ravel(), np.repeat(posts, engagers.shape[1])
    known = viewer != NONE
    count = int(known.sum())
    teach(state, viewer[known], post[known], np.ones(count, np.float32), np.full(count, state.time_ms))
