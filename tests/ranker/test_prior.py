"""The prior ranks sensibly: each claim with one thing changed and all else equal."""

import numpy as np
import pytest
from feedrank.v1 import types_pb2

from ranker import features, heads
from ranker.candidates import Candidates
from ranker.prior import TOWARD, Prior
from ranker.query import Query
from tests.ranker.network import VIEWERS, Town, playground, toward


def scores(town: Town, query: Query | None = None) -> dict[str, float]:
    posts = town.candidates()
    rows = features.compute(query or town.query(), posts)
    return dict(zip(town.names(posts.slot), Prior().predict(rows).value.tolist(), strict=True))


def test_probabilities_are_probabilities_for_everybody() -> None:
    town = playground()
    for viewer in VIEWERS:
        rows = features.compute(town.query(viewer), town.candidates())
        found = Prior().predict(rows).probabilities
        assert found.shape == (len(rows), len(heads.HEADS))
        assert ((found > 0) & (found < 1)).all()


def test_a_post_of_which_nothing_is_known_has_the_base_rates() -> None:
    town = Town()
    town.post("a", age_h=0)
    found = Prior().predict(features.compute(town.query("nobody"), town.candidates())).probabilities[0]
    assert found == pytest.approx([head.base_rate for head in heads.HEADS], rel=1e-4)


def test_fresh_is_above_stale() -> None:
    town = Town()
    town.post("fresh", age_h=1)
    town.post("stale", age_h=72)
    found = scores(town)
    assert found["fresh"] > found["stale"]


def test_followed_is_above_stranger() -> None:
    town = Town()
    town.post("followed", "ana")
    town.post("stranger", "ben")
    town.relate("vera", "follow", "ana")
    found = scores(town)
    assert found["followed"] > found["stranger"]


def test_a_liked_topic_is_above_another_and_a_disliked_one_below() -> None:
    town = Town()
    town.posts("l1", "l2", "l3", topics=["tea"])
    town.posts("d1", "d2", "d3", topics=["war"])
    for name, topic in (("liked", "tea"), ("disliked", "war"), ("other", "chess")):
        town.post(name, "ben", topics=[topic])
    town.did("vera", "like", "l1", "l2", "l3")
    town.did("vera", "request_less", "d1", "d2", "d3")
    found = scores(town)
    assert found["liked"] > found["other"] > found["disliked"]


def test_popular_is_above_ignored() -> None:
    town = Town()
    town.posts("popular", "ignored")
    for i in range(20):
        town.did(f"reader{i}", "impression", "popular", "ignored")
    for i in range(8):
        town.did(f"reader{i}", "like", "popular")
    found = scores(town)
    assert found["popular"] > found["ignored"]


def test_what_others_report_is_below_what_they_do_not() -> None:
    town = Town()
    town.posts("reported", "left")
    for i in range(20):
        town.did(f"reader{i}", "impression", "reported", "left")
    for i in range(4):
        town.did(f"reader{i}", "report", "reported")
    found = scores(town)
    assert found["left"] > found["reported"]


def test_near_the_viewers_taste_is_above_far_from_it() -> None:
    town = Town()
    town.post("liked", vector=toward(0))
    town.post("near", "ben", vector=toward(0, 1, 0.1))
    town.post("far", "ben", vector=toward(2))
    town.did("vera", "like", "liked")
    found = scores(town)
    assert found["near"] > found["far"]


def test_liked_by_the_like_minded_is_above_liked_by_others() -> None:
    town = Town()
    town.posts("mine", "theirs", "others")
    for person in ("vera", "ben", "cleo"):
        town.did(person, "like", "mine")
    for person, post in (("ben", "theirs"), ("cleo", "theirs"), ("dora", "others"), ("emil", "others")):
        town.did(person, "like", post)
    found = scores(town)
    assert found["theirs"] > found["others"]


def test_what_moves_it_is_a_feature() -> None:
    assert set(TOWARD) <= set(features.NAMES)


def test_a_row_scores_the_same_alone_and_among_others() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0], surface=types_pb2.SURFACE_FOR_YOU), town.candidates()
    rows = features.compute(query, posts)
    together = Prior().predict(rows).probabilities
    for i in range(0, len(rows), 11):
        assert np.array_equal(Prior().predict(rows[[i]]).probabilities[0], together[i])


def test_of_no_rows_there_are_no_probabilities() -> None:
    empty = Candidates.of(playground().state, np.zeros(0, np.int32))
    rows = features.compute(playground().query("nobody"), empty)
    assert Prior().predict(rows).probabilities.shape == (0, len(heads.HEADS))
