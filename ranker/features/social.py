"""Who engaged with the post, and what they are to the viewer."""

from typing import NamedTuple

import numba
import numpy as np

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.sets import holds, place, position, positions, table
from ranker.state.columns import Slots
from ranker.state.tables import Int64s

_POSTS = 32
_SHRINK_POSTS = 4.0
"""So that one post does not speak as loudly as thirty."""


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    engagers = posts.state.posts.engagers
    rings = engagers.pool, engagers.rows.start, engagers.rows.room
    liked, disliked = query.liked[:_POSTS], query.disliked[:_POSTS]
    _engaged(*rings, posts.slot, query.viewer, query.follows, liked, disliked, rows[:, :5])
    _places(posts.community, query.communities, posts.language, query.reads, rows[:, 5:])


class Company(NamedTuple):
    """Who engaged with some posts: an open hash table of users, and with how many posts each did."""

    user: Slots
    posts: Slots


@kernel
def _company(pool: Slots, start: Int64s, room: Slots, slots: Slots, viewer: int) -> Company:
    """Those in the rings of some posts, but for the viewer."""
    user = table(room[slots].sum())
    posts = np.zeros(len(user), np.int32)
    for slot in slots:
        for engager in pool[start[slot] : start[slot] + room[slot]]:
            if engager >= 0 and engager != viewer:
                at = place(user, engager)
                user[at] = engager
                posts[at] += 1
    return Company(user, posts)


@numba.njit(inline="always")
def _met(company: Company, user: int) -> int:
    """With how many of the company's posts a user engaged."""
    at = place(company.user, user)
    return company.posts[at] if company.user[at] == user else 0


@kernel
def _engaged(
    pool: Slots,
    start: Int64s,
    room: Slots,
    slots: Slots,
    viewer: int,
    follows: Slots,
    liked: Slots,
    disliked: Slots,
    rows: Rows,
) -> None:
    alike = _company(pool, start, room, liked, viewer)
    other = _company(pool, start, room, disliked, viewer)
    weights = 1 / (len(liked) + _SHRINK_POSTS), 1 / (len(disliked) + _SHRINK_POSTS)
    _engagers(pool, start, room, slots, viewer, follows, alike, other, weights, rows)


@kernel
def _places(community: Slots, communities: Slots, language: Slots, reads: Slots, rows: Rows) -> None:
    """Whether the viewer is in the community, and reads the language, NaN where no language is known."""
    for i in range(len(rows)):
        rows[i, 0] = community[i] >= 0 and holds(communities, community[i])
        rows[i, 1] = language[i] >= 0 and holds(reads, language[i]) if len(reads) else np.nan


@kernel
def _engagers(
    pool: Slots,
    start: Int64s,
    room: Slots,
    slots: Slots,
    viewer: int,
    follows: Slots,
    alike: Company,
    other: Company,
    weights: tuple[float, float],
    rows: Rows,
) -> None:
    """The followed among those who engaged lately with each post, and what they share with each company.

    Each engager has the share of the company's posts, shrunk: the sum and the mean of these.
    """
    known = positions(follows)
    for slot in slots:
        fetch(start, slot)
        fetch(room, slot)
    for slot in slots:
        fetch(pool, start[slot])
        fetch(pool, start[slot] + room[slot] // 2)
    for i in range(len(slots)):
        engagers = followed = met_alike = met_other = 0
        for user in pool[start[slots[i]] : start[slots[i]] + room[slots[i]]]:
            if user >= 0 and user != viewer:
                engagers += 1
                followed += position(known, user) >= 0
                met_alike += _met(alike, user)
                met_other += _met(other, user)
        rows[i, 0] = followed
        rows[i, 1], rows[i, 3] = met_alike * weights[0], met_other * weights[1]
        rows[i, 2], rows[i, 4] = rows[i, 1] / max(engagers, 1), rows[i, 3] / max(engagers, 1)


GROUP = Group(
    (
        Feature("followed_engagers", "people whom the viewer follows among the last to engage", "count"),
        Feature("like_minded", "shared engagements of the last to engage with the viewer", "log"),
        Feature("like_minded_share", "shared engagements with the viewer, mean of the last to engage", "1"),
        Feature("other_minded", "engagements with what the viewer dislikes, of the last to engage", "log"),
        Feature("other_minded_share", "the same, mean of the last to engage", "1"),
        Feature("in_community", "the viewer is in the post's community", "1"),
        Feature("language_read", "the viewer reads the post's language", "1"),
    ),
    _fill,
)
