"""How fast are examples read, and in how much memory?

    python -m benchmarks.examples --rows 1000000

Beside the plain way: all files as one Arrow table, then its feature columns as one matrix. Each way has a
process of its own; its memory is the peak (of Linux) less what it took before, as a multiple of the feature
matrix.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from json import loads
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer

from benchmarks.report import emit
from ranker import features, heads
from training import example_files
from training.examples import About, Examples, ExampleSet, Posts, not_logged

_DIMENSION = 384


def examples(rows: int, posts: int, seed: int) -> ExampleSet:
    """Examples drawn at random."""
    random = np.random.default_rng(seed)
    numbers = {name: random.integers(0, posts, rows, np.int32) for name in ("viewer", "post", "request")}
    vector = random.standard_normal((posts, _DIMENSION)).astype(np.float16)
    return ExampleSet(
        Examples(
            **numbers | not_logged(rows),
            features=random.standard_normal((rows, len(features.NAMES)), np.float32),
            group=np.arange(rows, dtype=np.int32) // 20,
            time_ms=np.arange(rows),
            place=np.arange(rows, dtype=np.int32) % 20,
            surface=np.ones(rows, np.int8),
            labels=(random.random((rows, len(heads.NAMES))) < 0.05).astype(np.uint8),
            weight=np.ones(rows, np.float32),
        ),
        Posts(
            ids=np.array([f"post-{number}" for number in range(posts)], np.object_),
            author=np.zeros(posts, np.int32),
            language=np.zeros(posts, np.int32),
            created_ms=np.zeros(posts, np.int64),
            vector=vector,
            languages=("en",),
        ),
        About(made_by="a benchmark"),
    )


def _whole(folder: Path) -> Any:
    """All at once."""
    table = pq.read_table(sorted(folder.glob("examples-*.parquet")))
    return table, np.column_stack([table[f"feature.{name}"].to_numpy() for name in features.NAMES])


_WAYS: dict[str, Callable[[Path], Any]] = {"by_row_groups": example_files.read, "whole": _whole}


def _measured(way: str, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of reading, in this process."""
    before, start = _peak_bytes(), time.perf_counter()
    kept = _WAYS[way](folder)
    seconds = time.perf_counter() - start
    del kept
    return {"s": seconds, "bytes": _peak_bytes() - before}


def _peak_bytes() -> int:
    """Of this process alone: what getrusage tells begins with the parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def compare(folder: Path, rows: int) -> dict[str, float]:
    """Each way in a process of its own."""
    figures = {}
    for way in _WAYS:
        code = "import json, pathlib; from benchmarks.examples import _measured; "
        code += f"print(json.dumps(_measured({way!r}, pathlib.Path({str(folder)!r}))))"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        measured = loads(said.stdout)
        figures[f"{way}_s"] = measured["s"]
        figures[f"{way}_memory"] = measured["bytes"] / (4 * rows * len(features.NAMES))
    return figures | {"memory_ratio": figures["by_row_groups_memory"] / figures["whole_memory"]}


def main(
    rows: Annotated[int, typer.Option(min=1, help="Examples.")] = 1_000_000,
    posts: Annotated[int, typer.Option(min=1, help="Posts that they are about.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure reading, such as `python -m benchmarks.examples --rows 100000`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "examples"
        drawn = examples(rows, posts, seed)
        start = time.perf_counter()
        example_files.write(folder, drawn)
        written_s = time.perf_counter() - start
        figures = compare(folder, rows)
    emit({"rows": rows, "features": len(features.NAMES), "seed": seed, "write_s": written_s, **figures}, json)


if __name__ == "__main__":
    typer.run(main)
