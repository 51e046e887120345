from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import archive as module
from ranker.archive import Archive, history
from ranker.errors import JournalError
from ranker.journal import Entry, Journal, Record, order
from tests.ranker.syncs import synced


def records(first: int, last: int) -> list[Record]:
    return [
        (f"{number}-{number % 3}", Entry(time_ms=number).SerializeToString()) for number in range(first, last)
    ]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive whose files hold seven entries."""
    monkeypatch.setattr(module, "_FILE_ENTRIES", 7)
    return Archive(tmp_path / "archive")


def test_what_was_archived_is_read_in_order(archive: Archive) -> None:
    archive.append(records(1, 20))
    archive.append(records(20, 40))
    assert list(archive.records()) == records(1, 40)
    assert len(archive.files()) == 6


@pytest.mark.parametrize("known", [0, 1, 7, 8, 19, 39])
def test_a_read_begins_after_its_position(archive: Archive, known: int) -> None:
    archive.append(records(1, 40))
    assert list(archive.records(f"{known}-{known % 3}")) == records(known + 1, 40)


def test_an_empty_archive_has_nothing(archive: Archive) -> None:
    archive.append([])
    assert archive.last == ""
    assert list(archive.records()) == []


def test_the_last_position_is_that_of_the_journal(archive: Archive) -> None:
    archive.append([("1795305600000-12", b"")])
    assert archive.last == "1795305600000-12"


def test_a_file_that_was_not_finished_is_not_read(archive: Archive) -> None:
    archive.append(records(1, 3))
    (archive.folder / "9-0_10-0.tmp").write_bytes(b"PAR1 half")
    assert list(archive.records()) == records(1, 3)
    assert archive.last == "2-2"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_torn_or_altered_file_is_named(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    archive = Archive(tmp_path_factory.mktemp("torn"))
    archive.append(records(1, 30))
    (path,) = archive.files()
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
    with pytest.raises(JournalError, match=path.name):
        list(archive.records())


def test_history_goes_from_the_archive_on_into_the_journal(archive: Archive, journal: Journal) -> None:
    positions = [journal.append(Entry(time_ms=i)) for i in range(9)]
    whole = list(journal.records(""))
    archive.append(whole[:5])
    journal.trim(positions[4])
    assert list(history(archive, journal)) == whole
    assert list(history(archive, journal, positions[2])) == whole[3:]
    assert list(history(archive, journal, positions[6])) == whole[7:]


def test_history_with_a_gap_between_archive_and_journal_is_an_error(
    archive: Archive, journal: Journal
) -> None:
    positions = [journal.append(Entry(time_ms=i)) for i in range(9)]
    archive.append(list(journal.records(""))[:3])
    journal.trim(positions[5])
    with pytest.raises(JournalError, match="trimmed"):
        list(history(archive, journal))


def test_history_loses_nothing_while_a_server_archives_and_trims(archive: Archive, journal: Journal) -> None:
    for i in range(300):
        journal.append(Entry(time_ms=i))
    whole = list(journal.records(""))
    archive.append(whole[:20])
    told = []
    for record in history(archive, journal):
        told.append(record)
        upto = {10: 99, 120: 250}.get(len(told))
        if upto:
            archive.append([one for one in whole[:upto] if order(one[0]) > order(archive.last)])
            journal.trim(whole[upto - 1][0])
    assert told == whole


def test_a_file_is_bounded_in_bytes_too(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FILE_BYTES", 1_000)
    archive.append([(f"{i}-0", bytes(400)) for i in range(1, 8)])
    assert len(archive.files()) == 3


def test_torn_files_are_removed_before_the_next_is_written(archive: Archive) -> None:
    archive.append(records(1, 3))
    (archive.folder / "torn.tmp").write_bytes(b"PAR1 half")
    archive.append(records(3, 5))
    assert list(archive.folder.glob("*.tmp")) == []


def test_the_folder_is_on_disk_and_each_file_under_its_name_when_append_returns(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(monkeypatch) as on_disk:
        archive.append(records(1, 10))
    first, *files = on_disk
    assert first == (archive.folder.parent, [archive.folder.name])
    names = [path.name for path in archive.files()]
    assert [there for path, there in files if path == archive.folder] == [names[:1], names]
    assert sum(path.suffix == ".tmp" for path, _ in files) == len(names)  # their content, before the rename
