from pathlib import Path

import pytest
from feedrank.v1.types_pb2 import (
    EVENT_KIND_IMPRESSION,
    EVENT_KIND_LIKE,
    EVENT_KIND_REQUEST_LESS,
    Event,
    Post,
)

from training.importers.polis import read
from training.rows import Row

COMMENTS = """timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body
1500000000,x,0,1,1,0,1,"Trains, not cars"
1500000300000,x,1,2,1,0,-1,Rejected and seen by nobody
1500000900000,x,2,2,1,0,1,Written after its first vote
"""
VOTES = """timestamp,datetime,comment-id,voter-id,vote
1500000000,x,0,1,1
1500000500000,x,0,2,-1
1500000600,x,0,2,1
1500000700000,x,0,3,0
1500000300000,x,1,2,1
1500000800000,x,2,3,-1
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    folder = tmp_path / "trains"
    folder.mkdir()
    (folder / "comments.csv").write_text(COMMENTS)
    (folder / "votes.csv").write_text(VOTES)
    return list(read(tmp_path))


def events(rows: list[Row]) -> list[tuple[str, str, int]]:
    return [(row.viewer_id, row.post_id, row.kind) for row in rows if isinstance(row, Event)]


def test_agree_is_a_like_pass_an_impression_and_disagree_asks_for_less(rows):
    assert events(rows) == [
        ("trains/p2", "trains/0", EVENT_KIND_IMPRESSION),
        ("trains/p2", "trains/0", EVENT_KIND_LIKE),
        ("trains/p3", "trains/0", EVENT_KIND_IMPRESSION),
        ("trains/p3", "trains/2", EVENT_KIND_IMPRESSION),
        ("trains/p3", "trains/2", EVENT_KIND_REQUEST_LESS),
    ]


def test_an_authors_own_vote_is_left_out(rows):
    assert "trains/p1" not in {viewer for viewer, _, _ in events(rows)}


def test_a_rejected_comment_that_nobody_else_saw_is_left_out(rows):
    assert [row.id for row in rows if isinstance(row, Post)] == ["trains/0", "trains/2"]


def test_seconds_and_milliseconds_are_told_apart(rows):
    assert next(row for row in rows if isinstance(row, Post)).created_ms == 1_500_000_000_000


def test_a_post_is_there_before_its_first_vote(rows):
    late = next(row for row in rows if isinstance(row, Post) and row.id == "trains/2")
    assert late.created_ms == 1_500_000_800_000
