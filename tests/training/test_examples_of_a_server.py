"""The examples of a real server's data folder: pages served over gRPC, events recorded, both joined."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from feedrank.v1 import types_pb2 as t
from feedrank.v1.feed_pb2 import GetTimelineResponse

from ranker.heads import DAY_MS, NAMES
from ranker.impression_files import read_log
from tests.conftest import DIMENSION
from tests.live import Server, put
from training import histories
from training.examples import Choices, ExampleSet
from training.playground import World

SEEN = 5
"""Posts of a page of ten that come on the screen."""


class Told(NamedTuple):
    folder: Path
    pages: list[GetTimelineResponse]
    liked: set[tuple[str, str]]
    """Answer and post."""
    found: ExampleSet
    log: pa.Table


def event(viewer: str, page: GetTimelineResponse, place: int, kind: t.EventKind.ValueType) -> t.Event:
    post = page.posts[place]
    where = {"request_id": page.request_id, "position": post.position, "surface": t.SURFACE_FOR_YOU}
    return t.Event(viewer_id=viewer, post_id=post.post_id, kind=kind, **where)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Viewers page twice, see half of each page, and like its second post; then the server ends."""
    server = Server(tmp_path_factory.mktemp("served") / "data", EMBEDDER__DIMENSION=str(DIMENSION)).start()
    now_ms = time.time_ns() // 1_000_000
    world = World(authors=20, viewers=10, post_count=200, days=2, end_ms=now_ms, vector_dimension=DIMENSION)
    put(server.client, [row for row in world.rows() if isinstance(row, t.Post | t.User)])
    pages, liked = [], set()
    for viewer in ("ines", "omar", "zoe"):
        cursor = ""
        for _ in range(2):
            page = server.client.timeline(viewer, size=10, cursor=cursor)
            seen = [event(viewer, page, place, t.EVENT_KIND_IMPRESSION) for place in range(SEEN)]
            put(server.client, [*seen, event(viewer, page, 1, t.EVENT_KIND_LIKE)])
            liked.add((page.request_id, page.posts[1].post_id))
            pages.append(page)
            cursor = page.cursor
    assert server.stop() == 0
    choices = Choices(until_ms=now_ms + 2 * DAY_MS)
    found = histories.example_set(data=server.data, choices=choices)
    return Told(server.data, pages, liked, found, pa.concat_tables(read_log(server.data / "impressions")))


def shown(told: Told) -> list[tuple[str, str]]:
    """Answer and post of each example: those on the screen, in the order of time."""
    return [(page.request_id, post.post_id) for page in told.pages for post in page.posts[:SEEN]]


def logged(told: Told, column: str) -> list[object]:
    """A column of the log, for each example."""
    answers, posts = told.log["request_id"].to_pylist(), told.log["post_id"].to_pylist()
    values = dict(zip(zip(answers, posts, strict=True), told.log[column].to_pylist(), strict=True))
    return [values[one] for one in shown(told)]


def test_the_examples_are_what_was_seen_of_what_was_served(told: Told) -> None:
    assert told.found.about.made_by == "the impressions log"
    assert told.found.posts.ids[told.found.examples.post].tolist() == [post for _, post in shown(told)]
    assert told.found.about.counts["not_seen"] == 6 * (10 - SEEN)


def test_features_and_probabilities_are_those_of_the_log_bit_for_bit(told: Told) -> None:
    for column in ("features", "probabilities"):
        expected = np.array(logged(told, column), np.float32)
        assert getattr(told.found.examples, column).tobytes() == expected.tobytes()


def test_scores_places_and_sources_are_those_of_the_answers(told: Told) -> None:
    posts = [post for page in told.pages for post in page.posts[:SEEN]]
    examples = told.found.examples
    assert examples.score.tolist() == [post.score for post in posts]
    assert examples.place.tolist() == [post.position for post in posts]
    assert [told.found.about.sources[one] for one in examples.source] == [post.source for post in posts]


def test_propensities_are_those_of_the_log(told: Told) -> None:
    assert told.found.examples.propensity.tolist() == logged(told, "propensity")


def test_what_was_liked_in_an_answer_is_labelled_there(told: Told) -> None:
    like = told.found.examples.labels[:, NAMES.index("like")]
    assert like.tolist() == [int(one in told.liked) for one in shown(told)]
    assert like.sum() == 6
    assert told.found.examples.labels.sum() == 6


def test_posts_are_those_of_the_network(told: Told) -> None:
    posts = told.found.posts
    assert (posts.author >= 0).all()
    assert posts.vector.shape == (len(posts), DIMENSION)
    assert np.allclose(np.linalg.norm(posts.vector.astype(np.float32), axis=1), 1, atol=1e-2)


def test_what_is_still_to_be_known_is_no_example(told: Told) -> None:
    found = histories.example_set(data=told.folder, choices=Choices())
    assert len(found.examples) == 0
    assert found.about.counts["horizon_not_passed"] == len(told.found.examples)
