import pytest
from feedrank.v1 import types_pb2

from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.surfaces import SURFACES
from tests.ranker.network import Town


@pytest.fixture
def town() -> Town:
    """Vera follows Ana; Ben is a stranger; both write in the same language, and one post in a community."""
    town = Town()
    town.post("followed", "ana", text="tea", language="en")
    town.post("strange", "ben", text="tea", language="en")
    town.post("kitchen", "ben", text="pots", language="en", community_id="kitchen")
    town.post("mine", "vera", text="mine", language="en")
    town.post("ancient", "ana", text="old", language="en", age_h=24 * 40)
    town.relate("vera", "follow", "ana")
    town.user("vera", languages=["en"])
    return town


def shown(town: Town, surface: str, **ask: str) -> set[str]:
    number = types_pb2.Surface.Value(f"SURFACE_{surface}")
    query = town.query(surface=number, **ask)
    ranking = SURFACES[number].rank(query, town.view, Prior(), 20, Trace())
    return set(town.names(ranking.scored.posts.slot))


def test_for_you_shows_followed_and_strange_authors(town: Town) -> None:
    assert shown(town, "FOR_YOU") == {"followed", "strange", "kitchen"}


def test_following_shows_followed_authors_only(town: Town) -> None:
    assert shown(town, "FOLLOWING") == {"followed"}


def test_discover_shows_no_followed_author(town: Town) -> None:
    assert shown(town, "DISCOVER") == {"strange", "kitchen"}


def test_community_shows_the_community_only(town: Town) -> None:
    assert shown(town, "COMMUNITY", community_id="kitchen") == {"kitchen"}


def test_nothing_is_similar_to_a_post_without_a_vector(town: Town) -> None:
    assert shown(town, "SIMILAR", near_id="followed") == set()
