"""Where private Unix sockets lie."""

import os
import tempfile
from hashlib import blake2b
from pathlib import Path
from stat import S_ISDIR

from ranker.errors import SettingsError

_MOST_BYTES = 100
"""A socket's path may have about a hundred bytes."""


def private_socket(folder: Path, name: str) -> Path:
    """A socket in a folder; where that path is too long, in a private one of the temporary folder's.

    Raises SettingsError where somebody else has that one: others could answer, or ask, in our place.
    """
    inside = folder.resolve() / name
    if len(str(inside).encode()) <= _MOST_BYTES:
        return inside
    digest = blake2b(str(inside).encode(), digest_size=8).hexdigest()
    short = Path(tempfile.gettempdir()) / f"feedrank-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    facts = short.lstat()
    if not S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise SettingsError(f"others can use {short}: remove it, or choose a shorter path with --data")
    return short / name
