"""Small files that are there whole or not at all, whatever ends the process."""

import contextlib
import os
import tempfile
from pathlib import Path

from ranker.archive import sync


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
