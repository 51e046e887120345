"""How long does a timeline take, over the wire, and how many posts are scored for it?

    python -m benchmarks.timeline --posts 100000 --viewers 10000 --bundle

A simulated network of a week is folded into a snapshot, and a real server starts on it, without the embedder.
One client asks for the first page of random viewers. `--bundle` asks with the prior first, then with 12 heads
of 100 trees, trained on random rows. Stages are means. Posts scored are counted in a pass of its own.
"""

import itertools
import json as json_lines
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import feedrank
import numpy as np
import typer

from benchmarks import network, scoring
from benchmarks.report import emit
from benchmarks.server import Figures, Server, running
from ranker import features, heads
from ranker.bundle import MANIFEST, Facts, HeadFacts
from training.bundles import forest_from_boosters, save_bundle

BUNDLE = "random"
TREES, LEAVES = 100, 31
COUNTED = 300
_ASKED = 100_000
"""Drawn before the clock runs: a draw is not free."""

_STAGES = "feedrank_stage_seconds_sum "


def prepare(posts: int, viewers: int, seed: int, data: Path, *, trees: int = 0) -> list[str]:
    """A snapshot and a bundle of so many trees a head in a data folder, unless there; the viewers' ids."""
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "network.json"
    wanted = {"posts": posts, "viewers": viewers, "seed": seed}
    world = network.world(posts, viewers, seed)
    if not settings.exists() or json_lines.loads(settings.read_text()) != wanted:
        network.prepare(world, data)
        settings.write_text(json_lines.dumps(wanted))
    if trees and _trees_of(data / "models" / BUNDLE) != trees:
        shutil.rmtree(data / "models" / BUNDLE, ignore_errors=True)
        _save_random_bundle(trees, seed, data / "models")
    return world.user_ids[:viewers]


def _trees_of(folder: Path) -> int:
    """Trees of a head of a bundle; 0 without one."""
    manifest = folder / MANIFEST
    return int(json_lines.loads(manifest.read_text())["heads"][0]["trees"]) if manifest.exists() else 0


def _save_random_bundle(trees: int, seed: int, models: Path) -> None:
    rng = np.random.default_rng(seed)
    task = scoring.of_chance(rng, 1, len(features.NAMES))
    few = scoring.trained(task, scoring.HEADS, trees, LEAVES)
    # Heads beyond those that are trained repeat their trees: what they cost is the same.
    boosters = dict(zip(heads.NAMES, itertools.cycle(few), strict=False))
    facts = Facts(
        version=BUNDLE,
        created_ms=0,
        features=features.NAMES,
        heads=tuple(
            HeadFacts(name=name, examples=scoring.TRAINED_ON, positives=0, trees=trees)
            for name in heads.NAMES
        ),
        from_ms=0,
        to_ms=0,
        seed=seed,
        metrics={},
        data_licence="none: random numbers",
    )
    save_bundle(models, forest_from_boosters(boosters), facts)


def measure(client: feedrank.Client, server: Server, viewers: Iterator[str], seconds: float) -> Figures:
    """Milliseconds of first pages, one after the other, and where the time went."""
    before, times = server.metrics(), []
    began = time.perf_counter()
    while (asked := time.perf_counter()) - began < seconds:
        client.timeline(next(viewers), size=20)
        times.append(time.perf_counter() - asked)
    after = server.metrics()
    stages = {
        f"{name.removeprefix(_STAGES)}_ms": 1000 * (after[name] - before.get(name, 0.0)) / len(times)
        for name in after
        if name.startswith(_STAGES)
    }
    p50, p95, p99 = np.percentile(np.array(times) * 1000, (50, 95, 99)).tolist()
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "requests": len(times),
        "requests_per_second": len(times) / sum(times),
        **stages,
    }


def count(client: feedrank.Client, server: Server, viewers: Iterator[str]) -> Figures:
    """Posts that sources brought, with repeats, and posts that were scored."""
    found, scored = [], []
    before = server.metrics()
    for _ in range(COUNTED):
        client.timeline(next(viewers), size=20)
        after = server.metrics()
        found.append(sum(after[k] - before.get(k, 0.0) for k in after if "_candidates_total" in k))
        scored.append(after["feedrank_scored_posts_sum"] - before["feedrank_scored_posts_sum"])
        before = after
    return {
        "found_mean": float(np.mean(found)),
        "scored_mean": float(np.mean(scored)),
        "scored_min": min(scored),
        "scored_under_500_share": float(np.mean(np.array(scored) < 500)),
    }


def compare(
    data: Path,
    posts: int,
    viewer_ids: list[str],
    seed: int,
    warm_up_s: float,
    seconds: float,
    versions: list[str],
) -> Figures:
    """The figures of each version of the model, named for it."""
    rng = np.random.default_rng(seed)
    order = rng.integers(len(viewer_ids), size=_ASKED)
    viewers = itertools.cycle([viewer_ids[at] for at in order.tolist()])
    result: Figures = {}
    with running(data, posts) as server, feedrank.Client(server.address) as client:
        result["start_s"] = server.start_s
        for version in versions:
            client.activate_model(version)
            _wait_for_compaction(server)
            measure(client, server, viewers, warm_up_s)
            figures = measure(client, server, viewers, seconds) | count(client, server, viewers)
            result |= {f"{version}_{name}": value for name, value in figures.items()}
        result["resident_mb"] = server.resident_mb
    return result


def _wait_for_compaction(server: Server) -> None:
    """After a start, slices are compressed in the background."""
    while server.metrics()["feedrank_compaction_due"]:
        time.sleep(0.2)


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 100_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="Time measured, for each model.")] = 30.0,
    warm_up_s: Annotated[float, typer.Option(help="Time before it, for each model.")] = 15.0,
    bundle: Annotated[bool, typer.Option("--bundle", help="Also with a trained bundle.")] = False,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network and the order of viewers.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure timelines over the wire, such as `python -m benchmarks.timeline --bundle`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        viewer_ids = prepare(posts, viewers, seed, folder, trees=TREES if bundle else 0)
        versions = ["prior", *([BUNDLE] if bundle else [])]
        figures = compare(folder, posts, viewer_ids, seed, warm_up_s, seconds, versions)
    result: dict[str, Any] = {"posts": posts, "viewers": viewers, "seed": seed, **figures}
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
