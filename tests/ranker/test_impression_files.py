import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ranker.impression_files import (
    _HEADER,
    _MARK,
    OPEN,
    PARQUET,
    Segment,
    _frame,
    _sound,
    finish,
    read_log,
)
from ranker.impressions import rows_of
from tests.ranker.test_impressions import answer, written


def segment(folder: Path, *requests: str, number: int = 1) -> Path:
    """A segment of one frame an answer, as a killed server leaves it."""
    one = Segment(folder / f"{number:015}{OPEN}")
    for name in requests:
        one.append(rows_of([answer(name)]))
    one.close()
    return one.path


def test_a_segment_becomes_a_parquet_file_with_its_rows(tmp_path: Path) -> None:
    path = segment(tmp_path, "r1", "r2")
    assert finish(path) == 4
    assert [one.suffix for one in tmp_path.iterdir()] == [PARQUET]
    assert written(tmp_path) == ["r1", "r1", "r2", "r2"]


def test_a_segment_is_read_though_nobody_finished_it(tmp_path: Path) -> None:
    segment(tmp_path, "r1", "r2")
    assert written(tmp_path) == ["r1", "r1", "r2", "r2"]


@pytest.mark.parametrize("lost", [1, 100, 3_000])
def test_of_a_truncated_segment_the_sound_frames_are_kept(tmp_path: Path, lost: int) -> None:
    path = segment(tmp_path, "r1", "r2")
    path.write_bytes(path.read_bytes()[:-lost])
    with capture_logs() as said:
        assert finish(path) == 2
    assert written(tmp_path) == ["r1", "r1"]
    assert [(line["event"], line["file"]) for line in said] == [("impressions_torn", path.name)]


@pytest.mark.parametrize("garbage", [b"\x00" * 4_096, b"rows" + b"\xff" * 60, b"PAR1"])
def test_garbage_after_the_last_frame_costs_nothing(tmp_path: Path, garbage: bytes) -> None:
    path = segment(tmp_path, "r1")
    with path.open("ab") as file:
        file.write(garbage)
    assert finish(path) == 2
    assert written(tmp_path) == ["r1", "r1"]


def test_a_segment_of_garbage_only_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / f"{1:015}{OPEN}"
    path.write_bytes(b"nothing of ours")
    assert finish(path) == 0
    assert list(tmp_path.iterdir()) == []


_TWO = [rows_of([answer("r1")]), rows_of([answer("r2")])]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_byte_costs_its_frame_and_those_after_it(data: st.DataObject) -> None:
    from ranker.impression_files import _frame

    frames = [_frame(batch) for batch in _TWO]
    content = bytearray(b"".join(frames))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    batches, end = _sound(bytes(content))
    sound = int(at >= len(frames[0]))
    assert end == sum(len(frame) for frame in frames[:sound])
    assert pa.Table.from_batches(batches, _TWO[0].schema).equals(
        pa.Table.from_batches(_TWO[:sound], _TWO[0].schema)
    )


def test_a_segment_whose_file_is_there_already_is_removed(tmp_path: Path) -> None:
    """The server was killed between the rename and the removal."""
    path = segment(tmp_path, "r1")
    content = path.read_bytes()
    finish(path)
    path.write_bytes(content)
    assert written(tmp_path) == ["r1", "r1"]
    finish(path)
    assert written(tmp_path) == ["r1", "r1"]


def test_files_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        finish(segment(tmp_path, f"r{number}", number=number))
    segment(tmp_path, "r11", number=11)
    assert written(tmp_path)[::2] == ["r1", "r2", "r10", "r11"]


@pytest.mark.parametrize("part", ["footer", "page", "all"])
def test_a_damaged_file_is_named_set_aside_and_costs_its_own_rows(tmp_path: Path, part: str) -> None:
    for number in (1, 2, 3):
        finish(segment(tmp_path, f"r{number}", number=number))
    damage(tmp_path / f"{2:015}{PARQUET}", part)
    with capture_logs() as said:
        assert written(tmp_path)[::2] == ["r1", "r3"]
    assert [line["event"] for line in said] == ["impressions_damaged"]
    assert said[0]["file"].endswith(f"{2:015}{PARQUET}")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".damaged", PARQUET, PARQUET]
    assert written(tmp_path)[::2] == ["r1", "r3"]


def damage(path: Path, part: str) -> None:
    content = bytearray(path.read_bytes())
    if part == "footer":
        content = content[:-20]
    elif part == "page":
        content[60] ^= 0xFF
    else:
        content = bytearray(b"garbage")
    path.write_bytes(content)


def test_rows_of_other_features_are_named_and_left_out(tmp_path: Path) -> None:
    table = pa.Table.from_batches([rows_of([answer("r1")])])
    other = {**(table.schema.metadata or {}), b"features": b"something_else"}
    pq.write_table(table.replace_schema_metadata(other), tmp_path / f"{1:015}{PARQUET}")
    with capture_logs() as said:
        assert list(read_log(tmp_path)) == []
    assert [line["event"] for line in said] == ["impressions_of_another_version"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(read_log(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("content", [b"", b"no stream of Arrow's", b"\xff\xff\xff\xff\x10\x00\x00\x00"])
def test_a_frame_with_the_right_checksum_that_holds_no_rows_ends_the_segment(
    tmp_path: Path, content: bytes
) -> None:
    path = segment(tmp_path, "r1")
    with path.open("ab") as file:
        file.write(_HEADER.pack(_MARK, len(content), zlib.crc32(content)) + content)
    assert finish(path) == 2
    assert written(tmp_path) == ["r1", "r1"]


def test_a_frame_of_other_columns_ends_the_segment(tmp_path: Path) -> None:
    path = segment(tmp_path, "r1")
    with path.open("ab") as file:
        file.write(_frame(pa.record_batch({"x": [1, 2]})))
    assert finish(path) == 2
    assert written(tmp_path) == ["r1", "r1"]
