"""Factors: named multipliers of the score, for what a predicted action does not say.

A factor takes the query and the candidates and returns float64 (n,), 1 where it has nothing to say. A
negative score is divided instead, so that a factor below 1 always moves a post down.
"""

import numba
import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask, among, any_among
from ranker.dots import cosines, widened
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.sets import position, positions
from ranker.state import affinity
from ranker.state.columns import Slots

Multipliers = NDArray[np.float64]

_OUT_OF_NETWORK = 0.8
_FATIGUED = 0.15
_MARKS = 8
"""The last posts marked \"show less\" that count."""
_NEAR = 0.45
_SAME_TOPICS = 0.6
_MORE, _LESS = 1.6, 0.3
_SEEN_BEFORE = 1e-3
_NEGATIVE = affinity.SUMS.index("negative")
_AI_LEVELS = {types_pb2.AI_LEVEL_BALANCED: 0.5, types_pb2.AI_LEVEL_FEW: 0.15}


def out_of_network(query: Query, posts: Candidates) -> Multipliers:
    """Posts of authors whom the viewer does not follow, for one who follows somebody."""
    if not len(query.follows):
        return np.ones(len(posts))
    return _where(~among(posts.author, query.follows), _OUT_OF_NETWORK)


def fatigue(query: Query, posts: Candidates) -> Multipliers:
    """Posts like one that the viewer wants less of; authors of whom the viewer wants less.

    Falls from 1 at a cosine of 0.45 to 0.15 at 1 for the nearest of the last posts marked "show less", to 0.6
    where the post names all topics of one of these, and halves with each such mark on the author.
    """
    marked, topics = query.disliked[:_MARKS], posts.state.posts.topics
    tired = 0.5 ** _against(posts.author, *query.authors)
    if not len(marked):
        return tired.astype(np.float64)
    topical = _topics_shared(posts.slot, topics, marked)
    return (1 - (1 - _FATIGUED) * _alike(posts, marked)) * (1 - (1 - _SAME_TOPICS) * topical) * tired


def _alike(posts: Candidates, marked: Slots) -> NDArray[np.float32]:
    """How far each post comes near the nearest of the marked, from 0 to 1; 0 without a vector."""
    columns = posts.state.posts
    marked = marked[columns.has_vector[marked]]
    if not len(marked):
        return np.zeros(len(posts), np.float32)
    near = cosines(columns.vector, posts.slot, widened(columns.vector, marked)).max(axis=1)
    alike: NDArray[np.float32] = np.clip((np.fmax(near, 0) - _NEAR) / (1 - _NEAR), 0, 1)
    return alike


@kernel
def _against(authors: Slots, keys: Slots, sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """What spoke against each author, of the sums that affinity.read gives; 0 where nothing is known."""
    met, against = positions(keys), np.zeros(len(authors), np.float32)
    for i in range(len(authors)):
        at = position(met, authors[i])
        if at >= 0:
            against[i] = sums[at, _NEGATIVE]
    return against


@kernel
def _topics_shared(slots: Slots, topics: Slots, marked: Slots) -> Multipliers:
    """Of the topics of one marked post, the share that each post names: (n,), the most over the marked."""
    most = np.zeros(len(slots))
    for slot in slots:
        fetch(topics, slot)
    for wanted in marked:
        count = _count(topics, wanted)
        for i in range(len(slots)):
            both = 0
            for j in range(_count(topics, slots[i])):
                for k in range(count):
                    both += topics[slots[i], j] == topics[wanted, k]
            most[i] = max(most[i], both / max(count, 1))
    return most


@numba.njit(inline="always")
def _count(topics: Slots, slot: int) -> int:
    """How many topics a post has."""
    count = 0
    while count < topics.shape[1] and topics[slot, count] >= 0:
        count += 1
    return count


def chosen_topics(query: Query, posts: Candidates) -> Multipliers:
    """Topics that the viewer asked for more or less of."""
    if not len(query.topics_more) + len(query.topics_less):
        return np.ones(len(posts))
    more = any_among(posts.topics, query.topics_more)
    less = any_among(posts.topics, query.topics_less)
    return _where(more, _MORE) * _where(less, _LESS)


def ai_level(query: Query, posts: Candidates) -> Multipliers:
    """Posts that a model made, for a viewer who wants few."""
    if query.chosen.ai_level not in _AI_LEVELS:
        return np.ones(len(posts))
    made: Mask = posts.provenance == types_pb2.PROVENANCE_AI_GENERATED
    return _where(made, _AI_LEVELS[query.chosen.ai_level])


def seen_before(query: Query, posts: Candidates) -> Multipliers:
    """Posts that were seen or served before; they are only here because there was nothing new."""
    return _where(among(posts.slot, query.met), _SEEN_BEFORE)


@kernel
def applied(scores: NDArray[np.float64], multipliers: Multipliers) -> NDArray[np.float64]:
    """Scores after one factor."""
    moved = np.empty(len(scores))
    for i in range(len(scores)):
        moved[i] = scores[i] * multipliers[i] if scores[i] > 0 else scores[i] / multipliers[i]
    return moved


def _where(mask: Mask, value: float) -> Multipliers:
    return np.where(mask, value, 1.0)
