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
from ranker.query import Query
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
    columns = posts.state.posts
    marked = query.disliked[:_MARKS]
    vectored = marked[columns.has_vector[marked]]
    near = np.zeros(len(posts))
    if len(vectored):
        wanted = widened(columns.vector, vectored)
        near = np.nan_to_num(cosines(columns.vector, posts.slot, wanted).max(axis=1))
    alike = np.clip((near - _NEAR) / (1 - _NEAR), 0, 1)
    topical = _topics_shared(posts.topics, columns.topics[marked])
    against = np.nan_to_num(affinity.look_up(*query.authors, posts.author)[:, 2])
    return (1 - (1 - _FATIGUED) * alike) * (1 - (1 - _SAME_TOPICS) * topical) * 0.5**against


@numba.njit(cache=True, nogil=True)
def _topics_shared(topics: Slots, marked: Slots) -> Multipliers:
    """Of the topics of one marked post, the share that each post names: (n,), the most over the marked."""
    most = np.zeros(len(topics))
    for wanted in marked:
        count = (wanted >= 0).sum()
        for i in range(len(topics)):
            both = 0
            for topic in topics[i]:
                if topic >= 0:
                    both += (wanted == topic).sum()
            most[i] = max(most[i], both / max(count, 1))
    return most


def chosen_topics(query: Query, posts: Candidates) -> Multipliers:
    """Topics that the viewer asked for more or less of."""
    more = any_among(posts.topics, query.topics_more)
    less = any_among(posts.topics, query.topics_less)
    return _where(more, _MORE) * _where(less, _LESS)


def ai_level(query: Query, posts: Candidates) -> Multipliers:
    """Posts that a model made, for a viewer who wants few."""
    made: Mask = posts.provenance == types_pb2.PROVENANCE_AI_GENERATED
    return _where(made, _AI_LEVELS.get(query.chosen.ai_level, 1.0))


def seen_before(query: Query, posts: Candidates) -> Multipliers:
    """Posts that were seen or served before; they are only here because there was nothing new."""
    return _where(among(posts.slot, query.met), _SEEN_BEFORE)


def applied(scores: NDArray[np.float64], multipliers: Multipliers) -> NDArray[np.float64]:
    """Scores after one factor."""
    return np.where(scores > 0, scores * multipliers, scores / multipliers)


def _where(mask: Mask, value: float) -> Multipliers:
    return np.where(mask, value, 1.0)
