"""How people reacted to the post who also reacted to what the viewer reacted to.

Item-based collaborative filtering on the rings. For the post and each post that the viewer liked or disliked
lately: the correlation of the reactions (+1 or -1) of those in both posts' rings, each reaction taken less
its post's mean. The expected reaction is the mean of the viewer's own reactions, each less its post's mean,
weighted by these correlations. Source: Sarwar et al., "Item-based collaborative filtering recommendation
algorithms", WWW 2001; a correlation is shrunk by the number of people as in Bell and Koren, "Scalable
collaborative filtering with jointly derived neighborhood interpolation weights", ICDM 2007.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Values, log
from ranker.query import Query
from ranker.state import NONE
from ranker.state.columns import Slots
from ranker.state.tables import Posts

_POSTS = 32
"""Of the viewer's liked posts, and of the disliked ones."""
_SHRINK_PEOPLE = 10.0
_SHRINK_POSTS = 1.0
_GOLDEN = np.uint32(2654435769)

Floats = NDArray[np.float64]


class Company(NamedTuple):
    """Those who reacted to what the viewer reacted to."""

    post: Slots
    """The viewer's posts (j,)."""
    mean: Floats
    """Mean reaction to each, (j,)."""
    given: Floats
    """The viewer's reaction less the mean, (j,)."""
    user: Slots
    """Open hash table, a power of two long: who reacted; NONE for an empty place."""
    first: Slots
    """The user's reactions are from here ..."""
    end: Slots
    """... to here, in the two below."""
    to: Slots
    """Which of the viewer's posts."""
    sign: NDArray[np.int8]


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    columns = posts.state.posts
    company = _company(query, columns)
    rings = columns.engagers[posts.slot], columns.opposers[posts.slot]
    expected, known = _expected(*rings, posts.slot, _mean(columns, posts.slot), company, query.viewer)
    return expected, log(known)


def _mean(columns: Posts, slots: Slots) -> Floats:
    """Mean reaction to posts, -1 to 1; 0 where nobody reacted."""
    good, bad = columns.engager_count[slots], columns.opposer_count[slots]
    return np.asarray((good - bad) / np.maximum(good + bad, 1), np.float64)


def _company(query: Query, columns: Posts) -> Company:
    liked, disliked = query.liked[:_POSTS], query.disliked[:_POSTS]
    mine = np.concatenate([liked, disliked])
    mean = _mean(columns, mine)
    given = np.repeat((1.0, -1.0), (len(liked), len(disliked))) - mean
    rings = np.concatenate([columns.engagers[mine], columns.opposers[mine]], axis=1)
    at, place = np.nonzero((rings != NONE) & (rings != query.viewer))
    people = rings[at, place]
    order = np.argsort(people, kind="stable")
    sign = np.where(place[order] < columns.engagers.shape[1], 1, -1).astype(np.int8)
    table = _hashed(people[order])
    return Company(mine, mean, given, *table, at[order].astype(np.int32), sign)


@numba.njit(cache=True, nogil=True)
def _hashed(people: Slots) -> tuple[Slots, Slots, Slots]:
    """Where each of the people, sorted with repeats, begins and ends: a hash table's columns."""
    size = 16
    while size < 2 * len(people):
        size *= 2
    user, first, end = np.full(size, -1, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    for i in range(len(people)):
        at = _place(user, people[i])
        if user[at] < 0:
            user[at], first[at] = people[i], i
        end[at] = i + 1
    return user, first, end


@numba.njit(cache=True, nogil=True, inline="always")
def _place(table: Slots, user: int) -> int:
    """The place of a user, or the empty place where one would be entered."""
    at = int((np.uint32(user) * _GOLDEN) >> np.uint32(8)) & (len(table) - 1)
    while table[at] >= 0 and table[at] != user:
        at = (at + 1) & (len(table) - 1)
    return at


@numba.njit(cache=True, nogil=True)
def _expected(
    engagers: Slots, opposers: Slots, slots: Slots, mean: Floats, company: Company, viewer: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The reaction expected to each post above its mean, and the sum of the correlations behind it."""
    expected, known = np.zeros(len(slots), np.float32), np.zeros(len(slots), np.float32)
    tally = np.zeros((len(company.post), 4))
    for i in range(len(slots)):
        tally[:] = 0
        _meet(tally, engagers[i], 1, company, viewer)
        _meet(tally, opposers[i], -1, company, viewer)
        total = weight = 0.0
        for j in range(len(company.post)):
            if tally[j, 0] > 0 and company.post[j] != slots[i]:
                alike = _correlation(tally[j], mean[i], company.mean[j])
                total += alike * company.given[j]
                weight += abs(alike)
        expected[i], known[i] = total / (weight + _SHRINK_POSTS), weight
    return expected, known


@numba.njit(cache=True, nogil=True)
def _meet(tally: Floats, ring: Slots, sign: int, company: Company, viewer: int) -> None:
    """Enter those of a ring who reacted to the viewer's posts: people, both reactions, their product."""
    for user in ring:
        if user < 0 or user == viewer:
            continue
        at = _place(company.user, user)
        if company.user[at] == user:
            for k in range(company.first[at], company.end[at]):
                row, other = tally[company.to[k]], company.sign[k]
                row[0] += 1
                row[1] += sign
                row[2] += other
                row[3] += sign * other


@numba.njit(cache=True, nogil=True)
def _correlation(tally: Floats, mean: float, other_mean: float) -> float:
    """Of two posts' reactions about their means, drawn to 0 by the weight of ten people."""
    people, here, there, both = tally[0], tally[1], tally[2], tally[3]
    together = both - other_mean * here - mean * there + people * mean * other_mean
    spread_here = people - 2 * mean * here + people * mean * mean
    spread_there = people - 2 * other_mean * there + people * other_mean * other_mean
    spread = spread_here * spread_there
    if spread <= 1e-9:
        return 0.0
    return float(together / np.sqrt(spread) * people / (people + _SHRINK_PEOPLE))


GROUP = Group(
    (
        Feature("agreement", "reaction expected from those who met the viewer's posts, -2 to 2", "1"),
        Feature("agreement_known", "how much is known of that: the sum of the correlations", "log"),
    ),
    _values,
)
