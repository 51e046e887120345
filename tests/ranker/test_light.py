from dataclasses import replace

import numpy as np
import pytest

from ranker import features, light
from ranker.pipeline import Pipeline, Trace
from ranker.prior import Prior
from ranker.query import Query
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
