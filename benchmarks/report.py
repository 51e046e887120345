"""What every benchmark's result holds beside its figures, and how it is printed."""

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ranker.terminal import print_json


def environment() -> dict[str, str | int]:
    """Where a figure was measured: processor, usable cores, system, Python, commit and date (UTC)."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def emit(result: Mapping[str, Any], json_flag: bool) -> None:
    """Print a flat result with its environment: one JSON line for machines, or a table."""
    full = {**result, "environment": environment()}
    if json_flag:
        print_json(full)
        return
    table = Table("measure", "value")
    for name, value in {**result, **full["environment"]}.items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _processor() -> str:
    """The processor's name, which `platform.processor` leaves empty on Linux."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The checkout's commit, with "+" when files differ from it; "unknown" outside a checkout."""
    described = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
