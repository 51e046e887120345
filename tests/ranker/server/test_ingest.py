"""What is put in is there soon, as a caller sees it: in timelines, and by vector."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import feedrank
import numpy as np
import pytest
from feedrank.v1.ingest_pb2 import StreamEventsRequest
from feedrank.v1.ingest_pb2_grpc import IngestStub

from tests.conftest import Launch, Network
from tests.live import Server, within

IN_TIMELINE_S = 0.250
BY_VECTOR_S = 2.0
_ROUNDS = 3

number = count()


def test_a_put_post_is_in_a_followers_timeline_within_250_ms(full: Server) -> None:
    full.client.put_relations([feedrank.relation("reader", "follow", "writer")])

    def there(post_id: str) -> bool:
        page = full.client.timeline("reader", surface="following", ordering="chronological", size=1)
        return [post.post_id for post in page.posts] == [post_id]

    with others_at_work(full):
        p99_s = best(lambda: waits_s(full, "writer", "A note on the sea", 100, there), IN_TIMELINE_S)
    assert p99_s <= IN_TIMELINE_S


def test_a_put_post_is_found_by_its_vector_within_2_s(full: Server) -> None:
    anchor = feedrank.Post(id="anchor", author_id="curator", text="A blue glazed bowl from the old kiln.")
    full.client.put_posts([anchor])

    def there(post_id: str) -> bool:
        found = full.client.similar_posts("anchor", size=200).posts
        return post_id in [post.post_id for post in found]

    with others_at_work(full):
        p99_s = best(lambda: waits_s(full, "potter", "A glazed bowl from the kiln", 30, there), BY_VECTOR_S)
    assert p99_s <= BY_VECTOR_S


def waits_s(server: Server, author: str, text: str, posts: int, there: Callable[[str], bool]) -> list[float]:
    """For each post, seconds from the call that puts it to the first answer that has it."""
    seconds = []
    for _ in range(posts):
        post_id, began = f"{author}-{next(number)}", time.perf_counter()
        server.client.put_posts([feedrank.Post(id=post_id, author_id=author, text=f"{text}, {post_id}.")])
        while not there(post_id):
            assert time.perf_counter() - began < 30, f"{post_id} did not come"
        seconds.append(time.perf_counter() - began)
    return seconds


def best(measure: Callable[[], list[float]], enough_s: float) -> float:
    """The p99 of the best round; there are more than one for what else this machine may be doing."""
    p99_s = np.inf
    for _ in range(_ROUNDS):
        seconds = measure()
        p99_s = min(p99_s, float(np.percentile(seconds, 99)))
        print(f"p50 {1000 * np.median(seconds):.1f} ms, p99 {1000 * p99_s:.1f} ms")  # noqa: T201
        if p99_s <= enough_s:
            break
    return p99_s


@contextmanager
def others_at_work(server: Server) -> Iterator[None]:
    """Somebody else writes 40 posts and 200 events a second, and reads."""
    stop = threading.Event()

    def work() -> None:
        for i in count():
            posts = [
                feedrank.Post(id=f"other-{i}-{j}", author_id=f"o{j}", text=f"Note {i} on the weather in {j}.")
                for j in range(4)
            ]
            server.client.put_posts(posts)
            events = [feedrank.event(f"v{j}", "impression", posts[j % 4].id) for j in range(20)]
            server.client.record_events(events)
            server.client.timeline(f"v{i % 20}")
            if stop.wait(0.1):
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def test_an_event_with_a_known_id_changes_nothing(network: Network) -> None:
    network.client.put_posts([feedrank.Post(id="once", author_id="ben", text="A walk.")])
    like = feedrank.event("ana", "like", "once", event_id="e1")
    for _ in range(2):
        network.client.record_events([like])
    likes = values(network.client.explain_post("ana", "once"))["post_likes_3d"]
    assert likes == pytest.approx(np.log1p(1), abs=1e-3)


def test_a_stream_sums_its_batches_up(network: Network) -> None:
    good = (feedrank.event(f"v{i}", "click", "p000001") for i in range(2_500))
    written = network.client.stream_events([*good, feedrank.event("", "click", "p000001")])
    assert (written.accepted, written.rejected_count) == (2_500, 1)
    assert [(row.index, row.field) for row in written.rejected] == [(2_500, "viewer_id")]


def test_idle_streams_leave_threads_to_others(launch: Launch) -> None:
    client = (server := launch(SERVER__THREADS="4")).client
    stub, done = IngestStub(server.channel), threading.Event()

    def idle() -> Iterator[StreamEventsRequest]:
        yield StreamEventsRequest(events=[feedrank.event("ana", "click", "p")])
        done.wait(20)

    calls = [stub.StreamEvents.future(idle(), timeout=20) for _ in range(2)]
    refused = within(5, lambda: busy(client))
    assert "too many streams are open: close one, or raise server.threads" in str(refused)
    client.timeline("ana")
    done.set()
    assert all(call.result().result.accepted == 1 for call in calls)
    assert not busy(client)


def busy(client: feedrank.Client) -> feedrank.ResourceExhausted | None:
    """What one more stream is refused with."""
    try:
        client.stream_events([feedrank.event("ana", "click", "p")])
    except feedrank.ResourceExhausted as error:
        return error
    return None


def test_putting_a_post_again_replaces_its_words(network: Network) -> None:
    network.client.set_preferences("eve", feedrank.Preferences(muted_words=["rain"]))
    for text, filters in (("Rain all day.", ["muted_words"]), ("Sun all day.", [])):
        network.client.put_posts([feedrank.Post(id="weather", author_id="ben", text=text)])
        assert list(network.client.explain_post("eve", "weather").filters) == filters


def values(told: feedrank.ExplainPostResponse) -> dict[str, float]:
    """The features that are known."""
    return {one.name: one.value for one in told.features if one.HasField("value")}
