from typing import Any

import pytest

from ranker.reasons import Reason, excerpt, reason
from tests.ranker.network import Town, toward


@pytest.fixture
def town() -> Town:
    town = Town()
    town.post("a", "ana", text="Tea with milk", vector=toward(0))
    town.post("b", "ben", text="Tea without milk", vector=toward(0, 1, 0.1), community_id="kitchen")
    return town


def why(town: Town, source: str, post_id: str, **ask: Any) -> Reason:
    return reason(town.state, town.query(**ask), source, town.state.post_ids.slot(post_id))


def test_in_network_names_the_author(town: Town) -> None:
    assert why(town, "in_network", "a") == Reason("followed_author", "You follow ana.", ("ana",))


def test_in_network_names_who_shared_it(town: Town) -> None:
    town.post("again", "cleo", repost_of_id="a")
    assert why(town, "in_network", "again").text == "cleo, whom you follow, shared this."


def test_an_own_post_is_told_as_such(town: Town) -> None:
    town.post("mine", "vera")
    assert why(town, "in_network", "mine").text == "You wrote this."


def test_social_proof_names_those_followed_and_what_they_did(town: Town) -> None:
    town.relate("vera", "follow", "cleo", "dora")
    for person in ("cleo", "dora", "stranger"):
        town.did(person, "like", "a")
    told = why(town, "social_proof", "a")
    assert told.text == "cleo and dora, whom you follow, liked this."
    assert told.user_ids == ("cleo", "dora")


def test_social_proof_of_different_deeds_says_engaged(town: Town) -> None:
    town.relate("vera", "follow", "cleo", "dora")
    town.did("cleo", "like", "a")
    town.did("dora", "repost", "a")
    assert why(town, "social_proof", "a").text == "cleo and dora, whom you follow, engaged with this."


def test_co_engagement_names_the_post_that_shares_most_people(town: Town) -> None:
    town.post("c", text="Pots")
    town.did("vera", "bookmark", "a")
    town.did("vera", "like", "c")
    for person in ("cleo", "dora"):
        town.did(person, "like", "a", "b")
    town.did("dora", "like", "c")
    told = why(town, "co_engagement", "b")
    assert told.text == "People who liked “Tea with milk”, which you saved, liked this too."
    assert told.post_ids == ("a",)


def test_interests_name_the_nearest_post_that_the_viewer_liked(town: Town) -> None:
    town.post("far", text="Chess", vector=toward(5))
    town.did("vera", "reply", "a")
    town.did("vera", "like", "far")
    told = why(town, "interests", "b")
    assert told.text == "Similar to “Tea with milk”, which you answered."
    assert told.post_ids == ("a",)


def test_a_liked_post_is_similar_to_another_one_and_not_to_itself(town: Town) -> None:
    town.did("vera", "like", "b", "a")
    assert why(town, "interests", "a").post_ids == ("b",)


def test_interests_without_evidence_claim_none(town: Town) -> None:
    assert why(town, "interests", "b") == Reason("your_interests", "It is near your interests.")


def test_the_strongest_deed_is_told(town: Town) -> None:
    town.did("vera", "click", "a")
    town.did("vera", "remix", "a")
    town.did("vera", "dwell", "a")
    assert "which you remixed" in why(town, "interests", "b").text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("trending", "Popular in kitchen now."),
        ("community", "Posted in kitchen."),
        ("fresh", "New, and few people have seen it yet."),
        ("similar", "Near the post you asked about."),
        ("caller", "You asked to have it ranked."),
        ("", "No source brought it."),
    ],
)
def test_other_sources_say_what_they_are(town: Town, source: str, text: str) -> None:
    assert why(town, source, "b", community_id="kitchen").text == text


def test_a_long_text_is_cut_at_a_word(town: Town) -> None:
    slot = town.post("long", text="words " * 40)
    cut = excerpt(town.state, slot)
    assert cut.endswith("words…")
    assert len(cut) <= 60


def test_a_text_of_several_lines_is_told_on_one(town: Town) -> None:
    slot = town.post("lines", text="one\n\n  two\tthree")
    assert "\n" not in excerpt(town.state, slot)


def test_reposts_that_repeat_each_other_in_a_ring_are_told_without_words(town: Town) -> None:
    town.post("r1", "ana", repost_of_id="r2")
    slot = town.post("r2", "ben", repost_of_id="r1")
    assert excerpt(town.state, slot) == ""


def test_what_turns_the_direction_of_a_text_is_not_told(town: Town) -> None:
    assert excerpt(town.state, town.post("bidi", text="\u202egnp.cat\x07")) == "gnp.cat"


def test_of_a_very_long_text_the_first_words_are_told(town: Town) -> None:
    assert excerpt(town.state, town.post("long", text="é" * 9_000)).startswith("é" * 50)
