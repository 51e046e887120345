from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ranker import features, light
from ranker.candidates import Candidates
from ranker.pipeline import Pipeline, Trace
from ranker.prior import Prior
from ranker.query import Query
from ranker.state import affinity
from ranker.surfaces import FOR_YOU
from tests.ranker.network import NOW, Town, playground


def guess(town: Town, *post_ids: str) -> list[float]:
    return list(light.value(town.query(), town.candidates(*post_ids)))


def cutting(most: int) -> tuple[Pipeline, Query, Trace]:
    query = playground().query("annika_", candidates=most)
    return FOR_YOU, query, Trace()


def test_newer_posts_and_those_of_people_one_follows_are_worth_more() -> None:
    town = Town()
    town.post("old", "ana", age_h=40)
    town.post("new", "ana")
    town.post("friend", "ben")
    town.relate("vera", "follow", "ben")
    old, new, friend = guess(town, "old", "new", "friend")
    assert old < new < friend


def test_what_others_hide_is_worth_less() -> None:
    town = Town()
    town.posts("hidden", "plain")
    for viewer in ("ben", "cleo", "dora"):
        town.did(viewer, "impression", "hidden", "plain")
        town.did(viewer, "hide", "hidden")
    hidden, plain = guess(town, "hidden", "plain")
    assert hidden < plain


def test_topics_that_the_viewer_liked_are_worth_more() -> None:
    town = Town()
    town.posts("met", "tea", topics=["tea"])
    town.posts("other", topics=["chess"], age_h=1.01)
    town.did("vera", "impression", "met")
    town.did("vera", "like", "met")
    tea, other = guess(town, "tea", "other")
    assert other < tea


def plain(query: Query, posts: Candidates) -> NDArray[np.float64]:
    """The guess in whole columns."""
    _, good, bad = np.nan_to_num(affinity.look_up(*query.authors, posts.author)).astype(float).T
    seen, liked, disliked = np.moveaxis(affinity.look_up(*query.topics, posts.topics).astype(float), 2, 0)
    known = ~np.isnan(seen)
    liking = np.nansum((liked - disliked) / (seen + 5), axis=1) / np.maximum(known.sum(axis=1), 1)
    toward = 0.8 * np.isin(posts.author, query.follows) + 0.4 * np.isin(posts.language, query.reads)
    toward += 0.3 * np.log1p(good) - np.log1p(bad) + 2 * liking
    fading = (1 + (query.now_ms - posts.created_ms) / 3_600_000 / 12) ** 0.25
    counted = posts.state.posts.counter[posts.slot, :, -1].astype(float)
    rates = (counted + 0.5) / (np.maximum(counted, counted[:, :1]) + 10) / 0.05
    rates[:, 0] = 1
    odds = np.exp(np.clip(toward, -2, 2))
    guess: NDArray[np.float64] = rates @ light._FOR * odds / fading + rates @ light._AGAINST / odds
    return guess


def test_it_is_the_formula_in_whole_columns() -> None:
    query, posts = playground().query("annika_"), playground().candidates()
    assert len(query.follows)
    assert len(query.authors[0])
    assert len(query.topics[0])
    np.testing.assert_allclose(light.value(query, posts), plain(query, posts), rtol=1e-6)


def test_it_keeps_what_the_prior_finds_best() -> None:
    query, posts = playground().query("annika_"), playground().candidates()
    exact = Prior().predict(features.compute(query, posts)).value
    kept = np.argsort(-light.value(query, posts))[: len(posts) * 2 // 3]
    assert np.sort(exact[kept])[-50:].sum() > 0.99 * np.sort(exact)[-50:].sum()


def test_a_cut_keeps_so_many_in_their_order_and_counts_the_others() -> None:
    pipeline, query, trace = cutting(60)
    posts = pipeline.filter(query, pipeline.fetch(query, playground().view, trace), trace)
    kept = pipeline.cut(query, posts, trace)
    assert len(kept) == 60 < len(posts)
    assert kept.slot.tolist() == [slot for slot in posts.slot.tolist() if slot in kept.slot]
    assert trace.removed["light"] == len(posts) - 60


def test_what_the_cold_start_place_may_draw_from_is_never_cut() -> None:
    pipeline, query, trace = cutting(120)
    posts = pipeline.filter(query, pipeline.fetch(query, playground().view, trace), trace)
    assert pipeline._new(pipeline.cut(query, posts, trace)).sum() == pipeline._new(posts).sum()


@pytest.mark.parametrize("pipeline", [FOR_YOU, replace(FOR_YOU, light=None)])
def test_where_few_were_found_or_nothing_guesses_all_are_scored(pipeline: Pipeline) -> None:
    query = replace(playground().query("annika_", candidates=10_000 if pipeline.light else 1))
    posts = playground().candidates()
    assert pipeline.cut(query, posts, Trace()) is posts
    assert query.now_ms == NOW
