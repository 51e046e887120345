"""Backups: a data folder of one moment, copied while its server runs or after it has stopped.

A backup is a folder, or one tar file, laid out as a data folder is: the newest snapshot, the archive, the
models, what was served, and whatever else lies there. The journal's entries up to the backup's position are
in its archive, so a server that starts on a restored folder folds snapshot and archive, and begins an empty
journal. The manifest, written last, has the SHA-256 of every file.

Who was erased after a backup was taken is in it still, and comes back with it. Nobody but the data folder of
then knows who that is: `restore` asks it where it is given one, and has them erased again.
"""

import hashlib
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.message import DecodeError

from ranker import disk, snapshot
from ranker.archive import Archive, history
from ranker.disk import sha256_of, sync
from ranker.errors import BackupError, InvalidArgument, NotFound
from ranker.impression_files import OPEN, PARQUET, read_log
from ranker.journal import Entry, Journal
from ranker.privacy import gone
from ranker.seen import KEY
from ranker.service import EMBEDDED, held, joined_journal, open_journal
from ranker.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
_TAR = ".tar"
_PARTIAL = ".partial"
_OWN = ("snapshots", "archive", "journal", "impressions", "lock")
_TRIES = 20

Say = Callable[[str], object]
"""Hears what is being done."""


def back_up(settings: Settings, target: Path, say: Say = lambda _: None) -> dict[str, Any]:
    """Copy a data folder to a new folder, or to a new file whose name ends in .tar; the backup's manifest.

    A server may run on it: what it takes meanwhile is in the backup or not. Raises InvalidArgument where the
    target is there.
    """
    data = _existing(settings.data)
    if target.exists():
        raise InvalidArgument("target", f"{target} is there already: name a new folder or file")
    folder = target.with_name(f"{target.name}{_PARTIAL}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    known = gone.names(data)
    with journal_of(settings) as journal:
        say("the snapshot")
        taken = _copy_snapshot(data / "snapshots", folder / "snapshots")
        say("the archive and the journal")
        position = _copy_entries(data, folder, journal)
    say("models, impressions and the rest")
    _copy_impressions(data / "impressions", folder / "impressions")
    _copy_rest(data, folder)
    say("hashes")
    manifest = _seal(folder, position, taken, known)
    say("the disk")
    if target.suffix == _TAR:
        _pack(folder, target)
    else:
        folder.rename(target)
        sync(target.parent)
    return manifest


def restore(
    backup: Path, data: Path, say: Say = lambda _: None, replaced: Path | None = None
) -> dict[str, Any]:
    """Make a new data folder of a backup, every file checked; the backup's manifest.

    `replaced`: the data folder that it takes the place of. Who was erased there since, and is in the backup,
    is erased again when a server starts on the new folder; `erased_again` of what is returned says how many
    these are. None there: nobody could say. Raises InvalidArgument where the data folder is there, or the
    replaced one is none; BackupError where the backup is damaged.
    """
    if replaced is not None:
        _existing(replaced)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise InvalidArgument("data", f"{data} is there already: name a new folder with --data")
    with _opened(backup, say) as folder:
        manifest = read_manifest(folder)
        partial = data.with_name(f"{data.name}{_PARTIAL}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        for number, (name, facts) in enumerate(manifest["files"].items()):
            say(f"file {number + 1} of {len(manifest['files'])}")
            _copy(folder / name, partial / name)
            if sha256_of(partial / name) != facts["sha256"]:
                shutil.rmtree(partial)
                raise BackupError(f"{name} of {backup} is damaged: take another backup")
        again = _erased_since(partial, replaced, manifest, say)
    if data.exists():
        data.rmdir()
    partial.rename(data)
    sync(data.parent)
    return manifest | {"erased_again": again if replaced else None}


def _erased_since(data: Path, replaced: Path | None, manifest: dict[str, Any], say: Say) -> int:
    """Have who was erased after the backup, or while it was taken, erased again; how many these are."""
    say("who was erased since")
    known = manifest.get("erasures", gone.names(data))
    later = {data: [data / gone.FOLDER / name for name in gone.names(data) if name not in known]}
    if replaced is not None:
        later[replaced] = gone.since(replaced, manifest["position"])
        if (replaced / KEY).exists():  # as it was then, or made since
            _copy(replaced / KEY, data / KEY)
    if not any(later.values()):
        return 0
    people = set(_people_in(data))
    found = {one for folder, paths in later.items() for one in gone.found_again(paths, folder, people)}
    if found:
        gone.erase_at_the_next_start(data, sorted(found))
    return len(found)


def _people_in(data: Path) -> Iterator[str]:
    """Everybody whom the archive or the impressions of a data folder name, some more than once."""
    for _, payload in Archive(data / "archive").records():
        with suppress(DecodeError):
            yield from gone.people_of(Entry.FromString(payload))
    for table in read_log(data / "impressions"):
        yield from table["viewer_id"].unique().to_pylist()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup's folder. Raises BackupError where it, or a file of it, is not there."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        if manifest.pop("seal") != _digest(manifest) or manifest["format"] != FORMAT:
            raise BackupError(f"the manifest of {folder} is damaged or of another form: take another backup")
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in manifest["files"]):
            raise BackupError(f"{folder} names files that lie elsewhere: take another backup")
        gone = [name for name in manifest["files"] if not (folder / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{folder} is no whole backup ({error}): take another one") from error
    if gone:
        raise BackupError(f"{folder} lacks {gone[0]}: take another backup")
    return manifest


@contextmanager
def journal_of(settings: Settings) -> Iterator[Journal]:
    """The journal of a data folder: that of the server that runs on it, else started while this lasts."""
    with ExitStack() as opening:
        alone = opening.enter_context(held(settings.data))
        kept = alone and settings.journal == EMBEDDED
        yield opening.enter_context(open_journal(settings) if kept else joined_journal(settings))


def _existing(data: Path) -> Path:
    if not data.is_dir() or not any((data / name).exists() for name in ("journal", "archive", "snapshots")):
        raise NotFound(f"{data} is no data folder of feedrank: name one with --data")
    return data


def _copy_snapshot(source: Path, target: Path) -> str:
    """The newest snapshot's position; a server may remove it while it is copied, for a newer one."""
    for _ in range(_TRIES):
        position = snapshot.latest(source)
        if not position:
            return ""
        try:
            shutil.copytree(source / position, target / position)
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(target, ignore_errors=True)
        else:
            return position
    raise BackupError(f"the snapshots in {source} come and go: raise upkeep.snapshot_every_s for a while")


def _copy_entries(data: Path, folder: Path, journal: Journal) -> str:
    """Copy the archive, and what the journal holds after it; the position of the last entry."""
    for _ in range(_TRIES):
        try:
            for path in Archive(data / "archive").files():
                _copy(path, folder / "archive" / path.name)
            break
        except FileNotFoundError:  # written anew meanwhile
            shutil.rmtree(folder / "archive", ignore_errors=True)
    archive = Archive(folder / "archive")
    archive.append(history(Archive(data / "archive"), journal, archive.last))
    return archive.last


def _copy_impressions(source: Path, target: Path) -> None:
    """A segment may become a Parquet file at any moment, and its last frame may be torn in the copy."""
    names = sorted({path.stem for path in source.glob("*") if path.suffix in (OPEN, PARQUET)})
    for name in names:
        for suffix in (OPEN, PARQUET):
            with suppress(FileNotFoundError):
                _copy((source / name).with_suffix(suffix), (target / name).with_suffix(suffix))


def _copy_rest(data: Path, folder: Path) -> None:
    for path in sorted(data.rglob("*")):
        name = path.relative_to(data)
        if name.parts[0] not in _OWN and path.is_file() and path.suffix != ".tmp":
            with suppress(FileNotFoundError):
                _copy(path, folder / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    sync(target)


def _seal(folder: Path, position: str, taken: str, erasures: list[str]) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": version("feedrank"),
        "created_ms": time.time_ns() // 1_000_000,
        "position": position,
        "snapshot": taken,
        "erasures": erasures,
        "files": {
            str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in files
        },
    }
    disk.write(folder / MANIFEST, json.dumps(manifest | {"seal": _digest(manifest)}, indent=1).encode())
    return manifest


def _pack(folder: Path, target: Path) -> None:
    temporary = target.with_name(f"{target.name}.tmp")
    temporary.touch(mode=0o600)
    with temporary.open("wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(folder, arcname=".")
        tar.close()
    sync(temporary)
    temporary.rename(target)
    sync(target.parent)
    shutil.rmtree(folder)


@contextmanager
def _opened(backup: Path, say: Say) -> Iterator[Path]:
    """A backup as a folder."""
    if backup.is_dir():
        yield backup
    elif backup.is_file():
        with TemporaryDirectory(dir=backup.parent) as folder:
            say("the file")
            try:
                _extract(backup, Path(folder))
            except (tarfile.TarError, EOFError) as error:
                raise BackupError(f"{backup} is no whole backup ({error}): take another one") from error
            yield Path(folder)
    else:
        raise NotFound(f"there is no backup {backup}: name the folder or file that `feedrank backup` made")


def _extract(backup: Path, folder: Path) -> None:
    """Unpack files and folders, and nothing that lies elsewhere: Pythons before 3.11.4 do not look."""
    with tarfile.open(backup) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in tar.getmembers():
            inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
            if not inside or not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name} does not belong in one")
        tar.extractall(folder)


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
