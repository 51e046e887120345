"""Who wrote the post."""

from ranker.candidates import Candidates
from ranker.features import counts
from ranker.features.counts import cells
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.state.columns import Slots
from ranker.state.tables import Int64s

_RATES = ("click", "like", "reply", "share", "follow", "negative")


_COUNTED = cells(("impression", "ever"))
_RATED = cells(*((name, "ever") for name in _RATES), ("like", "3d"))


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    users, author = posts.state.users, posts.author
    _standing(author, users.followers, users.post_count, users.created_ms, query.now_ms, rows)
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


@kernel
def _standing(
    authors: Slots, followers: Slots, post_count: Int64s, created_ms: Int64s, now_ms: int, rows: Rows
) -> None:
    for author in authors:
        fetch(followers, author)
        fetch(post_count, author)
        fetch(created_ms, author)
    for i in range(len(authors)):
        author = authors[i]
        rows[i, 0], rows[i, 1] = followers[author], post_count[author]
        rows[i, 2] = max(now_ms - created_ms[author], 0) / 86_400_000


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
