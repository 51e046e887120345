import pytest

from ranker.sources import similar
from tests.ranker.network import Town, toward


@pytest.fixture
def town() -> Town:
    town = Town()
    town.post("asked", vector=toward(0))
    town.post("near", vector=toward(0, 1, 0.1))
    town.post("far", vector=toward(0, 2, 0.7))
    town.post("wordless")
    return town


def test_it_brings_the_nearest_first_without_the_post_itself(town: Town) -> None:
    assert town.names(similar(town.query(near_id="asked"), town.view, 5).slot) == ["near", "far"]


def test_the_score_is_the_cosine(town: Town) -> None:
    scores = similar(town.query(near_id="asked"), town.view, 5).score
    assert scores == pytest.approx([0.9, 0.3], abs=1e-3)


@pytest.mark.parametrize("near", ["wordless", "unknown", ""])
def test_a_post_without_a_vector_has_nothing_similar(town: Town, near: str) -> None:
    assert not len(similar(town.query(near_id=near), town.view, 5).slot)
