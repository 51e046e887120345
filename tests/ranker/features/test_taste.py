from math import isnan

import numpy as np
import pytest

from ranker.features import taste
from tests.ranker.features.columns import columns
from tests.ranker.network import VIEWERS, Town, playground, toward


@pytest.fixture
def town() -> Town:
    town = Town()
    town.post("liked", vector=toward(0))
    town.post("liked too", vector=toward(1))
    town.post("disliked", vector=toward(2))
    town.post("near", vector=toward(0, 3, 0.2))
    town.post("wordless")
    town.did("vera", "like", "liked", "liked too")
    town.did("vera", "request_less", "disliked")
    return town


def test_it_tells_the_nearest_and_the_mean_of_what_was_liked(town: Town) -> None:
    row = town.features("near")
    assert row["liked_cosine"] == pytest.approx(0.8, abs=1e-3)
    assert row["liked_cosine_mean"] == pytest.approx(0.4, abs=1e-3)


def test_it_tells_how_near_the_post_is_to_the_interests(town: Town) -> None:
    row = town.features("near")
    assert row["interest_cosine"] == pytest.approx(0.8, abs=1e-3)
    assert row["interest_cosine_mean"] == pytest.approx(0.4, abs=1e-2)


def test_it_tells_how_near_the_post_is_to_what_the_viewer_wants_less_of(town: Town) -> None:
    assert town.features("disliked")["disliked_cosine"] == pytest.approx(1, abs=1e-3)
    assert town.features("near")["disliked_cosine"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("post", "viewer"), [("wordless", "vera"), ("near", "nobody")])
def test_without_a_vector_or_a_taste_nothing_is_known(town: Town, post: str, viewer: str) -> None:
    row = town.features(post, viewer=viewer)
    assert all(isnan(value) for name, value in row.items() if name.endswith(("cosine", "cosine_mean")))


def test_cosines_are_those_of_numpy() -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    vectors = town.state.posts.vector.astype(np.float64)
    vectors[~vectors.any(axis=1)] = np.nan
    near = vectors[posts.slot] @ query.interests.T.astype(np.float64)
    found = columns(taste.GROUP, query, posts)
    weights = query.interest_weights / query.interest_weights.sum()
    np.testing.assert_allclose(found["interest_cosine"], near.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["interest_cosine_mean"], near @ weights, atol=1e-6)
    for name, slots, most in (("liked", query.liked, 8), ("disliked", query.disliked, 4)):
        last = slots[town.state.posts.has_vector[slots]][:most]
        near = vectors[posts.slot] @ vectors[last].T
        np.testing.assert_allclose(found[f"{name}_cosine"], near.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_cosine_mean"], near.mean(axis=1), atol=1e-6)
