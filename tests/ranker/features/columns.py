"""What a group writes for the drawn network, to compare with plain NumPy."""

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.features.declaration import Group
from ranker.query import Query


def columns(group: Group, query: Query, posts: Candidates) -> dict[str, NDArray[np.float32]]:
    """Columns by name; those in logarithms are still counts."""
    rows = np.empty((len(posts), len(group.features) + 1), np.float32)
    group.fill(query, posts, rows[:, 1:])
    return {feature.name: rows[:, 1 + i] for i, feature in enumerate(group.features)}
