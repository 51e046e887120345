import numpy as np

from ranker.filters import duplicate
from tests.ranker.network import Town


def kept(town: Town, *post_ids: str) -> list[str]:
    posts = town.candidates(*post_ids)
    return town.names(posts.slot[~duplicate(town.query(), posts)])


def town() -> Town:
    town = Town()
    town.posts("original", "other")
    town.post("first", "ben", repost_of_id="original")
    town.post("second", "cleo", repost_of_id="original")
    town.post("quote", "cleo", quote_of_id="original")
    return town


def test_the_original_wins_over_its_reposts() -> None:
    assert kept(town(), "first", "original", "second") == ["original"]


def test_without_the_original_the_first_repost_stays() -> None:
    assert kept(town(), "second", "first", "other") == ["second", "other"]


def test_a_quote_says_something_of_its_own() -> None:
    assert kept(town(), "original", "quote") == ["original", "quote"]


def test_reposts_of_unknown_posts_are_not_the_same() -> None:
    network = town()
    network.post("third", repost_of_id="unknown")
    network.post("fourth", repost_of_id="unknown too")
    assert kept(network, "third", "fourth") == ["third", "fourth"]


def test_a_repost_of_what_the_session_has_shown_goes() -> None:
    network = town()
    query = network.query(shown=network.candidates("original").slot)
    posts = network.candidates("first", "quote", "other")
    assert network.names(posts.slot[np.flatnonzero(duplicate(query, posts))]) == ["first"]


def test_a_second_repost_of_what_the_session_has_shown_goes() -> None:
    network = town()
    query = network.query(shown=network.candidates("first").slot)
    assert duplicate(query, network.candidates("second", "original", "other")).tolist() == [True, True, False]
