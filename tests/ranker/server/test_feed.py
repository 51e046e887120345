"""Timelines, callers' own candidates and similar posts, as answers."""

import time

import feedrank
import pytest

from ranker import heads
from tests.conftest import Network

DAY_MS = 86_400_000


def ids(answer: feedrank.GetTimelineResponse) -> list[str]:
    return [post.post_id for post in answer.posts]


def test_a_viewer_nobody_has_heard_of_gets_a_good_timeline(network: Network) -> None:
    page = network.client.timeline("never-heard-of")
    assert len(page.posts) == 20
    assert not page.degraded
    assert len({post.author_id for post in page.posts}) > 5
    assert {post.source for post in page.posts} <= {"trending", "fresh"}


def test_twenty_posts_are_the_default_and_two_hundred_the_most(network: Network) -> None:
    viewer = network.world.user_ids[6]
    assert len(network.client.timeline(viewer, include_seen=True).posts) == 20
    assert len(network.client.timeline(viewer, include_seen=True, size=200).posts) == 200


def test_an_answer_says_which_model_scored_it(network: Network) -> None:
    page = network.client.timeline("ana")
    assert page.model_version == "prior"
    assert page.request_id


def test_probabilities_and_factors_come_when_asked_for(network: Network) -> None:
    viewer = network.world.user_ids[6]
    asked = network.client.timeline(viewer, with_probabilities=True, include_seen=True)
    for post in asked.posts:
        assert tuple(one.head for one in post.probabilities) == heads.NAMES
        assert all(0 < one.probability < 1 for one in post.probabilities)
        assert all(one.value != 1 for one in post.factors)
    assert not network.client.timeline(viewer).posts[0].probabilities


def test_the_newest_come_first_when_asked_for(network: Network) -> None:
    page = network.client.timeline(
        network.world.user_ids[7], surface="following", ordering="chronological", include_seen=True
    )
    made = [post.score for post in page.posts]
    assert len(made) == 20
    assert made == sorted(made, reverse=True)


def test_following_shows_followed_authors_only(network: Network) -> None:
    viewer = network.world.user_ids[7]
    page = network.client.timeline(viewer, surface="following", include_seen=True)
    assert {post.source for post in page.posts} == {"in_network"}
    assert all(post.author_id in post.reason.user_ids for post in page.posts)


def test_discover_shows_no_followed_author(network: Network) -> None:
    viewer = network.world.user_ids[7]
    page = network.client.timeline(viewer, surface="following", include_seen=True, size=200)
    followed = {post.author_id for post in page.posts}
    new = network.client.timeline(viewer, surface="discover", include_seen=True, size=200)
    assert new.posts
    assert not followed & {post.author_id for post in new.posts}


def test_a_timeline_of_the_past_holds_nothing_later(network: Network) -> None:
    then = network.world.end_ms - 2 * DAY_MS
    page = network.client.timeline(network.world.user_ids[8], at_ms=then, include_seen=True, size=100)
    made = [network.world.post(post).created_ms for post in ids(page) if post.startswith("p0")]
    assert len(made) > 20
    assert max(made) <= then


def test_an_unknown_community_is_empty(network: Network) -> None:
    page = network.client.timeline("ana", surface="community", community_id="nowhere")
    assert (len(page.posts), page.cursor) == (0, "")


def test_posts_of_the_caller_come_back_ranked(network: Network) -> None:
    asked = [f"p{i:06}" for i in range(1_000, 1_100)]
    answer = network.client.rank_posts(network.world.user_ids[9], [*asked, "never-heard-of"])
    scores = [post.score for post in answer.posts]
    assert sorted(post.post_id for post in answer.posts) == asked
    assert scores == sorted(scores, reverse=True)
    assert list(answer.unknown_post_ids) == ["never-heard-of"]
    assert [post.position for post in answer.posts] == list(range(100))


def test_a_ranking_of_posts_counts_none_as_served(network: Network) -> None:
    network.client.put_posts([feedrank.Post(id="brought", author_id="a", text="Brought along.")])
    network.client.rank_posts("bringer", ["brought"])
    time.sleep(0.2)
    assert "served" not in network.client.explain_post("bringer", "brought").filters


def test_similar_posts_come_nearest_first(network: Network) -> None:
    found = network.client.similar_posts("p000900", size=30).posts
    cosines = [post.score for post in found]
    assert "p000900" not in [post.post_id for post in found]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] > 0.5
    assert {post.reason.code for post in found} == {"similar_post"}


def test_similar_posts_of_an_unknown_post_are_not_found(network: Network) -> None:
    with pytest.raises(feedrank.NotFound, match="there is no post never-heard-of: put it first"):
        network.client.similar_posts("never-heard-of")


def test_a_like_brings_posts_near_it(network: Network) -> None:
    """The interests of a viewer follow from what he likes."""
    liked = network.world.post("p001300")
    network.client.record_events([feedrank.event("taster", "like", liked.id)])
    page = network.client.timeline("taster", surface="discover", size=100)
    near = [post for post in page.posts if post.reason.code == "similar_to_liked"]
    assert near
    assert all(list(post.reason.post_ids) == [liked.id] for post in near)
    assert all(post.reason.text.endswith(", which you liked.") for post in near)
