from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.types_pb2 import Event, Post, Relation, User

from training.rows import span, time_of, timed, until

HISTORY = [
    User(id="ines", created_ms=1_000),
    Relation(user_id="omar", target_id="ines"),
    Post(id="p1", author_id="ines", created_ms=2_000),
    SetPreferencesRequest(viewer_id="omar"),
    Event(viewer_id="omar", post_id="p1", time_ms=2_500),
]


def test_a_row_without_a_time_happens_with_the_row_before_it():
    assert [time for time, _ in timed(HISTORY)] == [1_000, 1_000, 2_000, 2_000, 2_500]


def test_until_moves_all_times_by_one_constant_to_end_at_the_given_one():
    moved = list(until(HISTORY, end_ms=1_000_000))
    assert [time_of(row) for row in moved] == [998_500, 0, 999_500, 0, 1_000_000]


def test_until_leaves_the_rows_it_was_given_alone():
    list(until(HISTORY, end_ms=1_000_000))
    assert span(HISTORY) == (1_000, 2_500)


def test_a_time_that_was_not_given_stays_so():
    rows = [Post(id="p1"), Event(viewer_id="omar", time_ms=9)]
    assert [time_of(row) for row in until(rows, end_ms=109)] == [0, 109]


def test_rows_without_any_time_span_nothing():
    assert span([Relation(user_id="omar")]) == (0, 0)
