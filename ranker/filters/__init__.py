"""What a timeline does not show: small functions, each named for what it removes.

A filter takes the query and the candidates and returns a mask, bool (n,), of what to drop. The first line of
its docstring is what `ExplainPost` says.
"""

from ranker.filters.authors import blocked_author, followed_author, muted_author, own_posts
from ranker.filters.content import (
    ai_content,
    muted_words,
    other_community,
    other_language,
    safety_label,
    without_context,
)
from ranker.filters.history import hidden, seen, served, shown
from ranker.filters.lifetime import deleted, from_the_future, too_old
from ranker.filters.repeats import duplicate

__all__ = [
    "ai_content",
    "blocked_author",
    "deleted",
    "duplicate",
    "followed_author",
    "from_the_future",
    "hidden",
    "muted_author",
    "muted_words",
    "other_community",
    "other_language",
    "own_posts",
    "safety_label",
    "seen",
    "served",
    "shown",
    "too_old",
    "without_context",
]
