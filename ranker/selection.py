"""Selection: the order of a page, spread over authors and contents.

Greedy, best first: each place takes the post with the highest score after two factors that depend on the
places before it. The author's first post is full, each further one counts `AUTHOR_DECAY` as much (X's
"author diversity"); a post near one that is already placed loses with its cosine (maximal marginal relevance,
Carbonell and Goldstein, SIGIR 1998), and one that says the same again is left out, so that the next best
takes its place.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask
from ranker.factors import applied
from ranker.query import Query
from ranker.state.columns import Slots

Doubles = NDArray[np.float64]

AUTHOR_DECAY = 0.6
TOPIC_SPREAD = 0.35
SAME = 0.97
"""Two posts whose vectors have this cosine say the same."""
_SPREAD_PLACES = 40
"""Contents are spread over the first places only: nobody compares post 41 with post 3."""
COLD_START_PLACE = 6
"""The place, from 0, that a drawn new post gets on a page that reaches so far."""


class Selection(NamedTuple):
    """Candidates in order: their rows, scores after the spread factors, those factors, and propensities."""

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    author_spread: NDArray[np.float64]
    content_spread: NDArray[np.float64]
    propensity: NDArray[np.float64]


def spread(query: Query, posts: Candidates, scores: Doubles, new: Mask, places: int) -> Selection:
    """Best first, spread over authors and contents. `new` marks what the cold-start place may draw from.

    A drawn post that says the same as one of the page is left out as any other.
    """
    scores = np.nan_to_num(scores, nan=-np.inf)
    drawn = _draw(query, np.flatnonzero(new & (scores > -np.inf)), places)
    open_scores = scores.copy()
    if drawn is not None:
        open_scores[drawn.row] = -np.inf
    vectors = np.ascontiguousarray(posts.state.posts.vector[posts.slot], np.float32)
    order, by_author, by_content = _spread(
        open_scores, posts.author, vectors, places, AUTHOR_DECAY, TOPIC_SPREAD, SAME, _SPREAD_PLACES
    )
    final = applied(applied(scores[order], by_author), by_content)
    certain = Selection(order, final, by_author, by_content, np.ones(len(order)))
    if drawn is None or (vectors[order] @ vectors[drawn.row] >= SAME).any():
        return certain
    return _with(certain, drawn, scores, places)


def best_first(_query: Query, _posts: Candidates, scores: Doubles, _new: Mask, places: int) -> Selection:
    """By score alone."""
    return _by(scores, places)


def nearest_first(_query: Query, posts: Candidates, _scores: Doubles, _new: Mask, places: int) -> Selection:
    """By the source's own score, which is the cosine."""
    return _by(posts.score.astype(np.float64), places)


def newest_first(_query: Query, posts: Candidates, _scores: Doubles, _new: Mask, places: int) -> Selection:
    """By the time made; the score is that time in seconds."""
    return _by(posts.created_ms / 1000.0, places)


def _by(key: Doubles, places: int) -> Selection:
    ranked = np.flatnonzero(~np.isnan(key))
    order = ranked[np.argsort(-key[ranked], kind="stable")][:places]
    full = np.ones(len(order))
    return Selection(order, key[order], full, full, full)


class _Drawn(NamedTuple):
    row: int
    propensity: float


def _draw(query: Query, rows: NDArray[np.int64], places: int) -> _Drawn | None:
    """One of the new posts for the cold-start place, all with one chance; on a session's first page only."""
    if not len(rows) or places <= COLD_START_PLACE or len(query.ask.shown):
        return None
    chosen = np.random.default_rng(query.ask.seed).integers(len(rows))
    return _Drawn(int(rows[chosen]), 1.0 / len(rows))


def _with(selection: Selection, drawn: _Drawn, scores: Doubles, places: int) -> Selection:
    place = min(COLD_START_PLACE, len(selection.rows))
    values = (drawn.row, scores[drawn.row], 1.0, 1.0, drawn.propensity)
    return Selection(
        *(np.insert(column, place, value)[:places] for column, value in zip(selection, values, strict=True))
    )


@numba.njit(cache=True, nogil=True)
def _spread(
    scores: NDArray[np.float64],
    author: Slots,
    vectors: NDArray[np.float32],
    places: int,
    author_decay: float,
    topic_spread: float,
    same: float,
    spread_places: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    order = np.empty(min(places, len(scores)), np.int64)
    by_author, by_content = np.empty(len(order)), np.empty(len(order))
    author_factor, content_factor = np.ones(len(scores)), np.ones(len(scores))
    left = scores > -np.inf
    placed = 0
    while placed < len(order):
        best = _best(scores, author_factor, content_factor, left)
        if best < 0:
            break
        order[placed], left[best] = best, False
        by_author[placed], by_content[placed] = author_factor[best], content_factor[best]
        placed += 1
        author_factor[author == author[best]] *= author_decay
        if placed <= spread_places:
            _push_away(vectors, best, topic_spread, same, content_factor, left)
    return order[:placed], by_author[:placed], by_content[:placed]


@numba.njit(cache=True, nogil=True)
def _best(
    scores: NDArray[np.float64],
    author_factor: NDArray[np.float64],
    content_factor: NDArray[np.float64],
    left: NDArray[np.bool_],
) -> int:
    """The row with the highest score after its factors; -1 when none is left."""
    best, best_value = -1, -np.inf
    for i in range(len(scores)):
        if left[i]:
            factor = author_factor[i] * content_factor[i]
            value = scores[i] * factor if scores[i] > 0 else scores[i] / factor
            if value > best_value:
                best, best_value = i, value
    return best


@numba.njit(cache=True, nogil=True, fastmath=True)
def _push_away(
    vectors: NDArray[np.float32],
    placed: int,
    topic_spread: float,
    same: float,
    content_factor: NDArray[np.float64],
    left: NDArray[np.bool_],
) -> None:
    """Lower what is near the placed row, and drop what says the same."""
    for i in range(len(vectors)):
        if left[i]:
            cosine = np.float32(0)
            for d in range(vectors.shape[1]):
                cosine += vectors[i, d] * vectors[placed, d]
            content_factor[i] = min(content_factor[i], 1 - topic_spread * cosine)
            left[i] = cosine < same
