"""What is put on disk, and what lay there at that moment: a rename is safe once its folder was synced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Synced = list[tuple[Path, list[str]]]
"""Files and folders in the order in which they were synced, with the names that a folder had then."""


@contextmanager
def synced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Synced]:
    """All that is synced meanwhile, and really is."""
    found: Synced = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        path = Path(f"/proc/self/fd/{handle}").resolve()
        found.append((path, sorted(os.listdir(path)) if path.is_dir() else []))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted)
        yield found
