"""Filters by whether a post is there, and when it was made."""

from ranker.candidates import Candidates, Mask
from ranker.query import Query

MAX_AGE_MS = 30 * 86_400_000
"""Older posts are not news."""


def deleted(_query: Query, posts: Candidates) -> Mask:
    """It was deleted, or the post it refers to was."""
    gone: Mask = posts.deleted | posts.state.posts.deleted[posts.parent]
    return gone


def too_old(query: Query, posts: Candidates) -> Mask:
    """It is older than 30 days."""
    old: Mask = posts.created_ms < query.now_ms - MAX_AGE_MS
    return old


def from_the_future(query: Query, posts: Candidates) -> Mask:
    """Its time is after the moment asked for."""
    ahead: Mask = posts.created_ms > query.now_ms
    return ahead
