"""What others did with the post."""

from ranker.candidates import Candidates
from ranker.features import counts
from ranker.features.counts import cells
from ranker.features.declaration import Feature, Group, Rows
from ranker.query import Query

_RATES = ("click", "dwell", "like", "reply", "share", "follow", "negative")
_LATELY = (
    ("impression", "6h"),
    ("impression", "ever"),
    ("click", "6h"),
    ("like", "30min"),
    ("like", "6h"),
    ("like", "3d"),
    ("reply", "6h"),
    ("share", "6h"),
    ("negative", "3d"),
)


_COUNTED = cells(*_LATELY)
_RATED = cells(*((name, "ever") for name in _RATES), ("like", "6h"))


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    columns, rates = posts.state.posts, len(_RATED.kind)
    counts.fill(
        columns.counter,
        columns.counter_ms,
        posts.slot,
        query.now_ms,
        _COUNTED,
        _RATED,
        rows[:, rates:],
        rows[:, :rates],
    )


GROUP = Group(
    (
        *(Feature(f"post_{name}_rate", f"{name}s an impression of the post, ever", "1") for name in _RATES),
        Feature("post_like_rate_6h", "likes an impression of the post, over some 6 h", "1"),
        *(
            Feature(f"post_{name}s_{life}", f"{name}s of the post, half-life {life}", "log")
            for name, life in _LATELY
        ),
    ),
    _fill,
)
