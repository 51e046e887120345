import json
from contextlib import suppress
from pathlib import Path

import pytest
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from feedrank.v1.types_pb2 import (
    EVENT_KIND_LIKE,
    Event,
    Media,
    Post,
    Preferences,
    Relation,
    User,
)
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import InvalidArgument
from training.importers.jsonl import BadRow, read, row_of, validate, write_jsonl

LIKE = '{"event": {"viewer_id": "omar", "kind": "like", "post_id": "p1", "time_ms": 5}}'


def bad(tmp_path: Path, *lines: str) -> list[BadRow]:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    return list(validate(path))


def test_every_kind_of_row_is_read_back_as_it_was_written(tmp_path):
    rows = [
        User(id="inês", created_ms=1, languages=["pt"]),
        Relation(user_id="omar", target_id="inês", kind=1, remove=True),
        Post(
            id="p1",
            author_id="inês",
            text="«olá»\n",
            media=[Media(kind=1, prompt="fox")],
            vector=[0.1, -3e-9],
        ),
        Event(viewer_id="omar", kind=EVENT_KIND_LIKE, post_id="p1", time_ms=9, undo=True),
        SetPreferencesRequest(viewer_id="omar", preferences=Preferences(muted_words=["x"], ai_level=3)),
        DeletePostsRequest(post_ids=["p1"]),
    ]
    assert write_jsonl(rows, tmp_path / "rows.jsonl") == len(rows)
    assert list(read(tmp_path / "rows.jsonl")) == rows


@pytest.mark.parametrize("kind", ["like", "LIKE", "EVENT_KIND_LIKE", 4])
def test_an_enum_value_may_be_short_whole_or_a_number(kind):
    assert row_of(json.dumps({"event": {"kind": kind}})).kind == EVENT_KIND_LIKE


def test_protobufs_own_json_is_read():
    row = row_of('{"post": {"id": "p1", "authorId": "ines", "createdMs": "1700000000000", "text": null}}')
    assert row == Post(id="p1", author_id="ines", created_ms=1_700_000_000_000)


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        ("{", "", "not JSON"),
        ("[]", "", "object with one key"),
        ('{"like": {}}', "", "no kind of row"),
        ('{"post": []}', "", "must be an object"),
        ('{"post": {"id": 7}}', "id", "must be a string, not a number"),
        ('{"post": {"id": "p", "txt": ""}}', "txt", "has no field 'txt'"),
        ('{"post": {"topics": "art"}}', "topics", "must be a list, not a string"),
        ('{"post": {"media": [{"kind": "gif"}]}}', "media[0].kind", "must be one of"),
        ('{"post": {"created_ms": 1.5}}', "created_ms", "must be a whole number"),
        ('{"post": {"created_ms": true}}', "created_ms", "must be a whole number, not a boolean"),
        ('{"post": {"vector": ["a"]}}', "vector[0]", "must be a number"),
        ('{"post": {"text": "\\ud800"}}', "text", "surrogate"),
        ('{"event": {"undo": 1}}', "undo", "must be true or false"),
        ('{"event": {"position": 3000000000}}', "position", "out of range"),
        ('{"delete_post": 3}', "delete_post", "must be a string"),
        ('{"preferences": {"viewer_id": "o", "ai_level": "no"}}', "preferences.ai_level", "must be one of"),
        ('{"post": {"id": "p1"}}', "author_id", "is required"),
        ('{"event": {"viewer_id": "o", "kind": "dwell", "post_id": "p"}}', "dwell_ms", "must be 1 to"),
    ],
)
def test_a_bad_row_is_named_by_line_field_and_reason(tmp_path, line, field, message):
    (row,) = bad(tmp_path, LIKE, "", line)
    assert (row.line, row.field) == (3, field)
    assert message in row.message


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LIKE.encode() + b'\n{"delete_post": "\xff"}\n')
    assert [row.line for row in validate(path)] == [2]


def test_a_row_that_is_earlier_than_one_above_is_bad(tmp_path):
    (row,) = bad(tmp_path, LIKE, LIKE.replace(": 5", ": 4"), LIKE)
    assert (row.line, row.field) == (2, "time_ms")


def test_a_user_may_be_older_than_the_rows_above(tmp_path):
    assert not bad(tmp_path, LIKE, '{"user": {"id": "omar", "created_ms": 1}}')


def test_reading_stops_at_the_first_bad_line_and_names_it(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{LIKE}\nnonsense\n")
    with pytest.raises(InvalidArgument, match="line 2"):
        list(read(path))


def test_the_examples_in_the_documentation_are_good_rows(tmp_path):
    page = Path(__file__).parents[3] / "docs" / "import.md"
    examples = [line for line in page.read_text().splitlines() if line.startswith('{"')]
    assert len(examples) >= 8
    assert not bad(tmp_path, *examples)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = st.sampled_from(["id", "text", "created_ms", "media", "vector", "provenance", "kind", "muted_words"])
KEYS = st.sampled_from(["post", "event", "user", "relation", "preferences", "delete_post"])


@given(st.dictionaries(KEYS, st.dictionaries(FIELDS, JSON, max_size=3) | JSON, min_size=1, max_size=1))
def test_any_json_is_a_row_or_refused_in_words(content):
    with suppress(InvalidArgument):
        row_of(json.dumps(content))
