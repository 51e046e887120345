"""Simulated histories of the whole service: seeded, on a virtual clock, with everything that can go wrong.

Example: python -m tests.simulation --histories 10000 --processes 2
Example: python -m tests.simulation --seed 123 --trace

A history that breaks an invariant is printed with its seed and its last steps, and the command exits with 1.
The same seed is the same history on every machine. `--json` prints one line at the end.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.simulation.world import STEPS, Told, Violation, run

Outcome = tuple[int, Told | None, str]
"""A seed, what its history came to, and what is wrong with it; empty for nothing."""


def main() -> int:
    options = _options()
    if options.seed is not None:
        return _one(options.seed, options.steps, trace=options.trace)
    began, met, broken = time.perf_counter(), Counter[str](), []
    seeds = range(options.first, options.first + options.histories)
    for done, (seed, told, wrong) in enumerate(_outcomes(seeds, options.steps, options.processes), 1):
        if told is None:
            broken.append(seed)
            print(f"\n{wrong}\n", flush=True)
        else:
            met += told.met
        if done % 50 == 0 or done == len(seeds):
            _progress(done, len(seeds), broken, began)
    seconds = time.perf_counter() - began
    found = {"histories": len(seeds), "broken": broken, "seconds": round(seconds, 1), "met": dict(met)}
    print(json.dumps(found) if options.json else _table(found))
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, help="live one history again")
    parser.add_argument("--trace", action="store_true", help="print every step of it")
    parser.add_argument("--histories", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each history")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line at the end")
    return parser.parse_args()


def _one(seed: int, steps: int, *, trace: bool) -> int:
    try:
        told = run(seed, steps)
        lines, said = told.lines, f"seed {seed}: sound, digest {told.digest}"
    except Violation as violation:
        told, lines, said = None, violation.lines, str(violation)
    print("\n".join([*lines, said] if trace else [said]))
    return 0 if told else 1


def _outcomes(seeds: range, steps: int, processes: int) -> Iterator[Outcome]:
    tasks = [(seed, steps) for seed in seeds]
    if processes == 1:
        yield from map(_outcome, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_outcome, tasks, chunksize=5)


def _outcome(task: tuple[int, int]) -> Outcome:
    seed, steps = task
    try:
        return seed, run(seed, steps), ""
    except Violation as violation:
        return seed, None, str(violation)


def _progress(done: int, total: int, broken: list[int], began: float) -> None:
    each = (time.perf_counter() - began) / done
    left = f"{each * (total - done):.0f} s left"
    print(
        f"{done:,} of {total:,} histories, {len(broken)} broken, {each:.3f} s each, {left}", file=sys.stderr
    )


def _table(found: dict[str, object]) -> str:
    met = found["met"]
    assert isinstance(met, dict)
    rows = "\n".join(f"  {name:<16} {count:>12,}" for name, count in sorted(met.items()))
    return f"{found['histories']:,} histories in {found['seconds']} s, broken: {found['broken']}\n{rows}"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
