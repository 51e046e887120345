"""Fuzzes what takes bytes from outside: calls, journal entries, files, settings, the embedder's link.

    python -m tests.fuzz --inputs 1000000 --seed 1
    python -m tests.fuzz --surface rpc --inputs 100000 --json
    python -m tests.fuzz --surface rpc --seed 1 --only 4711
    python -m tests.fuzz --surface rpc --replay tests/fuzz/found/rpc-4711.json

A seed and a number make one input; what broke is kept as a small file. Exits with 1 when anything broke.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.runner import Report, drawn, fuzz, hush
from tests.fuzz.surface import load
from tests.fuzz.surfaces import SURFACES

_MEMORY = 1.10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    asked = _parser().parse_args(arguments)
    hush()
    names = [asked.surface] if asked.surface else list(SURFACES)
    if asked.replay or asked.only is not None:
        return _one(asked)
    total = sum(SURFACES[name].share for name in names)
    reports = []
    for name in names:
        count = max(round(asked.inputs * SURFACES[name].share / total), 1)
        numbers = range(asked.first, asked.first + count)
        reports.append(
            fuzz(
                SURFACES[name].make(), name, seed=asked.seed, numbers=numbers, corpus=asked.corpus, tell=_tell
            )
        )
        _tell(reports[-1], count)
    wrong = [line for one in reports for line in (*one.findings, *_grown(one))]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    if asked.json:
        rows = [one.tell() for one in reports]
        sys.stdout.write(json.dumps({"seed": asked.seed, "surfaces": rows, "wrong": wrong}) + "\n")
    return 1 if wrong else 0


def _one(asked: argparse.Namespace) -> int:
    """One input alone, by its file or its number."""
    with SURFACES[asked.surface].make() as surface:
        given = load(asked.replay) if asked.replay else drawn(surface, asked.surface, asked.seed, asked.only)
        for step in given:
            sys.stdout.write(f"{step.name}\t{len(step.content)} bytes\t{step.content[:2_000]!r}\n")
        sys.stdout.write(f"{surface.run(given)}\n")
        surface.settle()
    return 0


def _grown(report: Report) -> list[str]:
    if report.inputs < 20_000 or report.end_mib <= _MEMORY * report.start_mib:
        return []
    return [f"{report.surface}: memory grew from {report.start_mib:.0f} to {report.end_mib:.0f} MiB"]


def _tell(report: Report, total: int) -> None:
    per_s = report.inputs / max(report.seconds, 1e-9)
    sys.stderr.write(
        f"{report.surface}: {report.inputs:,} of {total:,} inputs, {per_s:,.0f}/s, "
        f"{len(report.findings)} findings, slowest {1e3 * report.slowest_s:.0f} ms\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Fuzz what takes bytes from outside.",
        epilog="Example: python -m tests.fuzz --inputs 1000000 --seed 1",
    )
    add = parser.add_argument
    add("--inputs", type=int, default=10_000, help="over all surfaces, by their shares")
    add("--seed", type=int, default=1, help="of all inputs; with a number it makes one again")
    add("--surface", choices=list(SURFACES), help="this one only")
    add("--first", type=int, default=0, help="the number of the first input")
    add("--only", type=int, help="the input of this number only, with --surface")
    add("--replay", type=Path, help="an input that was kept, with --surface")
    add("--corpus", type=Path, default=Path("fuzz-found"), help="where to keep what broke")
    add("--json", action="store_true", help="print what came of it as one line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
