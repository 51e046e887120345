import numpy as np
import pytest
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from feedrank.v1.ingest_pb2 import RecordEventsRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.checks import problem_of, sound
from ranker.errors import JournalError
from ranker.event_columns import EventColumns

NOW = 1_700_000_000_000
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(["a", "b", "x" * 257])
EVENTS = st.lists(
    st.builds(
        types_pb2.Event,
        event_id=WORDS,
        viewer_id=WORDS,
        post_id=WORDS,
        author_id=WORDS,
        request_id=WORDS,
        kind=st.integers(-1, 20),
        time_ms=st.sampled_from([0, 1, NOW, -1, 2**62]),
        dwell_ms=st.sampled_from([0, 1, 10**9]),
        undo=st.booleans(),
        position=st.sampled_from([0, 7, -1, 10**6]),
        surface=st.integers(-1, 9),
        no_training=st.booleans(),
        no_export=st.booleans(),
    ),
    max_size=9,
)


def change_of(columns: EventColumns) -> journal_pb2.Events:
    """What the journal would hold of them."""
    return journal_pb2.Entry.FromString(columns.entry(NOW)).events


@settings(deadline=None)
@given(EVENTS)
def test_columns_of_a_call_are_those_of_its_rows(events: list[types_pb2.Event]) -> None:
    change = change_of(EventColumns.of_request(RecordEventsRequest(events=events)))
    assert change == journal_pb2.Events(
        event_ids=[one.event_id for one in events],
        viewer_ids=[one.viewer_id for one in events],
        post_ids=[one.post_id for one in events],
        author_ids=[one.author_id for one in events],
        request_ids=[one.request_id for one in events],
        kinds=[one.kind for one in events],
        time_ms=[one.time_ms for one in events],
        dwell_ms=[one.dwell_ms for one in events],
        undo=[one.undo for one in events],
        positions=[one.position for one in events],
        surfaces=[one.surface for one in events],
        no_training=flags([one.no_training for one in events]),
        no_export=flags([one.no_export for one in events]),
    )


def flags(values: list[bool]) -> list[bool]:
    """A rare column: absent where nothing is in it."""
    return values if any(values) else []


@pytest.mark.parametrize(
    "undeclared", [b"\x48\xc8\x01", b"\x1a\x02\x08\x09", b"\xa3\x06\x0b\x08\x7f\x0c\xa4\x06"]
)
def test_fields_with_a_foreign_wire_type_and_groups_are_not_read(undeclared: bytes) -> None:
    event = types_pb2.Event(viewer_id="wren", post_id="p1", kind=types_pb2.EVENT_KIND_CLICK)
    row = event.SerializeToString() + undeclared
    request = RecordEventsRequest.FromString(b"\x0a" + bytes([len(row)]) + row)
    expected = change_of(EventColumns.of_request(RecordEventsRequest(events=[event])))
    assert change_of(EventColumns.of_request(request)) == expected


@settings(deadline=None)
@given(EVENTS)
def test_columns_come_back_from_the_journal(events: list[types_pb2.Event]) -> None:
    change = change_of(EventColumns.of_request(RecordEventsRequest(events=events)))
    assert change_of(EventColumns.of_change(change)) == change


@settings(deadline=None)
@given(EVENTS, st.sampled_from([0, NOW]))
def test_an_entry_is_written_as_protobuf_writes_it(events: list[types_pb2.Event], time_ms: int) -> None:
    columns = EventColumns.of_request(RecordEventsRequest(events=events))
    entry = journal_pb2.Entry(time_ms=time_ms, events=change_of(columns))
    assert columns.entry(time_ms) == entry.SerializeToString()


@settings(deadline=None, max_examples=300)
@given(EVENTS)
def test_what_is_called_sound_has_no_problem(events: list[types_pb2.Event]) -> None:
    good = sound(EventColumns.of_request(RecordEventsRequest(events=events)), NOW)
    for event in np.array(events, np.object_)[good]:
        assert problem_of(event, now_ms=NOW, dimension=None) is None


def test_usual_events_are_called_sound() -> None:
    events = [types_pb2.Event(viewer_id="v", post_id="p", kind=types_pb2.EVENT_KIND_LIKE, time_ms=NOW)]
    assert sound(EventColumns.of_request(RecordEventsRequest(events=events)), NOW).all()


def test_a_field_of_a_later_version_is_passed_over() -> None:
    later = types_pb2.Event(viewer_id="v").SerializeToString() + bytes([0xFA, 0x07, 1, 65, 0xF0, 0x07, 5])
    request = RecordEventsRequest(events=[types_pb2.Event.FromString(later + b"\x22\x01p")])
    assert list(change_of(EventColumns.of_request(request)).post_ids) == ["p"]


def test_rare_columns_that_are_absent_read_as_false() -> None:
    event = types_pb2.Event(viewer_id="v", post_id="p", kind=types_pb2.EVENT_KIND_LIKE)
    columns = EventColumns.of_request(RecordEventsRequest(events=[event]))
    change = change_of(columns)
    assert not change.no_training
    assert EventColumns.of_change(change).no_training.tolist() == [0]


def test_a_rare_column_that_is_too_short_is_refused() -> None:
    events = [types_pb2.Event(viewer_id="v", no_training=True)] * 2
    change = change_of(EventColumns.of_request(RecordEventsRequest(events=events)))
    del change.no_training[1]
    with pytest.raises(JournalError, match="not of one length"):
        EventColumns.of_change(change)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(JournalError, match="not of one length"):
        EventColumns.of_change(journal_pb2.Events(viewer_ids=["a", "b"], kinds=[1]))
