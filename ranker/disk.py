"""The disk: small files that are there whole or not at all, whatever ends the process; hashes of files."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes, mode: int = 0o644, *, anew: bool = True) -> None:
    """Put a file on disk in one step. Where it is there and not to be written `anew`, it stays as it is."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.chmod(name, mode)
        if anew:
            os.replace(name, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
        sync(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Put a file's content on disk, or a folder's names: a rename is safe only then."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
