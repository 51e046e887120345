import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ranker import snapshot
from ranker.state import State
from ranker.state.columns import Array
from tests.ranker.histories import DIMENSION, Ear, records

LIFE = records(seed=3, count=60)


def written(folder: Path, count: int) -> State:
    """The state after so many records, saved."""
    state = Ear().hear(LIFE[:count]).state
    snapshot.save(state, folder)
    return state


def restored(folder: Path) -> State:
    state = State(DIMENSION)
    snapshot.restore(state, folder)
    return state


@pytest.mark.parametrize("count", [0, 1, 60])
def test_a_snapshot_restores_every_bit(tmp_path: Path, count: int) -> None:
    saved = written(tmp_path, count)
    assert restored(tmp_path).fingerprint() == saved.fingerprint()


def test_without_a_snapshot_a_state_stays_empty(tmp_path: Path) -> None:
    assert restored(tmp_path).fingerprint() == State(DIMENSION).fingerprint()
    assert snapshot.latest(tmp_path) == ""


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for count in (9, 10, 11):
        written(tmp_path, count)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10-0", "11-0"]
    assert snapshot.latest(tmp_path) == restored(tmp_path).position == "11-0"


def test_a_snapshot_is_not_changed_by_what_is_folded_later(tmp_path: Path) -> None:
    ear = Ear().hear(LIFE[:30])
    draft, before = snapshot.draft(ear.state, tmp_path), ear.state.fingerprint()
    ear.hear(LIFE[30:])
    snapshot.finish(draft)
    assert restored(tmp_path).fingerprint() == before


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with two snapshots, and the fingerprint of the older one. What a test damages, it repairs."""
    folder = tmp_path_factory.mktemp("two")
    older = written(folder, 40).fingerprint()
    written(folder, 60)
    return folder, older


def accepted(folder: Path, path: Path, damaged: bytes) -> State:
    """What is restored when a file's content is replaced for the moment."""
    whole = path.read_bytes()
    path.write_bytes(damaged)
    try:
        with capture_logs():
            return restored(folder)
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_torn_file_gives_way_to_the_snapshot_before(two: tuple[Path, str], data: st.DataObject) -> None:
    folder, older = two
    path = data.draw(st.sampled_from(sorted((folder / "60-0").iterdir())))
    size = data.draw(st.integers(0, path.stat().st_size - 1))
    assert accepted(folder, path, path.read_bytes()[:size]).fingerprint() == older


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_changed_byte_is_found_or_changes_nothing(two: tuple[Path, str], data: st.DataObject) -> None:
    folder, older = two
    path = data.draw(st.sampled_from(sorted((folder / "60-0").iterdir())))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    state = accepted(folder, path, whole[:at] + flipped + whole[at + 1 :])
    assert state.fingerprint() in (older, Ear().hear(LIFE).state.fingerprint())


def test_a_lost_file_gives_way_to_the_snapshot_before(tmp_path: Path) -> None:
    older = written(tmp_path, 40).fingerprint()
    written(tmp_path, 60)
    (tmp_path / "60-0" / "post.author.npy").unlink()
    assert restored(tmp_path).fingerprint() == older


def test_when_no_snapshot_is_sound_a_state_stays_empty(tmp_path: Path) -> None:
    written(tmp_path, 60)
    (tmp_path / "60-0" / "post.author.npy").write_bytes(b"")
    with capture_logs() as logged:
        assert restored(tmp_path).fingerprint() == State(DIMENSION).fingerprint()
    assert [line["event"] for line in logged] == ["snapshot_refused"]


@pytest.mark.parametrize("torn", ["60-0.tmp", "60-0"])
def test_a_snapshot_that_was_not_finished_is_passed_over(tmp_path: Path, torn: str) -> None:
    older = written(tmp_path, 40).fingerprint()
    (tmp_path / torn).mkdir()
    (tmp_path / torn / "post.author.npy").write_bytes(b"half")
    assert restored(tmp_path).fingerprint() == older
    assert snapshot.latest(tmp_path) == "40-0"


def test_a_snapshot_with_columns_of_another_version_is_refused_by_their_names(tmp_path: Path) -> None:
    state = Ear().hear(LIFE).state
    arrays = dict(state.arrays())
    arrays["post.colour"] = arrays.pop("post.author")
    arrays["user.seen.slots"] = arrays["user.seen.slots"].astype(np.int64)
    snapshot.finish(snapshot.draft_of(arrays.items(), state.facts, tmp_path))
    with capture_logs() as logged:
        assert restored(tmp_path).position == ""
    assert "post.author, post.colour, user.seen.slots" in logged[0]["reason"]


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    written(tmp_path, 60)
    other = State(DIMENSION + 4)
    with capture_logs() as logged:
        assert snapshot.restore(other, tmp_path) == ""
    assert "4 numbers, not 8" in logged[0]["reason"]


def test_a_manifest_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 60)
    monkeypatch.setattr(snapshot, "FORMAT", 3)
    with capture_logs() as logged:
        assert restored(tmp_path).position == ""
    assert "format 2, this version reads 3" in logged[0]["reason"]


def test_a_folder_of_another_name_is_passed_over(tmp_path: Path) -> None:
    saved = written(tmp_path, 40)
    (tmp_path / "40-0").rename(tmp_path / "50-0.bak")
    written(tmp_path, 40)
    assert restored(tmp_path).fingerprint() == saved.fingerprint()
    assert snapshot.latest(tmp_path) == "40-0"


def test_torn_snapshots_are_removed_before_the_next_is_written(tmp_path: Path) -> None:
    (tmp_path / "7-0.tmp").mkdir()
    (tmp_path / "7-0.tmp" / "post.author.npy").write_bytes(b"half")
    written(tmp_path, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["9-0"]


def test_headers_are_parsed_in_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 9)
    read, threads = snapshot._read, set[int]()

    def noted(path: Path) -> Array:
        threads.add(threading.get_ident())
        return read(path)

    monkeypatch.setattr(snapshot, "_read", noted)
    restored(tmp_path)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    "name", ["post.created_ms", "post.text.values", "user.event.room", "user_ids.lengths"]
)
def test_an_array_of_another_length_is_refused_though_its_hash_agrees(tmp_path: Path, name: str) -> None:
    written(tmp_path, 60)
    folder = tmp_path / "60-0"
    np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:-1])
    told = json.loads((folder / "manifest.json").read_bytes())
    told["sha256"][name] = hashlib.sha256((folder / f"{name}.npy").read_bytes()).hexdigest()
    del told["seal"]
    (folder / "manifest.json").write_text(json.dumps(told | {"seal": snapshot._seal(told)}))
    with capture_logs() as said:
        assert restored(tmp_path).position == ""  # the kernels would read past the pools' ends
    assert [line["event"] for line in said] == ["snapshot_refused"]


@pytest.mark.parametrize(
    ("fact", "value"),
    [("in_service", "{}x"), ("position", "now"), ("departed", "[[1]]"), ("norm_age_ms", None)],
)
def test_facts_that_can_not_be_read_are_refused_before_anything_is_taken_over(
    tmp_path: Path, fact: str, value: str | None
) -> None:
    written(tmp_path, 60)
    file = tmp_path / "60-0" / "manifest.json"
    told = json.loads(file.read_bytes())
    told["facts"][fact] = value
    del told["seal"]
    file.write_text(json.dumps(told | {"seal": snapshot._seal(told)}))
    with capture_logs() as said:
        assert restored(tmp_path).fingerprint() == State(DIMENSION).fingerprint()
    assert [line["event"] for line in said] == ["snapshot_refused"]


def test_a_damaged_header_is_refused_though_its_hash_agrees(tmp_path: Path) -> None:
    written(tmp_path, 60)
    folder = tmp_path / "60-0"
    content = (folder / "post.author.npy").read_bytes().replace(b"}", b"(", 1)
    (folder / "post.author.npy").write_bytes(content)
    told = json.loads((folder / "manifest.json").read_bytes())
    told["sha256"]["post.author"] = hashlib.sha256(content).hexdigest()
    del told["seal"]
    (folder / "manifest.json").write_text(json.dumps(told | {"seal": snapshot._seal(told)}))
    with capture_logs():
        assert restored(tmp_path).position == ""
