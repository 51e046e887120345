"""What others did with the post."""

from collections.abc import Sequence

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Values, count, log, rate
from ranker.query import Query
from ranker.state import counters

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


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    columns = posts.state.posts
    counts = counters.read(
        columns.counter, columns.counter_ms, posts.slot, query.now_ms, counters.HALF_LIVES_MS
    )
    rates = [rate(counts, name) for name in _RATES]
    return *rates, rate(counts, "like", "6h"), *(log(count(counts, *which)) for which in _LATELY)


GROUP = Group(
    (
        *(Feature(f"post_{name}_rate", f"{name}s an impression of the post, ever", "1") for name in _RATES),
        Feature("post_like_rate_6h", "likes an impression of the post, over some 6 h", "1"),
        *(
            Feature(f"post_{name}s_{life}", f"{name}s of the post, half-life {life}", "log")
            for name, life in _LATELY
        ),
    ),
    _values,
)
