"""The archive: the trimmed part of the journal as Parquet, for training, replay and restarts.

Files are named for their first and last position and their SHA-256. They are written whole or not at all, and
never change.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import dropwhile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ranker.disk import sync
from ranker.errors import JournalError
from ranker.journal import Journal, Record, order

_SCHEMA = pa.schema([("position", pa.string()), ("entry", pa.binary())])
_FILE_ENTRIES = 10_000
_FILE_BYTES = 64_000_000


class Archive:
    """Journal entries in a folder of Parquet files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[Path]:
        """The files, in the journal's order.

        Of two of one span, which a rewriting that was cut short leaves, the newer counts.
        """
        whole = [(path.stat().st_mtime_ns, path) for path in self.folder.glob("*.parquet") if path.exists()]
        return sorted({path.stem.rpartition("_")[0]: path for _, path in sorted(whole)}.values())

    def rewrite(self, change: Callable[[Record], Record]) -> None:
        """Put each record through a change that keeps its position. Files whose records stay are left."""
        for path in self.files():
            records = self.read(path)
            changed = [change(record) for record in records]
            if changed != records:
                self._write(changed)
        current = set(self.files())
        for path in [*self.folder.glob("*.parquet"), *self.folder.glob("*.tmp")]:
            if path not in current:
                path.unlink()
        if self.folder.is_dir():  # it is made with the first file
            sync(self.folder)

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
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            sync(self.folder.parent)
        for torn in self.folder.glob("*.tmp"):
            torn.unlink()
        for part in _parts(records):
            self._write(part)

    def _write(self, part: list[Record]) -> None:
        table = pa.table(list(zip(*part, strict=True)), schema=_SCHEMA)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        content = buffer.getvalue().to_pybytes()
        path = self.folder / f"{_name(part[0][0])}_{_name(part[-1][0])}_{_digest(content)}.parquet"
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync(self.folder)

    @staticmethod
    def read(path: Path) -> list[Record]:
        """The records of one file. Raises JournalError when it is damaged."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _damaged(path, str(error)) from error
        if path.stem.split("_")[2:] != [_digest(content)]:
            raise _damaged(path, "it does not have the hash that its name says")
        table = pq.read_table(pa.BufferReader(content), schema=_SCHEMA)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def records(self, after: str = "") -> Iterator[Record]:
        """All records after a position, in order."""
        for path in self.files():
            if order(path.stem.split("_")[1]) > order(after):
                found = path if path.exists() else self._rewritten(path)
                yield from dropwhile(lambda record: order(record[0]) <= order(after), self.read(found))

    def _rewritten(self, path: Path) -> Path:
        """What took the place of a file meanwhile."""
        span = path.stem.rpartition("_")[0]
        return next((one for one in self.files() if one.stem.rpartition("_")[0] == span), path)


def history(archive: Archive, journal: Journal, after: str = "") -> Iterator[Record]:
    """All records after a position: from the archive, then from the journal. Raises on a gap.

    A server may archive and trim meanwhile: what left the journal before it was read here is in the archive.
    """
    while True:
        for record in archive.records(after):
            after = record[0]
            yield record
        batch = journal.read(after)
        try:
            journal.check_unbroken(after)  # after the read: what was whole now was whole then
        except JournalError:
            if order(archive.last) <= order(after):
                raise
            continue
        if not batch:
            return
        yield from batch
        after = batch[-1][0]


def holds_all(archive: Archive, journal: Journal) -> bool:
    """Whether a fold from the beginning can be: the archive begins there, or the journal was not trimmed."""
    if archive.files():
        return True
    try:
        journal.check_unbroken("")
    except JournalError:
        return False
    return True


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records by files: bounded by entries and by bytes."""
    part: list[Record] = []
    size = 0
    for record in records:
        part.append(record)
        size += len(record[1])
        if len(part) >= _FILE_ENTRIES or size >= _FILE_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _name(position: str) -> str:
    milliseconds, sequence = order(position)
    return f"{milliseconds:015}-{sequence:010}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path, reason: str) -> JournalError:
    return JournalError(f"the archive file {path} is damaged ({reason}): restore it from a backup")
