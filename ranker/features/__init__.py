"""The feature matrix: one module computes it, for serving and for training.

A feature is declared once, in the file of its group; the groups are listed here, in column order.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.features import (
    affinity,
    agreement,
    author,
    leaning,
    logarithms,
    popularity,
    post,
    social,
    taste,
    viewer,
)
from ranker.query import Query

GROUPS = (
    post.GROUP,
    popularity.GROUP,
    author.GROUP,
    viewer.GROUP,
    affinity.GROUP,
    taste.GROUP,
    social.GROUP,
    agreement.GROUP,
    leaning.GROUP,
)

FEATURES = tuple(feature for group in GROUPS for feature in group.features)
NAMES = tuple(feature.name for feature in FEATURES)

_LOGARITHMS = np.flatnonzero([feature.unit == "log" for feature in FEATURES])


def compute(query: Query, posts: Candidates) -> NDArray[np.float32]:
    """The features of candidates for a viewer: float32 (n, len(FEATURES)), NaN where not known."""
    rows = np.empty((len(posts), len(FEATURES)), np.float32)
    first = 0
    for group in GROUPS:
        end = first + len(group.features)
        group.fill(query, posts, rows[:, first:end])
        first = end
    logarithms.take(rows, _LOGARITHMS)
    return rows
