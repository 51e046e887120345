"""How people reacted to the post who also reacted to what the viewer reacted to.

Item-based collaborative filtering on the rings. For the post and each post that the viewer liked or disliked
lately: the correlation of the reactions (+1 or -1) of those in both posts' rings, each reaction taken less
its post's mean. The expected reaction is the mean of the viewer's own reactions, each less its post's mean,
weighted by these correlations. Source: Sarwar et al., "Item-based collaborative filtering recommendation
algorithms", WWW 2001; a correlation is shrunk by the number of people as in Bell and Koren, "Scalable
collaborative filtering with jointly derived neighborhood interpolation weights", ICDM 2007.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.sets import place, table
from ranker.state.columns import Slots
from ranker.state.tables import Int64s

_POSTS = 32
"""Of the viewer's liked posts, and of the disliked ones."""
_SHRINK_PEOPLE = 10.0
_SHRINK_POSTS = 1.0

Floats = NDArray[np.float64]


class Rings(NamedTuple):
    """Who reacted to each post in one way."""

    pool: Slots
    start: Int64s
    room: Slots
    ever: Int64s
    """How many ever did."""


class Company(NamedTuple):
    """Those who reacted to what the viewer reacted to."""

    post: Slots
    """The viewer's posts (j,)."""
    mean: Floats
    """Mean reaction to each, (j,)."""
    given: Floats
    """The viewer's reaction less the mean, (j,)."""
    user: Slots
    """Open hash table of who reacted."""
    newest: Slots
    """The user's last reaction: a row of the three below; -1 for none."""
    before: Slots
    """The same user's reaction before; -1 for none."""
    to: Slots
    """Which of the viewer's posts."""
    sign: Slots


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    columns = posts.state.posts
    good, bad = (
        Rings(ring.pool, ring.rows.start, ring.rows.room, count)
        for ring, count in (
            (columns.engagers, columns.engager_count),
            (columns.opposers, columns.opposer_count),
        )
    )
    _rows(good, bad, query.liked[:_POSTS], query.disliked[:_POSTS], posts.slot, query.viewer, rows)


@kernel
def _mean(good: Rings, bad: Rings, slot: int) -> float:
    """Mean reaction to a post, -1 to 1; 0 where nobody reacted."""
    liked, disliked = good.ever[slot], bad.ever[slot]
    return float((liked - disliked) / max(liked + disliked, 1))


@kernel
def _company(good: Rings, bad: Rings, liked: Slots, disliked: Slots, viewer: int) -> Company:
    post = np.concatenate((liked, disliked))
    mean, given = np.empty(len(post)), np.ones(len(post))
    given[len(liked) :] = -1
    most = 0
    for j in range(len(post)):
        mean[j] = _mean(good, bad, post[j])
        most += good.room[post[j]] + bad.room[post[j]]
    user = table(most)
    newest, before = np.full(len(user), -1, np.int32), np.empty(most, np.int32)
    to, sign = np.empty(most, np.int32), np.empty(most, np.int32)
    entered = 0
    for j in range(len(post)):
        for rings, reaction in ((good, 1), (bad, -1)):
            start = rings.start[post[j]]
            for one in rings.pool[start : start + rings.room[post[j]]]:
                if one >= 0 and one != viewer:
                    at = place(user, one)
                    user[at] = one
                    before[entered], newest[at] = newest[at], entered
                    to[entered], sign[entered] = j, reaction
                    entered += 1
    return Company(post, mean, given - mean, user, newest, before, to, sign)


@kernel
def _rows(
    good: Rings, bad: Rings, liked: Slots, disliked: Slots, slots: Slots, viewer: int, rows: Rows
) -> None:
    _expected(good, bad, slots, _company(good, bad, liked, disliked, viewer), viewer, rows)


@kernel
def _expected(good: Rings, bad: Rings, slots: Slots, company: Company, viewer: int, rows: Rows) -> None:
    """The reaction expected to each post above its mean, and the sum of the correlations behind it."""
    for slot in slots:
        fetch(bad.start, slot)
        fetch(bad.room, slot)
    tally = np.zeros((len(company.post), 4))
    for i in range(len(slots)):
        met = _meet(tally, good, slots[i], 1, company, viewer)
        met += _meet(tally, bad, slots[i], -1, company, viewer)
        rows[i] = 0
        if met:  # few posts have company
            mean = _mean(good, bad, slots[i])
            rows[i, 0], rows[i, 1] = _weighed(tally, slots[i], mean, company)
            tally[:] = 0


@kernel
def _meet(tally: Floats, rings: Rings, slot: int, sign: int, company: Company, viewer: int) -> int:
    """Enter those of a ring who reacted to the viewer's posts: people, both reactions, their product.

    How many were entered.
    """
    met, start = 0, rings.start[slot]
    for user in rings.pool[start : start + rings.room[slot]]:
        if user < 0 or user == viewer:
            continue
        at = place(company.user, user)
        k = company.newest[at] if company.user[at] == user else -1
        while k >= 0:
            row, other = tally[company.to[k]], company.sign[k]
            row[0] += 1
            row[1] += sign
            row[2] += other
            row[3] += sign * other
            met, k = met + 1, company.before[k]
    return met


@kernel
def _weighed(tally: Floats, slot: int, mean: float, company: Company) -> tuple[float, float]:
    """The mean of what the viewer gave, weighted by the correlations, and their sum."""
    total = weight = 0.0
    for j in range(len(company.post)):
        if tally[j, 0] > 0 and company.post[j] != slot:
            alike = _correlation(tally[j], mean, company.mean[j])
            total += alike * company.given[j]
            weight += abs(alike)
    return total / (weight + _SHRINK_POSTS), weight


@kernel
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
    _fill,
)
