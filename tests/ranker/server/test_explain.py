"""ExplainPost: where any post stands, or what takes it out."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import feedrank
import pytest
from feedrank.v1.types_pb2 import PROVENANCE_AI_GENERATED

from ranker import filters
from tests.conftest import DIMENSION, Launch, Network
from tests.live import within

DAY_MS = 86_400_000
number = count()


def put(client: feedrank.Client, name: str, **fields: Any) -> None:
    """The scene's post, by the scene's author, in words that are nowhere else."""
    post: dict[str, Any] = {
        "id": f"x-{name}",
        "author_id": f"by-{name}",
        "text": f"Xylophone {name}.",
    } | fields
    client.put_posts([feedrank.Post(**post)]).raise_if_rejected()


def relate(client: feedrank.Client, name: str, kind: str) -> None:
    client.put_relations([feedrank.relation(f"me-{name}", kind, f"by-{name}")])


def prefer(client: feedrank.Client, name: str, **chosen: Any) -> None:
    client.set_preferences(f"me-{name}", feedrank.Preferences(**chosen))


def do(client: feedrank.Client, name: str, kind: str) -> None:
    client.record_events([feedrank.event(f"me-{name}", kind, f"x-{name}")])


def deleted(client: feedrank.Client, name: str) -> None:
    put(client, name)
    client.delete_posts([f"x-{name}"])


def duplicate(client: feedrank.Client, name: str) -> None:
    put(client, name, id=f"first-{name}", author_id=f"friend-{name}")
    put(client, name, text="", repost_of_id=f"first-{name}")
    relate(client, name, "follow")
    client.put_relations([feedrank.relation(f"me-{name}", "follow", f"friend-{name}")])


def from_the_future(client: feedrank.Client, name: str) -> None:
    put(client, name, created_ms=time.time_ns() // 1_000_000 + DAY_MS // 2)


def too_old(client: feedrank.Client, name: str) -> None:
    put(client, name, created_ms=time.time_ns() // 1_000_000 - 31 * DAY_MS)


def blocked_author(client: feedrank.Client, name: str) -> None:
    put(client, name)
    relate(client, name, "block")


def muted_author(client: feedrank.Client, name: str) -> None:
    put(client, name)
    relate(client, name, "mute")


def followed_author(client: feedrank.Client, name: str) -> None:
    put(client, name)
    relate(client, name, "follow")


def muted_words(client: feedrank.Client, name: str) -> None:
    put(client, name)
    prefer(client, name, muted_words=["xylophone"])


def safety_label(client: feedrank.Client, name: str) -> None:
    put(client, name, safety_labels=["nsfw"])
    prefer(client, name, hidden_safety_labels=["nsfw"])


def ai_content(client: feedrank.Client, name: str) -> None:
    put(client, name, provenance=PROVENANCE_AI_GENERATED)
    prefer(client, name, ai_level="AI_LEVEL_NONE")


def other_language(client: feedrank.Client, name: str) -> None:
    put(client, name, language="fr")
    prefer(client, name, languages=["de"])


def own_posts(client: feedrank.Client, name: str) -> None:
    put(client, name, author_id=f"me-{name}")


def without_context(client: feedrank.Client, name: str) -> None:
    put(client, name, reply_to_id="never-heard-of")


def other_community(client: feedrank.Client, name: str) -> None:
    put(client, name, community_id="elsewhere")


def hidden(client: feedrank.Client, name: str) -> None:
    put(client, name)
    do(client, name, "hide")


def seen(client: feedrank.Client, name: str) -> None:
    put(client, name)
    do(client, name, "impression")


def served(client: feedrank.Client, name: str) -> None:
    put(client, name)
    relate(client, name, "follow")
    page = client.timeline(f"me-{name}", surface="following")
    assert [post.post_id for post in page.posts] == [f"x-{name}"]


SCENES: list[Callable[[feedrank.Client, str], None]] = [
    deleted,
    duplicate,
    from_the_future,
    too_old,
    blocked_author,
    muted_author,
    followed_author,
    muted_words,
    safety_label,
    ai_content,
    other_language,
    own_posts,
    without_context,
    other_community,
    hidden,
    seen,
    served,
]
"""Each is named after the filter that takes its post out."""

ASKED = {"followed_author": {"surface": "discover"}, "other_community": {"surface": "community"}}


def test_there_is_a_scene_for_every_filter() -> None:
    # `shown` is about a session, and ExplainPost stands outside of all sessions.
    assert {scene.__name__ for scene in SCENES} == set(filters.__all__) - {"shown"}


@pytest.mark.parametrize("scene", SCENES)
def test_it_names_the_filter_and_says_what_it_removes(
    network: Network, scene: Callable[[feedrank.Client, str], None]
) -> None:
    name, client = str(next(number)), network.client
    scene(client, name)
    asked = dict(ASKED.get(scene.__name__, {}))
    if asked.get("surface") == "community":
        asked["community_id"] = "here"
    told = within(2, lambda: removed(client.explain_post(f"me-{name}", f"x-{name}", **asked)))
    assert list(told.filters) == [scene.__name__]
    assert told.text.startswith("It is not shown: ")
    assert (getattr(filters, scene.__name__).__doc__ or "").partition("\n")[0] in told.text


def removed(told: feedrank.ExplainPostResponse) -> feedrank.ExplainPostResponse | None:
    """What was served is known a moment after the answer that served it."""
    return told if told.standing == feedrank.Standing.STANDING_REMOVED else None


def test_an_unknown_post_is_unknown(network: Network) -> None:
    told = network.client.explain_post("ana", "never-heard-of")
    assert told.standing == feedrank.Standing.STANDING_UNKNOWN
    assert told.text == "feedrank has no post never-heard-of."


def test_a_post_that_no_source_brings_has_the_place_it_would_have(network: Network) -> None:
    put(network.client, "lone", author_id="by-nobody")
    told = network.client.explain_post(network.world.user_ids[0], "x-lone", surface="following")
    assert told.standing == feedrank.Standing.STANDING_NOT_RETRIEVED
    assert not told.sources
    assert told.text.endswith(f"it would stand at {told.post.position + 1} of the whole order.")


def test_a_post_below_the_first_page_is_outranked(network: Network) -> None:
    viewer = network.world.user_ids[1]
    last = network.client.timeline(viewer, surface="following", size=40, include_seen=True).posts[-1]
    told = network.client.explain_post(viewer, last.post_id, surface="following", size=5, include_seen=True)
    assert told.standing == feedrank.Standing.STANDING_OUTRANKED
    assert told.text == f"It stands at {told.post.position + 1}; the first page has 5."


def test_a_post_that_says_the_same_as_a_higher_one_is_told_so(launch: Launch) -> None:
    client, vector = launch().client, [1.0] * DIMENSION
    client.put_posts([feedrank.Post(id=f"p{i}", author_id=f"a{i}", vector=vector) for i in range(2)])
    for _ in range(5):  # what is drawn differs
        (shown,) = client.timeline("ana", include_seen=True).posts
        other = {"p0": "p1", "p1": "p0"}[shown.post_id]
        told = client.explain_post("ana", other, include_seen=True)
        assert told.text == "It is not shown: a post that ranks higher says the same."


@pytest.mark.parametrize("surface", ["following", "community"])
def test_it_agrees_with_the_timeline(network: Network, surface: str) -> None:
    asked: dict[str, Any] = {"surface": surface, "include_seen": True, "at_ms": time.time_ns() // 1_000_000}
    if surface == "community":
        asked["community_id"] = network.world.post("p000000").community_id or liveliest(network)
    for viewer in network.world.user_ids[40:44]:
        for post in network.client.timeline(viewer, **asked).posts:
            told = network.client.explain_post(viewer, post.post_id, **asked)
            assert told.standing == feedrank.Standing.STANDING_SHOWN
            assert (told.post.position, told.post.score) == (post.position, post.score)


@pytest.mark.parametrize("surface", ["for_you", "discover"])
def test_it_agrees_with_the_timeline_where_nothing_is_drawn(launch: Launch, surface: str) -> None:
    """Place 6 is drawn from the new posts, anew for each question; here no post is new."""
    client = launch().client
    posts = [feedrank.Post(id=f"p{i}", author_id=f"a{i % 9}", text=f"Word {i}.") for i in range(30)]
    client.put_posts(posts)
    client.put_relations([feedrank.relation("ana", "follow", "a1")])
    met = [feedrank.event(f"v{i}", "impression", post.id) for post in posts for i in range(31)]
    client.record_events([*met, *(feedrank.event("v1", "like", post.id) for post in posts)])
    asked: dict[str, Any] = {"surface": surface, "include_seen": True, "at_ms": time.time_ns() // 1_000_000}
    for post in client.timeline("ana", **asked).posts:
        told = client.explain_post("ana", post.post_id, **asked)
        assert told.standing == feedrank.Standing.STANDING_SHOWN
        assert (told.post.position, told.post.score) == (post.position, post.score)


def liveliest(network: Network) -> str:
    """The community with most posts."""
    of = [network.world.post(f"p{i:06}").community_id for i in range(300)]
    named = [community for community in of if community]
    return max(set(named), key=named.count)


def test_every_feature_has_a_meaning_and_a_value_where_it_is_known(network: Network) -> None:
    told = network.client.explain_post(network.world.user_ids[1], "p001400")
    assert len({one.name for one in told.features}) == len(told.features) > 50
    assert all(one.meaning for one in told.features)
    assert sum(one.HasField("value") for one in told.features) > 20


def test_it_serves_nothing(network: Network) -> None:
    put(network.client, "calm")
    for _ in range(3):
        told = network.client.explain_post("calm-viewer", "x-calm")
        assert "served" not in told.filters
        time.sleep(0.1)
