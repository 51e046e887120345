from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import selection
from ranker.candidates import Candidates
from ranker.exploration import ExplorationSettings
from ranker.selection import (
    AUTHOR_DECAY,
    AUTHOR_FLOOR,
    COLD_START_PLACE,
    SAME,
    TOPIC_SPREAD,
    Selection,
)
from tests.ranker.network import DIMENSION, Town, toward


def town(authors: list[str], vectors: list[Any] | None = None) -> Town:
    town = Town()
    for i, author in enumerate(authors):
        vector = np.eye(DIMENSION)[i % DIMENSION] if vectors is None else vectors[i]
        town.post(f"p{i}", author, vector=vector)
    return town


NO_SWAP = ExplorationSettings(fresh_share=1, swap_share=0)


def spread(
    town: Town, scores: list[float], new: list[bool] | None = None, places: int = 20, seed: int = 0
) -> Selection:
    posts = town.candidates()
    mask = np.zeros(len(posts), np.bool_) if new is None else np.array(new)
    query = town.query(seed=seed, exploration=NO_SWAP)
    return selection.explored(query, posts, np.array(scores, np.float64), mask, places)


def test_without_anything_alike_the_order_is_that_of_the_scores() -> None:
    chosen = spread(town(["a", "b", "c", "d"]), [1, 4, 2, 3])
    assert chosen.rows.tolist() == [1, 3, 2, 0]
    assert chosen.score.tolist() == [4, 3, 2, 1]
    assert chosen.propensity.tolist() == [1, 1, 1, 1]


def test_each_further_post_of_an_author_counts_less() -> None:
    chosen = spread(town(["ana", "ana", "ana", "ben"]), [10, 9, 8, 5])
    assert chosen.rows.tolist() == [0, 1, 3, 2]
    again = [AUTHOR_FLOOR + (1 - AUTHOR_FLOOR) * AUTHOR_DECAY**times for times in (1, 2)]
    assert chosen.author_spread.tolist() == pytest.approx([1, again[0], 1, again[1]])


def test_a_negative_score_falls_too() -> None:
    chosen = spread(town(["ana", "ana", "ben"]), [-1, -2, -2.5])
    assert chosen.rows.tolist() == [0, 2, 1]
    once = AUTHOR_FLOOR + (1 - AUTHOR_FLOOR) * AUTHOR_DECAY
    assert chosen.score.tolist() == pytest.approx([-1, -2.5, -2 / once])


def test_a_post_near_one_above_it_falls_behind_one_that_is_not() -> None:
    network = town(["a", "b", "c"], [toward(0), toward(0, 1, 0.1), toward(2)])
    chosen = spread(network, [10, 9, 8])
    assert chosen.rows.tolist() == [0, 2, 1]
    assert chosen.content_spread[2] == pytest.approx(1 - 0.35 * 0.9, abs=1e-3)


def test_what_says_the_same_again_is_left_out_and_the_next_takes_its_place() -> None:
    network = town(["a", "b", "c", "d"], [toward(0), toward(0), toward(1), toward(2)])
    assert spread(network, [10, 9, 8, 7], places=3).rows.tolist() == [0, 2, 3]


def test_posts_without_a_vector_are_never_the_same() -> None:
    network = Town()
    network.post("a", "ana")
    network.post("b", "ben")
    assert len(spread(network, [2, 1]).rows) == 2


@given(st.lists(st.floats(-5, 5) | st.just(np.nan), min_size=8, max_size=8), st.integers(1, 8))
def test_a_post_without_a_score_is_not_ranked(scores: list[float], places: int) -> None:
    network = _EIGHT
    chosen = spread(network, scores, new=[True] * 8, places=places)
    assert not np.isnan(np.array(scores)[chosen.rows]).any()
    assert len(chosen.rows) <= places
    assert len(set(chosen.rows.tolist())) == len(chosen.rows)


_EIGHT = town([f"author{i}" for i in range(8)])


@given(st.lists(st.floats(0.1, 5), min_size=8, max_size=8))
def test_a_first_place_is_the_highest_score_and_places_never_rise(scores: list[float]) -> None:
    chosen = spread(_EIGHT, scores)
    assert scores[chosen.rows[0]] == max(scores)
    assert chosen.score.tolist() == sorted(chosen.score.tolist(), reverse=True)


def greedy(posts: Candidates, scores: list[float], places: int) -> list[int]:
    """The order as the docstring of ranker.selection tells it, all values made anew for each place."""
    vectors = posts.state.posts.vector[posts.slot].astype(np.float64)
    order: list[int] = []
    while len(order) < places:
        near = np.max(vectors @ vectors[order].T, axis=1, initial=0.0)
        met = np.array([sum(posts.author[other] == one for other in order) for one in posts.author])
        author = AUTHOR_FLOOR + (1 - AUTHOR_FLOOR) * AUTHOR_DECAY**met
        factor = (1 - TOPIC_SPREAD * near) * author
        value = np.where(np.array(scores) > 0, np.array(scores) * factor, np.array(scores) / factor)
        value[(near >= SAME) | np.isin(np.arange(len(posts)), order)] = -np.inf
        if value.max() == -np.inf:
            break
        order.append(int(value.argmax()))
    return order


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_the_order_is_that_of_the_plain_greedy_choice(seed: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(_MANY.candidates()), 24, replace=False)
    posts, scores = _MANY.candidates()[rows], rng.normal(1, 1, 24)
    chosen = selection.spread(_MANY.query(), posts, scores, np.zeros(24, np.bool_), places)
    assert chosen.rows.tolist() == greedy(posts, scores.tolist(), places)


_MANY = town(
    [f"author{i % 7}" for i in range(60)], list(np.random.default_rng(3).normal(size=(60, DIMENSION)) + 0.5)
)

NEW = 5


def drawing(seed: int, **ask: Any) -> Selection:
    """Twenty posts of which the last five, and the lowest, are new."""
    posts = _TWENTY.candidates()
    query = _TWENTY.query(seed=seed, **{"exploration": NO_SWAP} | ask)
    new = np.arange(20) >= 20 - NEW
    return selection.explored(query, posts, np.arange(20.0, 0, -1), new, 12)


_TWENTY = town([f"author{i}" for i in range(20)], [toward(i % 8, (i + i // 8) % 8, 0.3) for i in range(20)])


def test_a_new_post_has_the_cold_start_place_with_its_exact_propensity() -> None:
    chosen = drawing(seed=1)
    assert chosen.rows[COLD_START_PLACE] >= 20 - NEW
    assert chosen.propensity[COLD_START_PLACE] == 1 / NEW
    assert (np.delete(chosen.propensity, COLD_START_PLACE) == 1).all()


def test_over_many_seeds_each_new_post_is_drawn_as_often_as_the_propensity_says() -> None:
    draws = 4_000
    drawn = Counter(int(drawing(seed).rows[COLD_START_PLACE]) for seed in range(draws))
    assert len(drawn) == NEW
    # Five standard deviations of a binomial count.
    allowed = 5 * (draws * (1 / NEW) * (1 - 1 / NEW)) ** 0.5
    assert all(abs(count - draws / NEW) < allowed for count in drawn.values())


def test_the_same_seed_draws_the_same_post() -> None:
    assert drawing(seed=3).rows.tolist() == drawing(seed=3).rows.tolist()


def test_a_later_page_of_a_session_draws_nothing() -> None:
    later = drawing(seed=1, shown=np.array([0], np.int32))
    assert (later.propensity == 1).all()


def test_without_a_fresh_place_nothing_is_drawn_for_it() -> None:
    plain = drawing(seed=1, exploration=ExplorationSettings(fresh_share=0, swap_share=0))
    assert plain.rows.tolist() == list(range(12))
    assert (plain.propensity == 1).all()


def test_the_spread_of_other_surfaces_draws_nothing() -> None:
    swapping = _TWENTY.query(exploration=ExplorationSettings(swap_share=1))
    chosen = selection.spread(swapping, _TWENTY.candidates(), np.arange(20.0, 0, -1), np.ones(20, bool), 12)
    assert chosen.rows.tolist() == list(range(12))
    assert (chosen.propensity == 1).all()


def test_a_swapped_post_keeps_the_score_of_its_rank() -> None:
    settings = ExplorationSettings(fresh_share=0, swap_share=1, swap_places=4)
    ranked = drawing(seed=1, exploration=settings.model_copy(update={"swap_share": 0}))
    swapped = drawing(seed=1, exploration=settings)
    moved = np.flatnonzero(swapped.rows != ranked.rows)
    assert len(moved) == 2
    assert moved.max() < 4
    assert swapped.score[moved].tolist() == ranked.score[moved][::-1].tolist()


def test_a_page_that_does_not_reach_the_place_draws_nothing() -> None:
    chosen = spread(_EIGHT, list(range(8)), new=[True] * 8, places=COLD_START_PLACE)
    assert (chosen.propensity == 1).all()


def test_a_drawn_post_that_repeats_the_page_is_left_out() -> None:
    vectors = [np.eye(DIMENSION)[i] for i in range(8)] + [np.eye(DIMENSION)[0]]
    chosen = spread(
        town([f"author{i}" for i in range(9)], vectors), [9.0 - i for i in range(9)], [False] * 8 + [True]
    )
    assert 8 not in chosen.rows
    assert np.dot(vectors[8], vectors[0]) >= SAME


def test_best_first_is_by_score_alone_without_nan() -> None:
    network = town(["ana", "ana", "ana"], [toward(0)] * 3)
    posts = network.candidates()
    chosen = selection.best_first(network.query(), posts, np.array([1.0, np.nan, 2.0]), np.zeros(3, bool), 5)
    assert chosen.rows.tolist() == [2, 0]


def test_newest_first_is_by_the_time_made() -> None:
    network = Town()
    network.post("old", age_h=9)
    network.post("new", age_h=1)
    posts = network.candidates()
    chosen = selection.newest_first(network.query(), posts, np.array([5.0, 1.0]), np.zeros(2, bool), 5)
    assert network.names(posts.slot[chosen.rows]) == ["new", "old"]


def test_nearest_first_is_by_the_sources_own_score() -> None:
    network = town(["a", "b", "c"])
    posts = Candidates(
        network.state, np.arange(3, dtype=np.int32), np.ones(3, np.uint32), np.array([0.1, 0.9, 0.5])
    )
    chosen = selection.nearest_first(network.query(), posts, np.zeros(3), np.zeros(3, bool), 2)
    assert chosen.rows.tolist() == [1, 2]
