"""Whole sessions, page by page, on the playground's people while others write."""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

import feedrank
import pytest

from tests.conftest import Launch, Network
from tests.live import within

SURFACES: list[dict[str, Any]] = [
    {"surface": "for_you"},
    {"surface": "following"},
    {"surface": "following", "ordering": "chronological"},
    {"surface": "discover"},
    {"surface": "community"},
]
NAMES = [" ".join(asked.values()) for asked in SURFACES]
_VIEWERS = 12
_PAGES = 80


@pytest.fixture(params=SURFACES, ids=NAMES)
def asked(request: pytest.FixtureRequest, network: Network) -> dict[str, Any]:
    """A surface; of communities the liveliest."""
    asked = dict(request.param)
    if asked["surface"] == "community":
        of = [post.community_id for post in islice(posts(network), 300) if post.community_id]
        asked["community_id"] = max(set(of), key=of.count)
    return asked


def test_no_session_repeats_a_post_while_others_write(network: Network, asked: dict[str, Any]) -> None:
    with writes(network):
        for viewer in network.world.user_ids[:_VIEWERS]:
            ids = [post.post_id for post in session(network, viewer, asked)]
            assert len(set(ids)) == len(ids) > 0


def test_places_rise_over_a_session(network: Network, asked: dict[str, Any]) -> None:
    with writes(network):
        places = [post.position for post in session(network, network.world.user_ids[3], asked)]
    assert places == sorted(set(places))
    assert places[0] == 0


def test_every_post_has_a_source_and_a_reason(network: Network, asked: dict[str, Any]) -> None:
    for viewer in network.world.user_ids[:_VIEWERS]:
        for post in network.client.timeline(viewer, size=100, include_seen=True, **asked).posts:
            assert post.source
            assert post.reason.code
            assert post.reason.text.endswith(".")


def test_viewers_own_posts_are_not_shown_when_not_asked_for(network: Network, asked: dict[str, Any]) -> None:
    for viewer in network.world.user_ids[:_VIEWERS]:
        chosen = network.client.get_preferences(viewer)
        chosen.show_own_posts = False
        network.client.set_preferences(viewer, chosen)
        assert viewer not in {post.author_id for post in session(network, viewer, asked)}


@pytest.mark.parametrize("surface", ["for_you", "following"])
def test_viewers_own_posts_are_shown_when_asked_for(network: Network, surface: str) -> None:
    network.client.set_preferences("proud", feedrank.Preferences(show_own_posts=True))
    network.client.put_posts([feedrank.Post(id="mine", author_id="proud", text="Look what I made.")])
    page = network.client.timeline("proud", surface=surface, size=200, include_seen=True)
    mine = [post for post in page.posts if post.author_id == "proud"]
    assert [(post.post_id, post.reason.text) for post in mine] == [("mine", "You wrote this.")]


def test_the_same_cursor_gives_the_same_page(network: Network, asked: dict[str, Any]) -> None:
    viewer = network.world.user_ids[20]
    cursor = network.client.timeline(viewer, size=5, **asked).cursor
    one, two = (network.client.timeline(viewer, size=5, cursor=cursor, **asked) for _ in range(2))
    assert [told(post) for post in one.posts] == [told(post) for post in two.posts]
    assert len(one.posts) == 5
    assert one.cursor == two.cursor


RANKED = [asked for asked in SURFACES[:4] if "ordering" not in asked]


@pytest.mark.parametrize("asked", RANKED, ids=str, indirect=True)
def test_a_new_session_is_fresh(network: Network, asked: dict[str, Any]) -> None:
    people, viewer = network.world.user_ids, f"curious-{time.time_ns()}"
    network.client.put_relations([feedrank.relation(viewer, "follow", one) for one in people[:40]])
    before = {post.post_id for post in network.client.timeline(viewer, **asked).posts}
    assert within(2, lambda: all("served" in filters(network, viewer, post, asked) for post in before))
    after = {post.post_id for post in network.client.timeline(viewer, **asked).posts}
    assert len(before) == len(after) == 20
    assert not before & after


def test_by_time_a_new_session_is_complete(network: Network) -> None:
    """Who asks for the newest first expects to find what was there a minute ago."""
    viewer, asked = network.world.user_ids[31], SURFACES[2]
    before, after = (network.client.timeline(viewer, **asked).posts for _ in range(2))
    assert [post.post_id for post in before] == [post.post_id for post in after]


def test_what_is_deleted_meanwhile_is_not_on_the_next_page(launch: Launch) -> None:
    client = launch().client
    client.put_posts([feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}") for i in range(12)])
    page = client.timeline("ana", size=4)
    left = {f"p{i}" for i in range(12)} - {post.post_id for post in page.posts}
    client.delete_posts([gone := left.pop()])
    later = client.timeline("ana", size=20, cursor=page.cursor).posts
    assert {post.post_id for post in later} == left
    assert gone not in left


def test_an_author_blocked_meanwhile_is_not_on_the_next_page(launch: Launch) -> None:
    client = launch().client
    client.put_posts([feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}") for i in range(12)])
    page = client.timeline("ana", size=4)
    left = {f"a{i}" for i in range(12)} - {post.author_id for post in page.posts}
    client.put_relations([feedrank.relation("ana", "block", left.pop())])
    later = client.timeline("ana", size=20, cursor=page.cursor).posts
    assert {post.author_id for post in later} == left


def test_an_expired_cursor_says_start_again(launch: Launch) -> None:
    client = launch(SESSIONS__TTL_S="0.2").client
    client.put_posts([feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}") for i in range(9)])
    cursor = client.timeline("ana", size=3).cursor
    time.sleep(0.5)
    with pytest.raises(feedrank.CursorExpired, match="start again"):
        client.timeline("ana", size=3, cursor=cursor)
    assert len(client.timeline("ana", size=3, include_seen=True).posts) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"viewer_id": "somebody"},
        {"surface": "discover"},
        {"include_seen": True},
        {"surface": "following", "ordering": "chronological"},
    ],
    ids=str,
)
def test_a_cursor_of_another_question_is_refused(network: Network, changed: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"viewer_id": network.world.user_ids[5], "surface": "for_you"}
    cursor = network.client.timeline(**asked).cursor
    with pytest.raises(feedrank.InvalidArgument) as refused:
        network.client.timeline(**asked | changed, cursor=cursor)
    assert refused.value.field == "cursor"


@pytest.mark.parametrize("cursor", ["x", "äöü", "AAAA", "x" * 4_000, "A" * 23, "AAAA AAAA AAAA AAAA AAAA A"])
def test_a_malformed_cursor_is_refused(network: Network, cursor: str) -> None:
    with pytest.raises(feedrank.InvalidArgument) as refused:
        network.client.timeline(network.world.user_ids[5], cursor=cursor)
    assert refused.value.field == "cursor"


def test_a_cursor_past_the_end_is_refused(network: Network) -> None:
    viewer = network.world.user_ids[5]
    raw = base64.urlsafe_b64decode(network.client.timeline(viewer).cursor)
    far = base64.urlsafe_b64encode(raw[:-4] + b"\xff\xff\xff\xff").decode()
    with pytest.raises(feedrank.InvalidArgument) as refused:
        network.client.timeline(viewer, cursor=far)
    assert refused.value.field == "cursor"


def session(network: Network, viewer: str, asked: dict[str, Any]) -> list[feedrank.RankedPost]:
    """All posts of a new session, up to its end or many pages."""
    pages = network.client.pages(viewer, size=25, **asked)
    return [post for page in islice(pages, _PAGES) for post in page.posts]


def told(post: feedrank.RankedPost) -> tuple[str, int, str, str]:
    return post.post_id, post.position, post.source, post.reason.text


def filters(network: Network, viewer: str, post_id: str, asked: dict[str, Any]) -> list[str]:
    where = {name: value for name, value in asked.items() if name != "ordering"}
    return list(network.client.explain_post(viewer, post_id, **where).filters)


def posts(network: Network) -> Iterator[feedrank.Post]:
    return (network.world.post(f"p{i:06}") for i in range(network.world.post_count))


@contextmanager
def writes(network: Network) -> Iterator[None]:
    """Somebody posts, likes, follows and deletes as long as the block lasts."""
    stop, client, people = threading.Event(), network.client, network.world.user_ids

    def work() -> None:
        for i in count():
            author, reader = people[i % len(people)], people[(7 * i + 1) % len(people)]
            fresh = feedrank.Post(id=f"w{time.time_ns()}", author_id=author, text=f"News, number {i}.")
            client.put_posts([fresh])
            client.record_events([feedrank.event(reader, "like", fresh.id)])
            client.put_relations([feedrank.relation(reader, "follow", "somebody-new", remove=bool(i % 2))])
            if i % 3 == 0:
                client.delete_posts([fresh.id])
            if stop.wait(0.01):
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
