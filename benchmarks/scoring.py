"""How fast are the heads scored, compared with LightGBM's own predict, and are the scores the same?

    python -m benchmarks.scoring --rows 512

Twice: trees that learned from random columns with missing values, and the trees of a bundle that learned from
the feature rows of a simulated network, and that score rows of its last day. Both sides score the same
float32 rows on one thread, in turns, so that other work on the machine slows both; a time is the least of
many. Ten heads in one call are compared with one, and the load of a bundle of ten heads of 300 trees, with
its check and its first score, is timed.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import lightgbm
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from ranker.bundle import Facts, HeadFacts, load
from ranker.heads import NAMES
from ranker.state import State
from ranker.tree_kernel import raw_scores
from ranker.tree_steps import steps_of
from ranker.trees import Forest
from training.bundles import forest_from_boosters, save_bundle
from training.histories import of_rows
from training.playground.world import World
from training.replay import Replay

Rows = NDArray[np.float32]
Labels = NDArray[np.bool_]

TRAINED_ON = 8_000
HEADS = 10
DIMENSION = 32
READY_REPEATS = 5


class Task(NamedTuple):
    """What heads learn from, and the rows that they score."""

    examples: Rows
    labels: Labels
    """(examples, heads)."""
    scored: Rows


def of_chance(rng: np.random.Generator, rows: int, width: int) -> Task:
    """Normal values, one in twenty missing; each head's label is drawn from a quarter of the columns."""
    values = rng.standard_normal((TRAINED_ON + rows, width), np.float32)
    signal = values[:, : max(1, width // 4)].sum(axis=1, keepdims=True)
    labels = signal + rng.standard_normal((len(values), HEADS)) > 0
    values[rng.random(values.shape) < 0.05] = np.nan
    return Task(values[:TRAINED_ON], labels[:TRAINED_ON], values[TRAINED_ON:])


def of_a_network(seed: int, rows: int) -> Task:
    """Impressions of a simulated network as they were served; the last are scored, again where they are few.

    The heads are the most frequent ones.
    """
    world = World(seed=seed, authors=60, viewers=60, post_count=2_000, days=4, vector_dimension=DIMENSION)
    replay = Replay(State(DIMENSION))
    replay.run(of_rows(world.rows()))
    examples = replay.examples()
    often = np.sort(np.argsort(-examples.labels.sum(axis=0), kind="stable")[:HEADS])
    earlier = len(examples) * 3 // 4
    scored = np.resize(examples.features[earlier:], (rows, examples.features.shape[1]))
    return Task(examples.features[:earlier], examples.labels[:earlier][:, often] > 0, scored)


def trained(task: Task, heads: int, trees: int, leaves: int) -> list[lightgbm.Booster]:
    """A booster for each of the first heads."""
    settings = {"objective": "binary", "num_leaves": leaves, "num_threads": 1, "seed": 1, "verbose": -1}
    settings |= {"learning_rate": 0.04}
    columns = lightgbm.Dataset(task.examples, params=settings).construct()
    return [lightgbm.train(settings, columns.set_label(task.labels[:, head]), trees) for head in range(heads)]


def cut(booster: lightgbm.Booster, trees: int) -> lightgbm.Booster:
    """Its first trees."""
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=trees))


def forest_of(boosters: Sequence[lightgbm.Booster]) -> Forest:
    """One forest whose heads are named as the server's are."""
    return forest_from_boosters(dict(zip(NAMES, boosters, strict=False)))


def least_seconds(repeats: int, *calls: Callable[[], object]) -> list[float]:
    """The shortest duration of each call, made in turns."""
    least = [np.inf] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            began = time.perf_counter()
            call()
            least[i] = min(least[i], time.perf_counter() - began)
    return least


def compare(boosters: Sequence[lightgbm.Booster], rows: Rows, repeats: int) -> dict[str, float]:
    """The kernel and LightGBM on the first head, and the kernel on all heads."""
    one, all_heads = steps_of(forest_of(boosters[:1])), steps_of(forest_of(boosters))

    def predict() -> NDArray[Any]:
        return np.asarray(boosters[0].predict(rows, raw_score=True, num_threads=1))

    expected, found = predict(), raw_scores(one, rows)[:, 0]
    ours, theirs, all_ours = least_seconds(
        repeats, lambda: raw_scores(one, rows), predict, lambda: raw_scores(all_heads, rows)
    )
    return {
        "kernel_ms": 1000 * ours,
        "lightgbm_ms": 1000 * theirs,
        "speedup": theirs / ours,
        "difference": float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300))),
        "ten_heads_over_one": all_ours / ours,
        "leaves_a_tree": 1 + float(np.mean(np.diff(one.tree_nodes))),
    }


def ready_seconds(boosters: Sequence[lightgbm.Booster], width: int) -> float:
    """The least time from a bundle's folder to its first score, in a process that has scored before."""
    forest, names = forest_of(boosters), [f"f{i}" for i in range(width)]
    facts = Facts(
        version="scored",
        created_ms=0,
        features=tuple(names),
        heads=tuple(HeadFacts(name=head, examples=0, positives=0) for head in forest.heads),
        from_ms=0,
        to_ms=0,
        seed=0,
        metrics={},
        data_licence="CC0-1.0",
    )
    with tempfile.TemporaryDirectory() as models:
        folder = save_bundle(Path(models), forest, facts)
        return least_seconds(READY_REPEATS, lambda: load(folder, names, NAMES))[0]


def main(
    rows: Annotated[int, typer.Option(help="Rows scored in one call.")] = 512,
    features: Annotated[int, typer.Option(help="Columns of a random row; real rows have the server's.")] = 48,
    trees: Annotated[int, typer.Option(help="Trees of a head.")] = 200,
    leaves: Annotated[int, typer.Option(help="Leaves of a tree, at most.")] = 31,
    repeats: Annotated[int, typer.Option(help="Calls of each side.")] = 101,
    bundle_trees: Annotated[int, typer.Option(help="Trees of a head of the bundle that is loaded.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the rows, the labels and the network.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure the scoring of heads, such as `python -m benchmarks.scoring --rows 512`."""
    tasks = {
        "random": of_chance(np.random.default_rng(seed), rows, features),
        "real": of_a_network(seed, rows),
    }
    result: dict[str, Any] = {"rows": rows, "trees": trees, "leaves": leaves, "seed": seed}
    worst = 0.0
    for kind, task in tasks.items():
        boosters = trained(task, HEADS, max(trees, bundle_trees), leaves)
        figures = compare([cut(booster, trees) for booster in boosters], task.scored, repeats)
        figures["ready_ms"] = 1000 * ready_seconds(
            [cut(booster, bundle_trees) for booster in boosters], task.scored.shape[1]
        )
        worst = max(worst, figures.pop("difference"))
        result[f"speedup_over_lightgbm_{kind}"] = figures.pop("speedup")
        result |= {f"{kind}_{name}": value for name, value in figures.items()}
        result[f"{kind}_features"] = task.scored.shape[1]
    result["max_relative_difference"] = worst
    result["ten_heads_over_one"] = max(result[f"{kind}_ten_heads_over_one"] for kind in tasks)
    result["ready_ms"] = max(result[f"{kind}_ready_ms"] for kind in tasks)
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
