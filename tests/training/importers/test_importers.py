"""Promises that every importer keeps, on real data where it is at hand."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from feedrank.v1.types_pb2 import Event, Post

from ranker.checks import problem_of
from ranker.errors import InvalidArgument, NotFound
from training.importers import IMPORTERS, detect, read
from training.importers.jsonl import write_jsonl
from training.rows import Row, time_of

DATA = Path(__file__).parents[4] / "shared" / "data"
SETS = {"ranklens": "ranklens", "polis_scoop": "polis", "polis_scoop/ubi": "polis", "reddit_top": "reddit"}


@pytest.fixture(scope="module", params=SETS)
def folder(request: pytest.FixtureRequest) -> Path:
    path = DATA / request.param
    if not path.exists():
        pytest.skip(f"the data set {request.param} is not at hand")
    return path


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return list(read(folder))


def test_the_kind_is_recognised(folder):
    assert detect(folder) == SETS[str(folder.relative_to(DATA))]


def test_rows_come_in_the_order_they_happened(rows):
    times = [time_of(row) for row in rows]
    assert times == sorted(times)


def test_every_row_holds_to_the_contract(rows):
    now_ms = int(time.time() * 1000)
    assert not [p for row in rows if (p := problem_of(row, now_ms=now_ms, dimension=None))]


def test_ids_are_unique(rows):
    ids = [row.event_id if isinstance(row, Event) else row.id for row in rows]
    assert len(set(ids)) == len(ids)


def test_reading_twice_gives_the_same(folder, rows):
    def first(read_rows: Iterator[Row]) -> list[Row]:
        return [row for row, _ in zip(read_rows, range(2_000), strict=False)]

    assert first(read(folder)) == rows[:2_000]


def test_what_is_written_as_json_lines_is_read_back_the_same(rows, tmp_path):
    some = [*rows[:500], *rows[-500:]]
    write_jsonl(some, tmp_path / "rows.jsonl.gz")
    assert list(read(tmp_path / "rows.jsonl.gz")) == some


def test_every_post_has_words(rows):
    assert all(row.text.strip() for row in rows if isinstance(row, Post))


def test_a_folder_without_a_known_data_set_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InvalidArgument, match="no data set of a known kind"):
        detect(tmp_path)


def test_a_path_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        detect(tmp_path / "gone")


def test_every_importer_has_a_sentence():
    assert all(importer.description.endswith(".") for importer in IMPORTERS.values())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl.gz", b"\x1f\x8b\x08\x00torn"),
        ("events.jsonl", b'{"event": "item"}'),
        (
            "events.jsonl",
            b'{"event": "item", "item": {}, "timestamp": [], "fields": [{"name": [], "value": 1}]}',
        ),
        ("events.jsonl", b'{"event": "item"}\n\xff'),
        ("moss.csv", b"created_utc,title,selftext,over_18,domain\ninf,a,b,c,d\n"),
        ("moss.csv", b"id,created_utc,title,selftext,over_18,domain\na,inf,a,b,c,d\n"),
        ("moss.csv", b"id,created_utc,title,selftext,over_18,domain\na\n"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"is wrong|is damaged|no data set"):
        list(read(path))
