import pytest

from ranker.sources import social_proof
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.posts("both", "one", "none")
    town.post("old", age_h=48)
    town.did("ben", "like", "both", "one", "old")
    town.did("cleo", "like", "both", "old")
    town.did("dora", "like", "none")
    return town


def test_it_brings_what_several_followed_people_engaged_with_first(town: Town) -> None:
    town.relate("vera", "follow", "ben", "cleo")
    assert town.names(social_proof(town.query(), town.view, 10).slot)[:2] == ["both", "one"]


def test_an_old_post_counts_less(town: Town) -> None:
    town.relate("vera", "follow", "ben", "cleo")
    found = social_proof(town.query(), town.view, 10)
    score = dict(zip(town.names(found.slot), found.score.tolist(), strict=True))
    assert score["old"] == pytest.approx(2 / (1 + 2))


def test_it_needs_people_whom_the_viewer_follows(town: Town) -> None:
    assert not len(social_proof(town.query(), town.view, 10).slot)


def test_it_passes_over_what_others_engaged_with(town: Town) -> None:
    town.relate("vera", "follow", "ben")
    assert "none" not in town.names(social_proof(town.query(), town.view, 10).slot)
