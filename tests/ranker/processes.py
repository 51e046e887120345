"""Valkey servers as processes."""

import os
import signal
from pathlib import Path

import psutil


def valkeys(folder: Path) -> list[int]:
    """The process ids of the servers that work in a folder."""
    found = []
    psutil.process_iter.cache_clear()  # else one that was met between fork and exec keeps its first name
    for process in psutil.process_iter(["cwd", "exe"]):
        program = Path(process.info["exe"] or "").name
        if process.info["cwd"] == str(folder) and ("valkey" in program or "redis" in program):
            found.append(process.pid)
    return found


def kill_valkey(folder: Path) -> None:
    """End the servers of a folder as a crash would."""
    for pid in valkeys(folder):
        os.kill(pid, signal.SIGKILL)
