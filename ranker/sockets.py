"""Where private Unix sockets lie."""

import tempfile
from hashlib import blake2b
from pathlib import Path

_MOST_BYTES = 100
"""A socket's path may have about a hundred bytes."""


def private_socket(folder: Path, name: str) -> Path:
    """A socket in a folder; where that path is too long, in the temporary folder under its hash."""
    inside = folder.resolve() / name
    if len(str(inside).encode()) <= _MOST_BYTES:
        return inside
    digest = blake2b(str(inside).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"feedrank-{digest}-{name}"
