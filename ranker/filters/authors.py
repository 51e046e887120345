"""Filters by who wrote a post. A repost counts as the original's author's too."""

import numpy as np

from ranker.candidates import Candidates, Mask, among
from ranker.query import Query
from ranker.state.columns import Slots
from ranker.state.tables import REPOST


def own_posts(query: Query, posts: Candidates) -> Mask:
    """The viewer wrote it."""
    if query.chosen.show_own_posts:
        return np.zeros(len(posts), np.bool_)
    own: Mask = posts.author == query.viewer
    return own


def blocked_author(query: Query, posts: Candidates) -> Mask:
    """The viewer blocks the author, or the author the viewer."""
    return _by(posts, query.shut_out)


def muted_author(query: Query, posts: Candidates) -> Mask:
    """The viewer muted the author."""
    return _by(posts, query.mutes)


def followed_author(query: Query, posts: Candidates) -> Mask:
    """The viewer follows the author already, and asked for something new."""
    return among(posts.author, query.follows)


def _by(posts: Candidates, authors: Slots) -> Mask:
    if not len(authors):
        return np.zeros(len(posts), np.bool_)
    reposted = (posts.form & REPOST) > 0
    original = posts.state.posts.author[posts.parent]
    return among(posts.author, authors) | (reposted & among(original, authors))
