"""How long does training take, how much memory, and are its probabilities calibrated?

    python -m benchmarks.training

Examples that can be learned from are written as Parquet in parts, then a process of its own reads and
trains on them; its time and its peak of memory are measured, reading included. Each head's log odds are a
rising function of a few columns; half of the columns are noise; one value in twenty is missing.
"""

import json as json_format
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.report import emit
from ranker import features
from ranker.heads import NAMES
from training import example_files
from training.examples import About, Examples, ExampleSet, Posts, not_logged
from training.train import Knobs, fit

PAGE = 20
RATES = (0.12, 0.1, 0.05, 0.02, 0.02, 0.02, 0.015, 0.01, 0.02, 0.02, 0.01, 0.01)


def made_up(rows: int, columns: int, heads: int, seed: int) -> ExampleSet:
    """Examples with so many filled columns of the features and so many heads with labels."""
    random = np.random.default_rng(seed)
    matrix = np.full((rows, len(features.NAMES)), np.nan, np.float32)
    matrix[:, :columns] = random.standard_normal((rows, columns), np.float32)
    labels = np.zeros((rows, len(NAMES)), np.uint8)
    place = (np.arange(rows) % PAGE).astype(np.int32)
    for head in range(heads):
        drawn = random.choice(columns // 2, 6, replace=False)
        pull = np.tanh(matrix[:, drawn]) @ random.uniform(-1, 1, 6).astype(np.float32)
        pull += 0.7 * matrix[:, drawn[0]] * (matrix[:, drawn[1]] > 0) - 0.03 * place
        odds = np.log(RATES[head] / (1 - RATES[head])) + pull
        labels[:, head] = random.random(rows) < 1 / (1 + np.exp(-odds))
    for start in range(0, rows, 100_000):
        part = matrix[start : start + 100_000, :columns]
        part[random.random(part.shape, np.float32) < 0.05] = np.nan
    group = (np.arange(rows) // PAGE).astype(np.int32)
    numbers = {name: random.integers(0, 10_000, rows, np.int32) for name in ("viewer", "request")}
    examples = Examples(
        features=matrix,
        **numbers,
        post=np.zeros(rows, np.int32),
        group=group,
        time_ms=1_790_000_000_000 + group.astype(np.int64) * 1_000,
        place=place,
        surface=np.ones(rows, np.int8),
        **not_logged(rows),
        labels=labels,
        weight=np.ones(rows, np.float32),
    )
    return ExampleSet(examples, _one_post(), About(made_by="benchmarks.training", licence="CC0-1.0"))


def _one_post() -> Posts:
    number = np.zeros(1, np.int32)
    vector, ids = np.zeros((1, 4), np.float16), np.array(["post"], object)
    return Posts(
        ids=ids,
        author=number,
        language=number,
        created_ms=number.astype(np.int64),
        vector=vector,
        languages=("en",),
    )


def measure(folder: Path, threads: int, seed: int) -> dict[str, Any]:
    """Read examples and train on them, in this process."""
    began = time.perf_counter()
    examples = example_files.read(folder).examples
    read = time.perf_counter()
    trained = fit(examples, Knobs(threads=threads, seed=seed), lambda done: print(done, file=sys.stderr))  # noqa: T201
    usage = resource.getrusage(resource.RUSAGE_SELF)
    errors = [head.metrics["calibration_error"] for head in trained.heads.values()]
    aucs = [head.metrics["auc"] for head in trained.heads.values()]
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "read_seconds": read - began,
        "peak_gib": usage.ru_maxrss / 2**20,
        "examples": len(examples),
        "heads": len(trained.heads),
        "trees": sum(head.facts.trees for head in trained.heads.values()),
        "mean_auc": float(np.mean(aucs)),
        "worst_calibration_error": float(max(errors)),
    }


def main(
    examples: Annotated[int, typer.Option(help="Rows.")] = 1_000_000,
    columns: Annotated[int, typer.Option("--features", help="Columns that hold values.")] = 60,
    heads: Annotated[int, typer.Option(help="Heads with labels.")] = 10,
    threads: Annotated[int, typer.Option(help="Heads trained at once.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the examples and the training.")] = 1,
    read: Annotated[Path | None, typer.Option(hidden=True)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure a training, such as `python -m benchmarks.training --examples 100000`."""
    if read is not None:
        print(json_format.dumps(measure(read, threads, seed)))  # noqa: T201
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "examples"
        example_files.write(folder, made_up(examples, columns, heads, seed))
        asked = ("--read", str(folder), "--threads", str(threads), "--seed", str(seed))
        command = [sys.executable, "-m", "benchmarks.training", *asked]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    emit({**json_format.loads(done.stdout), "features": columns, "threads": threads, "seed": seed}, json)


if __name__ == "__main__":
    typer.run(main)
