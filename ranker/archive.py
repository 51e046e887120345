"""The archive: the trimmed part of the journal as Parquet, for training, replay and restarts.

Files are named for their first and last position, are written whole or not at all, and never change.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import dropwhile, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ranker.errors import JournalError
from ranker.journal import Journal, Record, order

_SCHEMA = pa.schema([("position", pa.string()), ("entry", pa.binary())])
_FILE_ENTRIES = 10_000


class Archive:
    """Journal entries in a folder of Parquet files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[Path]:
        """The files, in the journal's order."""
        return sorted(self.folder.glob("*.parquet"))

    @property
    def last(self) -> str:
        """The last position that is archived; empty when none is."""
        files = self.files()
        if not files:
            return ""
        milliseconds, sequence = files[-1].stem.split("_")[1].split("-")
        return f"{int(milliseconds)}-{int(sequence)}"

    def append(self, records: Iterable[Record]) -> None:
        """Add records that come after the last one; on disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rest = iter(records)
        while part := tuple(islice(rest, _FILE_ENTRIES)):
            self._write(part)

    def _write(self, part: tuple[Record, ...]) -> None:
        path = self.folder / f"{_name(part[0][0])}_{_name(part[-1][0])}.parquet"
        positions, entries = zip(*part, strict=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            table = pa.table([positions, entries], schema=_SCHEMA)
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            os.fsync(file.fileno())
        temporary.rename(path)
        sync(self.folder)

    def records(self, after: str = "") -> Iterator[Record]:
        """All records after a position, in order."""
        for path in self.files():
            if order(path.stem.split("_")[1]) > order(after):
                yield from dropwhile(lambda record: order(record[0]) <= order(after), _read(path))


def history(archive: Archive, journal: Journal, after: str = "") -> Iterator[Record]:
    """All records after a position: from the archive, then from the journal. Raises on a gap."""
    for record in archive.records(after):
        after = record[0]
        yield record
    journal.check_unbroken(after)
    yield from journal.records(after)


def sync(folder: Path) -> None:
    """Put a folder's names on disk: a rename is safe only then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name(position: str) -> str:
    milliseconds, sequence = order(position)
    return f"{milliseconds:015}-{sequence:010}"


def _read(path: Path) -> Iterator[Record]:
    try:
        table = pq.read_table(path, schema=_SCHEMA, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise JournalError(
            f"the archive file {path} is damaged ({error}): restore it from a backup"
        ) from error
    return iter(list(zip(*(column.to_pylist() for column in table.columns), strict=True)))
