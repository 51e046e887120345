"""Snapshots: the state as plain arrays in a folder, each hashed. No pickle.

A snapshot folder is named for its position and holds one `.npy` file an array and `manifest.json`, which is
written last: a folder without one is torn and passed over.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from ranker.archive import sync
from ranker.errors import SnapshotError
from ranker.journal import order
from ranker.state import State
from ranker.state.columns import Array

FORMAT = 1
_KEEP = 2
_NAME = re.compile(r"\d+-\d+")

log = structlog.get_logger()


@dataclass(frozen=True)
class Content:
    """A copy of a state's arrays and facts, of one moment."""

    arrays: dict[str, Array]
    facts: dict[str, int | str]

    @classmethod
    def of(cls, state: State) -> "Content":
        """Copy. Only the fold's thread may call it, or a reader that holds its turn."""
        return cls({name: array.copy() for name, array in state.arrays()}, state.facts)


def save(content: Content, folder: Path) -> Path:
    """Write a snapshot below `folder`, keep the newest two, and return its path."""
    target = folder / str(content.facts["position"] or "0-0")
    temporary = target.with_suffix(".tmp")
    for torn in folder.glob("*.tmp"):
        shutil.rmtree(torn, ignore_errors=True)
    temporary.mkdir(parents=True)
    hashes = {name: _write(temporary / f"{name}.npy", array) for name, array in content.arrays.items()}
    manifest = {"format": FORMAT, "facts": content.facts, "sha256": hashes}
    sealed = manifest | {"seal": _seal(manifest)}
    _write_bytes(temporary / "manifest.json", json.dumps(sealed, indent=1).encode())
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    sync(folder)
    for old in list(_newest_first(folder))[_KEEP:]:
        shutil.rmtree(old)
    return target


def restore(state: State, folder: Path) -> str:
    """Load the newest sound snapshot into a fresh state; its position, or empty when there is none.

    A damaged one is logged and passed over: the journal's archive holds what it held.
    """
    for path in _newest_first(folder):
        try:
            arrays, facts = _load(path, state.dimension)
            _check_forms(arrays, state)
            state.load(arrays, facts)
        except SnapshotError as error:
            log.warning("snapshot_refused", path=str(path), reason=str(error))
        else:
            return state.position
    return ""


def latest(folder: Path) -> str:
    """The newest snapshot's position; empty when there is none."""
    return next((path.name for path in _newest_first(folder)), "")


def _newest_first(folder: Path) -> Iterator[Path]:
    whole = [path.parent for path in folder.glob("*/manifest.json") if _NAME.fullmatch(path.parent.name)]
    yield from sorted(whole, key=lambda path: order(path.name), reverse=True)


def _load(path: Path, dimension: int) -> tuple[dict[str, Array], dict[str, int | str]]:
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        if manifest.pop("seal") != _seal(manifest):
            raise SnapshotError("manifest.json does not have the hash that it says")
        if manifest["format"] != FORMAT:
            raise SnapshotError(f"it has format {manifest['format']}, this version reads {FORMAT}")
        if manifest["facts"]["dimension"] != dimension:
            raise SnapshotError(f"its vectors have {manifest['facts']['dimension']} numbers, not {dimension}")
        arrays = {name: _read(path / f"{name}.npy", digest) for name, digest in manifest["sha256"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"it can't be read: {error}") from error
    return arrays, manifest["facts"]


def _check_forms(arrays: dict[str, Array], state: State) -> None:
    """Refuse arrays that this version does not hold, or holds in another form."""
    ours = {name: (array.dtype, array.shape[1:]) for name, array in state.arrays()}
    theirs = {name: (array.dtype, array.shape[1:]) for name, array in arrays.items()}
    if strange := sorted({name for name, _ in ours.items() ^ theirs.items()}):
        raise SnapshotError(f"this version of feedrank holds {', '.join(strange)} in another form")


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _write(path: Path, array: Array) -> str:
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return _sha256(path)


def _read(path: Path, digest: str) -> Array:
    if _sha256(path) != digest:  # before NumPy parses it: what it raises on a damaged header is open
        raise SnapshotError(f"{path.name} does not have the hash that the manifest says")
    array: Array = np.load(path, allow_pickle=False)
    return array


def _write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
