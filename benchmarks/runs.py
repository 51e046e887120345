"""Runs of benchmarks, each in a process of its own: what one does to memory or threads hurts no other."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.report import environment
from benchmarks.results import Measured, Results
from benchmarks.suite import DATA, Benchmark
from ranker.errors import InvalidArgument

_PATIENCE_S = 7_200
_LAST_WORDS = 600


def run(
    benchmarks: Sequence[Benchmark],
    *,
    quick: bool,
    repeats: int,
    out: Path,
    data: Path | None = None,
    add: bool = False,
    tell: Callable[[str], None],
) -> Results:
    """Run each so many times, in turns, so that a slow hour hurts all alike; saved after each run.

    One that fails is noted and does not stop the others, and is not tried again. Networks stay in the
    folder `data`, if one is given, for the next time. `add`: to what the file holds of others; raises
    InvalidArgument when that is of another machine.
    """
    results = Results(environment())
    if add:
        results.measured = _measured_here(out, results)
    for one in benchmarks:
        results.measured[one.name] = Measured(one.question, list(one.quick if quick else one.options))
    with tempfile.TemporaryDirectory(prefix="feedrank-bench-") as temporary:
        shared = str(data or temporary)
        for turn in range(repeats):
            for number, one in enumerate(benchmarks, 1):
                tell(f"{one.name}: {number} of {len(benchmarks)}, run {turn + 1} of {repeats}")
                measured = results.measured[one.name]
                if not measured.failures:
                    _run_once(one, measured, shared)
                    results.save(out)
    return results


def _measured_here(path: Path, now: Results) -> dict[str, Measured]:
    before = Results.load(path)
    if before.machine != now.machine:
        here = f"this is {now.machine}: name another file"
        raise InvalidArgument("out", f"{path} was measured on {before.machine}, {here}")
    return before.measured


def _run_once(one: Benchmark, measured: Measured, data: str) -> None:
    options = [option.replace(DATA, data) for option in measured.options]
    command = [sys.executable, "-m", f"benchmarks.{one.name}", *options, "--json"]
    began = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=_PATIENCE_S)
        measured.runs.append(json.loads(done.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        measured.failures.append(error.stderr[-_LAST_WORDS:].strip() or f"it exited with {error.returncode}")
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        measured.failures.append(str(error)[-_LAST_WORDS:])
    measured.seconds.append(time.perf_counter() - began)
