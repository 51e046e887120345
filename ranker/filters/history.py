"""Filters by what the viewer has met before."""

from ranker.candidates import Candidates, Mask, among
from ranker.query import Query


def hidden(query: Query, posts: Candidates) -> Mask:
    """The viewer hid or reported it."""
    return among(posts.slot, query.hidden)


def shown(query: Query, posts: Candidates) -> Mask:
    """This session has shown it already."""
    return among(posts.slot, query.ask.shown)


def seen(query: Query, posts: Candidates) -> Mask:
    """The viewer has seen it before."""
    return among(posts.slot, query.seen)


def served(query: Query, posts: Candidates) -> Mask:
    """It was in an earlier timeline of the viewer."""
    return among(posts.slot, query.served)
