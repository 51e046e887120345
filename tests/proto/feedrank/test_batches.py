from __future__ import annotations

from feedrank.batches import MAX_BYTES, Cutter, Written, cut
from feedrank.v1.ingest_pb2 import PutPostsRequest
from feedrank.v1.types_pb2 import Post, RejectedRow, WriteResult
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text(max_size=40)), st.integers(1, 5), st.integers(1, 100))
def test_cutting_keeps_every_row_in_its_order(rows: list[str], max_rows: int, max_bytes: int) -> None:
    batches = list(cut(rows, lambda: Cutter(max_rows, max_bytes)))
    assert [row for batch in batches for row in batch] == rows


@given(st.lists(st.text(max_size=40)), st.integers(1, 5), st.integers(1, 100))
def test_a_batch_keeps_to_both_limits_unless_it_is_one_row(
    rows: list[str], max_rows: int, max_bytes: int
) -> None:
    for batch in cut(rows, lambda: Cutter(max_rows, max_bytes)):
        size = sum(len(row.encode()) + 5 for row in batch)
        assert len(batch) <= max_rows
        assert size <= max_bytes or len(batch) == 1


def test_a_message_of_long_posts_stays_below_four_mebibytes() -> None:
    posts = [Post(id=str(index), text="x" * 10_000) for index in range(1_000)]
    sizes = [PutPostsRequest(posts=batch).ByteSize() for batch in cut(posts)]
    assert max(sizes) <= MAX_BYTES
    assert len(sizes) == 3


def test_rows_that_wait_for_the_fold_make_the_whole_write_not_visible() -> None:
    written = Written().then(WriteResult(accepted=1, visible=True), rows=1)
    assert written.visible
    assert not written.then(WriteResult(accepted=1, visible=False), rows=1).visible


def test_a_message_without_accepted_rows_hides_nothing() -> None:
    refused = WriteResult(rejected=[RejectedRow(index=0, code="missing")])
    assert Written().then(refused, rows=1).visible


def test_a_write_without_rejected_rows_returns_itself() -> None:
    written = Written(rows=1, accepted=1)
    assert written.raise_if_rejected() is written
