"""Rows fed into a real server in a process of its own."""

import time
from collections.abc import Iterable, Iterator

import feedrank
import pytest
from feedrank.v1.ingest_pb2 import DeletePostsRequest

from tests.conftest import Launch
from tests.live import Server
from training.feeding import Fed, FeedInterrupted, feed
from training.playground import World
from training.rows import Row, until

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("fed") / "data", EMBEDDER__DIMENSION="64").start()
    yield one
    one.stop()


def post(name: str, author: str = "ines") -> feedrank.Post:
    return feedrank.Post(id=name, author_id=author, text=f"words of {name}", created_ms=NOW_MS - 60_000)


def likes_of(client: feedrank.Client, name: str) -> float:
    told = client.explain_post("somebody", name)
    return next(feature.value for feature in told.features if feature.name == "post_likes_3d")


def following(client: feedrank.Client, viewer: str) -> list[str]:
    page = client.timeline(viewer, surface="following", include_seen=True)
    return [one.post_id for one in page.posts]


def test_a_whole_history_arrives(server):
    world = World(authors=20, viewers=20, post_count=150, days=1)
    rows = list(until(world.rows(), NOW_MS))
    assert feed(rows, server.client) == Fed(accepted=len(rows))
    assert server.client.status().posts == 150


def test_rows_of_mixed_kinds_go_in_full_batches(server):
    batches: list[int] = []
    mixed: Iterable[Row] = (
        row
        for i in range(1_000)
        for row in (post(f"m{i}"), *[feedrank.event(f"v{n}", "click", f"m{i}") for n in range(3)])
    )
    feed(mixed, server.client, batches.append)
    assert batches == [1_000] * 4


def test_an_event_counts_though_its_post_came_just_before(server):
    feed([post("e1"), feedrank.event("omar", "like", "e1"), post("e2")], server.client)
    assert likes_of(server.client, "e1") > likes_of(server.client, "e2")


def test_a_rejected_row_is_named_by_its_number_and_the_others_are_there(server):
    bad = feedrank.Post(id="r2", text="nobody wrote this", created_ms=NOW_MS)
    fed = feed([post("r1"), feedrank.event("omar", "click", "r1"), bad, post("r3")], server.client)
    assert (fed.accepted, fed.rejected) == (3, 1)
    assert (fed.refusals[0].row, fed.refusals[0].field) == (2, "author_id")


def test_an_unfollow_does_not_overtake_the_follow_before_it(server):
    followed = feedrank.event("kofi", "follow", author_id="mei")
    unfollowed = feedrank.relation("kofi", "follow", "mei", remove=True)
    feed([post("u1", "mei"), followed, unfollowed], server.client)
    assert following(server.client, "kofi") == []


def test_a_post_that_is_put_again_outlives_its_deletion(server):
    again = [post("d1", "lina"), DeletePostsRequest(post_ids=["d1"]), post("d1", "lina")]
    feed([feedrank.relation("zoe", "follow", "lina"), *again], server.client)
    assert following(server.client, "zoe") == ["d1"]


def test_a_second_run_after_a_crash_counts_nothing_twice(launch: Launch):
    server = launch()
    like = feedrank.event("omar", "like", "p0", event_id="the-like")
    rows: list[Row] = [post("p0"), like, *(post(f"p{i}") for i in range(1, 9_000))]

    def dying() -> Iterator[Row]:
        yield from rows[:5_000]
        server.kill()
        yield from rows[5_000:]

    with feedrank.Client(server.address) as client, pytest.raises(FeedInterrupted) as stopped:
        feed(dying(), client)
    assert 4_000 <= stopped.value.fed.accepted < 9_000
    server.start()
    assert feed(rows, server.client).accepted == 9_000 + 1
    feed([post("q"), feedrank.event("omar", "like", "q")], server.client)
    assert likes_of(server.client, "p0") == pytest.approx(likes_of(server.client, "q"), abs=1e-3)
