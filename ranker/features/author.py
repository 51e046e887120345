"""Who wrote the post."""

from collections.abc import Sequence

import numpy as np

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Values, count, log, rate
from ranker.query import Query
from ranker.state import counters

_RATES = ("click", "like", "reply", "share", "follow", "negative")


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    users = posts.state.users
    counts = counters.read(
        users.received, users.received_ms, posts.author, query.now_ms, counters.HALF_LIVES_MS
    )
    age_ms = np.maximum(query.now_ms - users.created_ms[posts.author], 0)
    return (
        log(users.followers[posts.author]),
        log(users.post_count[posts.author]),
        age_ms / 86_400_000,
        log(count(counts, "impression")),
        *(rate(counts, name) for name in _RATES),
        rate(counts, "like", "3d"),
    )


GROUP = Group(
    (
        Feature("author_followers", "followers of the author", "log"),
        Feature("author_posts", "posts of the author", "log"),
        Feature("author_age", "time since the author became known", "d"),
        Feature("author_impressions", "impressions of the author's posts, ever", "log"),
        *(
            Feature(f"author_{name}_rate", f"{name}s an impression of the author's posts, ever", "1")
            for name in _RATES
        ),
        Feature("author_like_rate_3d", "likes an impression of the author's posts, over some 3 d", "1"),
    ),
    _values,
)
