import pytest

from ranker.sources import community
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    for i in range(6):
        town.post(f"c{i}", age_h=i + 1, community_id="chess")
    town.post("elsewhere", community_id="go")
    town.did("ben", "like", "c5", "elsewhere")
    return town


def test_it_brings_the_popular_then_the_newest(town: Town) -> None:
    found = community(town.query(community_id="chess"), town.view, 4)
    assert town.names(found.slot) == ["c5", "c0", "c1", "c2"]


def test_it_brings_nothing_of_other_communities(town: Town) -> None:
    assert "elsewhere" not in town.names(community(town.query(community_id="chess"), town.view, 20).slot)


def test_an_unknown_community_has_no_posts(town: Town) -> None:
    assert not len(community(town.query(community_id="nowhere"), town.view, 4).slot)
