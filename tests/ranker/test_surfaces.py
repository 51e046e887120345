import pytest
from feedrank.v1 import types_pb2

from ranker import filters
from ranker.pipeline import Pipeline, Trace
from ranker.prior import Prior
from ranker.surfaces import CALLER, FOLLOWING_NEWEST, SURFACES
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


def test_a_repost_by_a_muted_author_does_not_hide_the_repost_of_a_followed_one(town: Town) -> None:
    town.post("muted", "carl", age_h=0.1, repost_of_id="strange")
    town.post("kept", "ana", age_h=0.2, repost_of_id="strange")
    town.relate("vera", "follow", "carl")
    town.relate("vera", "mute", "carl")
    assert shown(town, "FOLLOWING") == {"followed", "kept"}


@pytest.mark.parametrize("pipeline", [*SURFACES.values(), FOLLOWING_NEWEST, CALLER])
def test_duplicates_are_looked_for_among_what_may_be_shown(pipeline: Pipeline) -> None:
    assert pipeline.filters[-1] is filters.duplicate


def test_chosen_languages_hold_for_followed_authors_too(town: Town) -> None:
    town.post("french", "ana", text="thé", language="fr")
    assert "french" in shown(town, "FOLLOWING")
    town.prefer("vera", languages=["en"])
    assert shown(town, "FOLLOWING") == {"followed"}


def test_nothing_is_similar_to_a_post_without_a_vector(town: Town) -> None:
    assert shown(town, "SIMILAR", near_id="followed") == set()
