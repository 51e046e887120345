"""The check of a data folder: is all there that a start needs, and whole?

Nothing in the folder is changed, save that the embedded Valkey, where no server runs, is started to read its
file, and cuts a torn end off as at every start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feedrank.journal.v1 import journal_pb2
from google.protobuf.message import DecodeError

from ranker import snapshot
from ranker.archive import Archive, history
from ranker.backup import Say, journal_of
from ranker.bundle import list_bundles
from ranker.errors import FeedrankError, JournalError, JournalUnavailable, NotFound, SnapshotError
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.impression_files import OPEN, PARQUET, sound_rows
from ranker.journal import Journal, Record, order
from ranker.settings import Settings
from ranker.state import State


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    told: str
    repair: str = ""
    """Empty where all is well."""


def check(settings: Settings, *, deep: bool = False, say: Say = lambda _: None) -> Iterator[Finding]:
    """What a data folder holds, and what is wrong with it.

    `deep`: also fold the archive and the journal from the beginning, and compare with the newest snapshot,
    bit for bit. The settings of the state must be those of the server.
    """
    data = settings.data
    if not data.is_dir() or not any(data.iterdir()):
        raise NotFound(f"{data} is no data folder of feedrank: name one with --data")
    say("snapshots")
    yield from _snapshots(data / "snapshots")
    say("the archive")
    archive = Archive(data / "archive")
    broken = [*_archive(archive)]
    yield from broken
    say("the journal")
    try:
        with journal_of(settings) as journal:
            yield from _journal(archive, journal)
            if deep and not any(one.repair for one in broken):
                say("the fold")
                yield from _deep(settings, archive, journal)
    except JournalUnavailable as error:
        yield Finding("journal", str(error), "start its server, or name it with --journal")
    say("models and impressions")
    yield from _models(data / "models")
    yield from _impressions(data / "impressions")


def _snapshots(folder: Path) -> Iterator[Finding]:
    for path in snapshot.paths(folder):
        try:
            snapshot.verify(path)
        except SnapshotError as error:
            repair = f"remove {path}: the next start folds the archive and the journal instead"
            yield Finding(f"snapshot {path.name}", str(error), repair)
        else:
            yield Finding(f"snapshot {path.name}", "whole")
    for path in sorted(folder.glob("*.tmp")):
        yield Finding(f"snapshot {path.name}", "torn, of a server that was killed; the next one removes it")


def _archive(archive: Archive) -> Iterator[Finding]:
    """Each file has the hash of its name, and begins after the one before."""
    last, count, found = "", 0, 0
    for path in archive.files():
        try:
            records = archive.read(path)
            positions = [position for position, _ in records]
            if sorted(positions, key=order) != positions or order(positions[0]) <= order(last):
                raise JournalError(f"{path} does not come after the file before it")
        except JournalError as error:
            found += 1
            repair = f"restore {path.name} from a backup (`feedrank restore`), or remove it if it is twice"
            yield Finding("archive", str(error), repair)
        else:
            count, last = count + len(records), positions[-1]
    if not found:
        yield Finding("archive", f"{count:,} entries in {len(archive.files())} files, whole")


def _journal(archive: Archive, journal: Journal) -> Iterator[Finding]:
    after, count, unknown = archive.last, 0, list[str]()
    try:
        journal.check_unbroken(after)
    except JournalError as error:
        return (yield Finding("journal", str(error), "restore the archive from a backup: `feedrank restore`"))
    for position, payload in journal.records(after):
        count += 1
        unknown += [position] if _unreadable(payload) else []
    if unknown:
        told = f"{len(unknown)} of {count:,} entries can't be read, the first at {unknown[0]}"
        return (
            yield Finding("journal", told, "upgrade feedrank if a newer one wrote them; they are set aside")
        )
    yield Finding("journal", f"{count:,} entries after the archive, readable and without a gap")
    return None


def _unreadable(payload: bytes) -> bool:
    try:
        return journal_pb2.Entry.FromString(payload).WhichOneof("change") is None
    except DecodeError:
        return True


def _deep(settings: Settings, archive: Archive, journal: Journal) -> Iterator[Finding]:
    newest = snapshot.latest(settings.data / "snapshots")
    kept = State(settings.embedder.dimension, settings.state)
    position = snapshot.restore(kept, settings.data / "snapshots") if newest else ""
    state = State(settings.embedder.dimension, settings.state)
    follower = Follower(journal, Fold(state))

    def wanted(record: Record) -> bool:
        return not position or order(record[0]) <= order(position)

    try:
        for record in takewhile(wanted, history(archive, journal)):
            follower.apply(record)
    except FeedrankError as error:
        return (yield Finding("fold", str(error), "restore the archive from a backup: `feedrank restore`"))
    if position and state.fingerprint() != kept.fingerprint():
        told = f"the snapshot at {position} is not what the archive and the journal come to"
        repair = "restore a backup, for an entry is missing; or pass --config, for the settings were others"
        return (yield Finding("fold", told, repair))
    yield Finding(
        "fold", f"equal to the snapshot at {position}, bit for bit" if position else "no snapshot to compare"
    )
    return None


def _models(models: Path) -> Iterator[Finding]:
    for listing in list_bundles(models):
        repair = "remove its folder, or copy the bundle there again" if listing.problem else ""
        yield Finding(f"model {listing.version}", listing.problem or "whole", repair)


def _impressions(folder: Path) -> Iterator[Finding]:
    files = sorted(path for path in folder.glob("*") if path.suffix in (OPEN, PARQUET))
    rows, damaged = 0, 0
    for path in files:
        try:
            rows += _rows(path)
        except FileNotFoundError:  # a segment that became a Parquet file, or what is too old
            continue
        except (pa.ArrowException, OSError, ValueError) as error:
            damaged += 1
            repair = f"restore {path.name} from a backup, or leave it: it costs its own rows only"
            yield Finding("impressions", f"{path} is damaged ({error})", repair)
    if files and not damaged:
        yield Finding("impressions", f"{rows:,} rows in {len(files)} files, whole")


def _rows(path: Path) -> int:
    content = path.read_bytes()
    if path.suffix == OPEN:
        return sound_rows(content)
    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    return int(table.num_rows)
