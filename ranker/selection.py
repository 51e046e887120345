"""Selection: the order of a page, spread over authors and contents.

Greedy, best first: each place takes the post with the highest score after two factors that depend on the
places before it. The author's first post is full; with each further one `AUTHOR_DECAY` is left of what the
factor is above `AUTHOR_FLOOR` (X's "author diversity", with its floor: without one, a third post that the
viewer would like is as good as gone). A post near one that is already placed loses with its cosine (maximal
marginal relevance, Carbonell and Goldstein, SIGIR 1998), and one that says the same again is left out, so
that the next best takes its place.
"""

from random import Random
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask
from ranker.dots import LANES, aligned, cosines, in_blocks, nearest, widen, widened
from ranker.exploration import swap
from ranker.factors import applied
from ranker.kernels import fetch
from ranker.query import Query
from ranker.sets import grouped
from ranker.state.columns import Slots

Doubles = NDArray[np.float64]

AUTHOR_DECAY, AUTHOR_FLOOR = 0.6, 0.4
TOPIC_SPREAD = 0.35
SAME = 0.97
"""Two posts whose vectors have this cosine say the same."""
_SPREAD_PLACES = 40
"""Contents are spread over the first places only: nobody compares post 41 with post 3."""
COLD_START_PLACE = 6
"""The place, from 0, that a drawn new post gets on a page that reaches so far."""


SPREADS = ("author_spread", "content_spread")
"""The names of the factors of a selection."""


class Selection(NamedTuple):
    """Candidates in order: their rows, scores after the spread factors, those factors, and propensities."""

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    author_spread: NDArray[np.float64]
    content_spread: NDArray[np.float64]
    propensity: NDArray[np.float64]


def explored(query: Query, posts: Candidates, scores: Doubles, new: Mask, places: int) -> Selection:
    """As `spread`, and on a session's first page as ranker.exploration draws; later pages draw nothing.

    `new` marks what the cold-start place may draw from. Where the drawn post says the same as one of the
    page, none is drawn: the better of the two is there. A swapped post keeps the score of its rank.
    """
    if len(query.ask.shown):
        return spread(query, posts, scores, new, places)
    chance = Random(query.ask.seed)  # made in a tenth of the time that a Generator of NumPy takes
    scores = _ranked(scores)
    drawn = _draw(query, chance, new & (scores > -np.inf), places)
    if drawn is not None:
        others = scores.copy()
        others[drawn.row] = -np.inf
        page = _ordered(posts, others, places)
        if not _says_the_same(posts, page.rows, drawn.row):
            beside = query.ask.size - int(query.ask.size > COLD_START_PLACE)
            return _with(_swapped(query, chance, page, beside), drawn, scores, places)
    return _swapped(query, chance, _ordered(posts, scores, places), query.ask.size)


def spread(_query: Query, posts: Candidates, scores: Doubles, _new: Mask, places: int) -> Selection:
    """Best first, spread over authors and contents."""
    return _ordered(posts, _ranked(scores), places)


def _ranked(scores: Doubles) -> Doubles:
    return np.where(np.isnan(scores), -np.inf, scores)


def _says_the_same(posts: Candidates, page: NDArray[np.int64], row: int) -> bool:
    """Whether a post repeats one of the page."""
    vectors = posts.state.posts.vector
    one = widened(vectors, posts.slot[[row]])
    return bool((cosines(vectors, posts.slot[page], one) >= SAME).any())


def _ordered(posts: Candidates, scores: Doubles, places: int) -> Selection:
    halves, slots = in_blocks(posts.state.posts.vector, posts.slot)
    order, by_author, by_content = _spread(scores, posts.author, halves, slots, places)
    final = applied(applied(scores[order], by_author), by_content)
    return Selection(order, final, by_author, by_content, np.ones(len(order)))


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


def _draw(query: Query, chance: Random, new: Mask, places: int) -> _Drawn | None:
    """One of the new posts for the cold-start place, all with one chance."""
    share = query.ask.exploration.fresh_share
    if places <= COLD_START_PLACE or chance.random() >= share or not new.any():
        return None
    rows = np.flatnonzero(new).tolist()
    return _Drawn(chance.choice(rows), share / len(rows))


def _swapped(query: Query, chance: Random, page: Selection, first: int) -> Selection:
    order, propensity = swap(chance, query.ask.exploration, len(page.rows), first)
    return Selection(
        page.rows[order], page.score[order], page.author_spread[order], page.content_spread[order], propensity
    )


def _with(selection: Selection, drawn: _Drawn, scores: Doubles, places: int) -> Selection:
    place = min(COLD_START_PLACE, len(selection.rows))
    values = (drawn.row, scores[drawn.row], 1.0, 1.0, drawn.propensity)
    beside = zip(selection, values, strict=True)
    return Selection(*(np.concatenate([of[:place], [one], of[place:]])[:places] for of, one in beside))


@numba.njit(cache=True, nogil=True)
def _spread(
    scores: Doubles, author: Slots, halves: NDArray[np.uint16], slots: Slots, places: int
) -> tuple[NDArray[np.int64], Doubles, Doubles]:
    """Rows in order with their factors.

    A factor only falls, so a row's value is an upper bound until it is made anew, and that is only done for
    the row whose bound is the greatest (the lazy evaluation of Minoux, 1978).
    """
    order = np.empty(min(places, len(scores)), np.int64)
    by_author, by_content = np.empty(len(order)), np.empty(len(order))
    _, writer = grouped(author)  # -1, an unknown author, is the last of the factors
    author_factor, content_factor = np.ones(len(scores) + 1), np.ones(len(scores))
    placed_vectors = aligned(min(_SPREAD_PLACES, len(order)), halves.shape[1])
    vector, tile, blocks = aligned(1, halves.shape[1]), np.empty((1, 4), np.float32), halves.shape[1] // LANES
    compared = np.zeros(len(scores), np.int64)
    for slot in slots:
        fetch(halves, slot)
    bound, best = _tournament(scores)
    placed = 0
    while placed < len(order) and bound[best[1]] > -np.inf:
        row, others = best[1], min(placed, _SPREAD_PLACES)
        if compared[row] < others:
            widen(halves, slots[row], vector, 0, blocks)
            near = nearest(vector, placed_vectors, compared[row], others, tile)
            content_factor[row] = min(content_factor[row], 1 - TOPIC_SPREAD * near)
            compared[row] = others
            if near >= SAME:
                _fall(bound, best, row, -np.inf)
                continue
        value = _value(scores[row], author_factor[writer[row]] * content_factor[row])
        if value < bound[row]:
            _fall(bound, best, row, value)
            continue
        _fall(bound, best, row, -np.inf)
        order[placed] = row
        by_author[placed], by_content[placed] = author_factor[writer[row]], content_factor[row]
        if placed < _SPREAD_PLACES:
            widen(halves, slots[row], placed_vectors, placed, blocks)
        author_factor[writer[row]] = _again(author_factor[writer[row]])
        placed += 1
    return order[:placed], by_author[:placed], by_content[:placed]


@numba.njit(cache=True, nogil=True)
def _tournament(scores: Doubles) -> tuple[Doubles, NDArray[np.int32]]:
    """The rows' bounds, and the best row below each node of a tree: its root is 1, its leaves the rows.

    Below node i are 2i and 2i + 1 (Knuth, The Art of Computer Programming 3, 5.4.1). The first of equal rows
    is the best.
    """
    size = 2
    while size < len(scores):
        size *= 2
    bound, best = np.full(size, -np.inf), np.empty(2 * size, np.int32)
    bound[: len(scores)] = scores
    for row in range(size):
        best[size + row] = row
    for node in range(size - 1, 0, -1):
        best[node] = _better(bound, best, node)
    return bound, best


@numba.njit(cache=True, nogil=True)
def _fall(bound: Doubles, best: NDArray[np.int32], row: int, value: float) -> None:
    """Lower the bound of a row."""
    bound[row] = value
    node = (len(bound) + row) // 2
    while node:
        best[node] = _better(bound, best, node)
        node //= 2


@numba.njit(inline="always")
def _better(bound: Doubles, best: NDArray[np.int32], node: int) -> Any:
    one, other = best[2 * node], best[2 * node + 1]
    return one if bound[one] >= bound[other] else other


@numba.njit(cache=True, nogil=True)
def _again(factor: float) -> float:
    """An author's factor after one more post."""
    return AUTHOR_FLOOR + AUTHOR_DECAY * (factor - AUTHOR_FLOOR)


@numba.njit(cache=True, nogil=True)
def _value(score: float, factor: float) -> float:
    """As `ranker.factors.applied`."""
    return score * factor if score > 0 else score / factor
