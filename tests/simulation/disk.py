"""A disk that tears: real files in a folder, and what a crash makes of those that nobody put on disk.

The rules are those of POSIX, read strictly: a file's content is safe after its fsync, a name (made, moved or
removed) after the fsync of its folder. A kill of the process costs at most the end of the file that was being
written.
"""

import errno
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.simulation.clock import Clock
from tests.simulation.faults import Rates

_SHARE = 0.2
"""Of the calls at which a process may die: a snapshot has hundreds."""

_open, _rename, _unlink, _mkdir = Path.open, Path.rename, Path.unlink, Path.mkdir


class Disk:
    """The folder `data`, and beside it what was removed and may come back."""

    def __init__(
        self, folder: Path, clock: Clock, draw: random.Random, rates: Rates, point: Callable[[str], None]
    ) -> None:
        """`point`: told of each call before it is done; the process may die there."""
        self.data = folder / "data"
        self._removed = folder / "removed"
        _mkdir(self.data, parents=True)
        _mkdir(self._removed)
        self._clock = clock
        self._draw = draw
        self._rates = rates
        self._point = point
        self._safe: dict[int, int] = {}
        """Bytes that are on disk, by inode."""
        self._names: list[tuple[str, Path, Path]] = []
        """Names that no fsync of a folder has made safe: what was done, the name, the one before."""
        self._last: Path | None = None
        """The file that was opened for writing last."""
        self._files: dict[Path, Any] = {}
        """Those that were opened for writing."""
        self.broken = True
        """Whether calls may fail: not while a history is judged."""
        self.full = False
        """Whether nothing more can be written, until somebody makes room."""

    @contextmanager
    def spinning(self) -> Iterator[None]:  # noqa: C901 - one small function for each call
        """Calls of this process to files below the folder go through here."""
        disk = self

        def opened(path: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
            if disk._is_ours(path) and mode[0] in "wxa":
                disk._call("open", path)
                if not path.exists():
                    disk._names.append(("made", path, path))
                disk._last = path
                file = _open(path, mode, *args, **more)
                disk._files[path] = file
                if mode[0] in "wx":
                    disk._safe.pop(os.fstat(file.fileno()).st_ino, None)
                return file
            return _open(path, mode, *args, **more)

        def renamed(path: Path, target: Path) -> Path:
            if disk._is_ours(path):
                disk._call("rename", path)
                disk._names.append(("moved", Path(target), path))
            return _rename(path, target)

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            if disk._is_ours(path) and path.exists():
                disk._call("unlink", path)
                kept = disk._removed / f"{len(disk._names)}-{path.name}"
                os.replace(path, kept)
                disk._names.append(("removed", path, kept))
            else:
                _unlink(path, missing_ok)

        def made(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            if disk._is_ours(path) and not path.exists():
                disk._call("mkdir", path)
                disk._names.append(("made", path, path))
            _mkdir(path, mode, parents, exist_ok)

        with (
            patch.object(pathlib.Path, "open", opened),
            patch.object(pathlib.Path, "rename", renamed),
            patch.object(pathlib.Path, "unlink", unlinked),
            patch.object(pathlib.Path, "mkdir", made),
            patch.object(os, "fsync", self._fsync),
        ):
            yield

    def close(self, kept: Collection[Path] = ()) -> None:
        """The files of processes that are gone are closed."""
        for path in [path for path in self._files if path not in kept]:
            self._files.pop(path).close()

    def kill(self) -> None:
        """The process is gone: what it was writing may end anywhere."""
        if self._last is not None and self._last.is_file() and self._draw.random() < 0.5:
            self._tear(self._last)
        self._last = None

    def lose_power(self) -> None:
        """The machine is gone: of what was not put on disk each part may be there or not."""
        for what, path, before in reversed(self._names):
            if self._draw.random() < 0.5:
                self._undo(what, path, before)
        self._names.clear()
        for path in sorted(self.data.rglob("*")):
            if path.is_file():
                self._tear(path)
                status = path.stat()
                self._safe[status.st_ino] = status.st_size
        self._last = None

    def _undo(self, what: str, path: Path, before: Path) -> None:
        if what == "made" and path.is_dir():
            shutil.rmtree(path)
        elif what == "made" and path.exists():
            _unlink(path)
        elif what == "moved" and path.exists() and not before.exists() and before.parent.is_dir():
            _rename(path, before)
        elif what == "removed" and before.exists() and not path.exists() and path.parent.is_dir():
            os.replace(before, path)

    def _tear(self, path: Path) -> None:
        """Cut what was not put on disk, or leave zeros in its place."""
        status = path.stat()
        safe = self._safe.get(status.st_ino, 0)
        if status.st_size <= safe:
            return
        cut = self._draw.randint(safe, status.st_size)
        zeros = self._draw.random() < 0.3
        os.truncate(path, cut)
        if zeros:
            os.truncate(path, status.st_size)

    def _is_ours(self, path: Path) -> bool:
        return str(path).startswith(str(self.data))

    def _call(self, what: str, path: Path) -> None:
        """One call of the disk: it may be slow, or fail, or be the last."""
        if not self.broken:
            return
        if self._draw.random() < _SHARE:
            self._point(f"{what} {path.name[-24:] if path.suffix else path.name}")
        if self._draw.random() < self._rates.slow:
            self._clock.pass_s(self._draw.uniform(0.1, 20))
        if what != "unlink" and (self.full or self._draw.random() < self._rates.full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _fsync(self, handle: int) -> None:
        """Nothing is really put on disk, which takes time; it is only noted that it would be."""
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if not self._is_ours(path):
            return
        self._call("fsync", path)
        if path.is_dir():
            self._names = [one for one in self._names if path not in (one[1].parent, one[2].parent)]
        else:
            status = os.fstat(handle)
            self._safe[status.st_ino] = status.st_size
