"""Who wrote the post."""

import numpy as np

from ranker.candidates import Candidates
from ranker.features import counts
from ranker.features.counts import cells
from ranker.features.declaration import Feature, Group, Rows
from ranker.query import Query

_RATES = ("click", "like", "reply", "share", "follow", "negative")


_COUNTED = cells(("impression", "ever"))
_RATED = cells(*((name, "ever") for name in _RATES), ("like", "3d"))


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    users, author = posts.state.users, posts.author
    rows[:, 0] = users.followers[author]
    rows[:, 1] = users.post_count[author]
    rows[:, 2] = np.maximum(query.now_ms - users.created_ms[author], 0) / 86_400_000
    counts.fill(
        users.received,
        users.received_ms,
        author,
        query.now_ms,
        _COUNTED,
        _RATED,
        rows[:, 3:4],
        rows[:, 4:],
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
    _fill,
)
