"""Snapshots: the state, and the index with it, as plain arrays in a folder, each hashed. No pickle.

A snapshot folder is named for its position and holds one `.npy` file an array and `manifest.json`, which is
written last: a folder without one is torn and passed over. The files are neither packed nor compressed, so
they are read by mapping them into memory.
"""

import hashlib
import json
import re
import shutil
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import structlog

from ranker.disk import sha256_of, sync
from ranker.errors import SnapshotError
from ranker.journal import order
from ranker.known import READER
from ranker.state import State
from ranker.state.columns import Array

FORMAT = 2
_KEEP = 2
_NAME = re.compile(r"\d+-\d+")
_INDEX = "index."
_READERS = 2
_MAPPED = 1 << 20
# What NumPy and the JSON reader raise on files that are not what they should be.
_UNREADABLE = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
_COUNTS = ("lengths", "room")
"""Arrays that say how many places of the others beside them each row has."""

log = structlog.get_logger()


class Index(Protocol):
    """What is kept beside the state, so that a start need not make it again."""

    def arrays(self) -> Iterable[tuple[str, Array]]:
        """Its content, of this moment."""

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `arrays` gave."""


@dataclass(frozen=True)
class Draft:
    """A snapshot whose arrays are written, but not yet safe on disk."""

    path: Path
    names: tuple[str, ...]
    facts: Mapping[str, int | str]


def save(state: State, folder: Path, index: Index | None = None) -> Path:
    """Write a snapshot below `folder`, keep the newest two, and return its path."""
    return finish(draft(state, folder, index))


def draft(state: State, folder: Path, index: Index | None = None) -> Draft:
    """Write the arrays of this moment. Only who folds may call it: a fold reads an entry before its turn."""
    parts = ((f"{_INDEX}{name}", array) for name, array in (index.arrays() if index else ()))
    return draft_of(chain(state.arrays(), parts), state.facts, folder)


def draft_of(arrays: Iterable[tuple[str, Array]], facts: Mapping[str, int | str], folder: Path) -> Draft:
    """Write arrays. One at a time is in memory; the files are in the system's cache when this returns."""
    for torn in folder.glob("*.tmp"):
        shutil.rmtree(torn, ignore_errors=True)
    path = folder / f"{facts['position'] or '0-0'}.tmp"
    path.mkdir(parents=True)
    names = []
    for name, array in arrays:
        with (path / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        names.append(name)
    return Draft(path, tuple(names), facts)


def finish(draft: Draft, *, alone: bool = False) -> Path:
    """Put a draft on disk, seal it, keep the newest two snapshots, and return its path.

    `alone`: nothing else stays in the folder.
    """
    folder, target = draft.path.parent, draft.path.with_suffix("")
    files = [draft.path / f"{name}.npy" for name in draft.names]
    for path in files:
        sync(path)
    hashes = dict(zip(draft.names, map(sha256_of, files), strict=True))
    manifest = {"format": FORMAT, "reader": READER, "facts": draft.facts, "sha256": hashes}
    sealed = manifest | {"seal": _seal(manifest)}
    (draft.path / "manifest.json").write_bytes(json.dumps(sealed, indent=1).encode())
    sync(draft.path / "manifest.json")
    shutil.rmtree(target, ignore_errors=True)
    draft.path.rename(target)
    sync(folder)
    for old in [one for one in folder.iterdir() if one != target] if alone else paths(folder)[_KEEP:]:
        shutil.rmtree(old)
    return target


def restore(state: State, folder: Path, index: Index | None = None, *, refold: bool = True) -> str:
    """Load the newest sound snapshot into a fresh state, and into an index if it holds one.

    Returns its position, or empty when there is none. A damaged one is logged and passed over: the journal's
    archive holds what it held. So is one of another version that could not fold all entries; without
    `refold`, where those entries are gone, it is taken nonetheless.
    """
    for path in _newest_first(folder):
        try:
            arrays, facts = _load(path, state.dimension, index=index is not None, refold=refold)
            kept = {n.removeprefix(_INDEX): arrays.pop(n) for n in list(arrays) if n.startswith(_INDEX)}
            _check_forms(arrays, state)
            _check_lengths(arrays)
            state.load(arrays, facts)
        except SnapshotError as error:
            log.warning("snapshot_refused", path=str(path), reason=str(error))
        else:
            if index is not None and kept:
                _load_index(index, kept, path)
            return state.position
    return ""


def _load_index(index: Index, kept: dict[str, Array], path: Path) -> None:
    """Load an index; one that can't be used is made anew by who needs it."""
    try:
        index.load({name: np.asarray(array) for name, array in kept.items()})
    except (LookupError, TypeError, ValueError) as error:
        log.warning("index_refused", path=str(path), reason=str(error))


def latest(folder: Path) -> str:
    """The newest snapshot's position; empty when there is none."""
    return next((path.name for path in _newest_first(folder)), "")


def paths(folder: Path) -> list[Path]:
    """The snapshots of a folder, the newest first."""
    return list(_newest_first(folder))


def verify(path: Path) -> None:
    """Raise SnapshotError unless a snapshot has the hashes that its manifest says."""
    try:
        _verify_files(path, _manifest(path)["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"it can't be read: {error}") from error


def _newest_first(folder: Path) -> Iterator[Path]:
    whole = [path.parent for path in folder.glob("*/manifest.json") if _NAME.fullmatch(path.parent.name)]
    yield from sorted(whole, key=lambda path: order(path.name), reverse=True)


def _load(
    path: Path, dimension: int, *, index: bool, refold: bool = True
) -> tuple[dict[str, Array], dict[str, int | str]]:
    try:
        manifest = _manifest(path)
        if manifest["facts"]["dimension"] != dimension:
            raise SnapshotError(f"its vectors have {manifest['facts']['dimension']} numbers, not {dimension}")
        if (first := manifest["facts"].get("passed_over")) and manifest.get("reader") != READER and refold:
            raise SnapshotError(
                f"its version ({manifest.get('reader', 'an older one')}) could not fold the entry {first}: "
                "this one folds again from before"
            )
        hashes = {n: digest for n, digest in manifest["sha256"].items() if index or not n.startswith(_INDEX)}
        # Hashes first: what NumPy raises on a damaged header is open. And it parses headers with `ast`, which
        # in CPython 3.11 fails now and then where two threads do so.
        _verify_files(path, hashes)
        arrays = {name: _read(path / f"{name}.npy") for name in hashes}
        _check_facts(manifest["facts"])
    except _UNREADABLE as error:
        raise SnapshotError(f"it can't be read: {error}") from error
    return arrays, manifest["facts"]


def _manifest(path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((path / "manifest.json").read_bytes())
    if manifest.pop("seal") != _seal(manifest):
        raise SnapshotError("manifest.json does not have the hash that it says")
    if manifest["format"] != FORMAT:
        raise SnapshotError(f"it has format {manifest['format']}, this version reads {FORMAT}")
    return manifest


def _verify_files(path: Path, hashes: Mapping[str, str]) -> None:
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda name: sha256_of(path / f"{name}.npy"), hashes)
    for name, digest in zip(hashes, found, strict=True):
        if digest != hashes[name]:
            raise SnapshotError(f"{name}.npy does not have the hash that the manifest says")


def _check_forms(arrays: dict[str, Array], state: State) -> None:
    """Refuse arrays that this version does not hold, or holds in another form."""
    ours = {name: (array.dtype, array.shape[1:]) for name, array in state.arrays()}
    theirs = {name: (array.dtype, array.shape[1:]) for name, array in arrays.items()}
    if strange := sorted({name for name, _ in ours.items() ^ theirs.items()}):
        raise SnapshotError(f"this version of feedrank holds {', '.join(strange)} in another form")


def _check_facts(facts: Mapping[str, int | str]) -> None:
    """Read the facts as the state will, before anything of it is taken over."""
    order(State.read(facts)["position"])


def _check_lengths(arrays: dict[str, Array]) -> None:
    """Refuse arrays that do not belong together: kernels trust that a row is where its table says."""
    rows = {name.removesuffix("_ids.lengths"): len(a) for name, a in arrays.items() if "_ids.lengths" in name}
    for name, array in arrays.items():
        group, _, part = name.rpartition(".")
        if group in rows and len(array) != rows[group]:
            raise SnapshotError(f"{name} has {len(array)} rows, and its table {rows[group]}")
        if part not in _COUNTS:
            continue
        total = int(array.sum(dtype=np.int64))
        others = [
            len(other) for each, other in arrays.items() if each.rpartition(".")[0] == group and each != name
        ]
        if (len(array) and array.min() < 0) or any(length != total for length in others):
            raise SnapshotError(f"{name} adds up to {total}, and what it counts has {others} places")
        table = group.partition(".")[0]
        if len(array) != rows.get(table.removesuffix("_ids"), len(array)):
            raise SnapshotError(f"{name} has {len(array)} rows, and its table another number")


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Array:
    if path.stat().st_size < _MAPPED:
        array: Array = np.load(path, allow_pickle=False)
    else:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array
