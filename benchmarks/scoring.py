"""How fast are the heads scored, compared with LightGBM's own predict, and are the scores the same?

    python -m benchmarks.scoring --rows 512

The heads are trained on random columns with missing values, so their trees have the full number of leaves.
Both sides score the same float32 rows on one thread, in turns; milliseconds are medians.
"""

import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

import lightgbm
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from ranker.trees import raw_scores
from training.bundles import forest_from_boosters

Rows = NDArray[np.float32]

TRAINED_ON = 20_000
SHAPES = {"1_head_200_trees": (1, 200), "10_heads_100_trees": (10, 100)}


def table(rng: np.random.Generator, rows: int, features: int) -> Rows:
    """Normal values, one in twenty missing."""
    values = rng.standard_normal((rows, features), np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


def trained(rng: np.random.Generator, rows: Rows, trees: int, leaves: int) -> lightgbm.Booster:
    """One head, whose label depends on a quarter of the columns and on chance."""
    signal = np.nan_to_num(rows[:, : max(1, rows.shape[1] // 4)]).sum(axis=1)
    labels = signal + rng.standard_normal(len(rows)) > 0
    settings = {"objective": "binary", "num_leaves": leaves, "num_threads": 1, "seed": 1, "verbose": -1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, labels), trees)


def seconds(score: Callable[[], object]) -> float:
    """Duration of one call."""
    began = time.perf_counter()
    score()
    return time.perf_counter() - began


def compare(boosters: list[lightgbm.Booster], rows: Rows, repeats: int) -> dict[str, float]:
    """Medians of both sides, their ratio, and the largest relative difference of a score."""

    def predict() -> NDArray[Any]:
        return np.stack([head.predict(rows, raw_score=True, num_threads=1) for head in boosters], axis=1)

    forest = forest_from_boosters({f"head{i}": head for i, head in enumerate(boosters)})
    expected, found = predict(), raw_scores(forest, rows)
    times = [(seconds(lambda: raw_scores(forest, rows)), seconds(predict)) for _ in range(repeats)]
    ours, theirs = (1000 * statistics.median(side) for side in zip(*times, strict=True))
    difference = float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)))
    return {
        "kernel_ms": ours,
        "lightgbm_ms": theirs,
        "lightgbm_to_kernel": theirs / ours,
        "max_relative_difference": difference,
    }


def main(
    rows: Annotated[int, typer.Option(help="Rows scored in one call.")] = 512,
    features: Annotated[int, typer.Option(help="Columns of a row.")] = 48,
    leaves: Annotated[int, typer.Option(help="Leaves of a tree.")] = 31,
    repeats: Annotated[int, typer.Option(help="Calls that the medians are taken over.")] = 51,
    seed: Annotated[int, typer.Option(help="Of the rows and labels.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure the scoring of heads, such as `python -m benchmarks.scoring --rows 512`."""
    rng = np.random.default_rng(seed)
    examples, scored = table(rng, TRAINED_ON, features), table(rng, rows, features)
    result: dict[str, Any] = {"rows": rows, "features": features, "leaves": leaves, "seed": seed}
    for shape, (heads, trees) in SHAPES.items():
        boosters = [trained(rng, examples, trees, leaves) for _ in range(heads)]
        figures = compare(boosters, scored, repeats)
        result |= {f"{shape}_{name}": value for name, value in figures.items()}
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
