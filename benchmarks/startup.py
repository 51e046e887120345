"""How soon does a server serve, on a snapshot of 100,000 posts?

    python -m benchmarks.startup --posts 100000 --viewers 10000

Seconds from the start of the process to the health service's SERVING, without the embedder. The first start
may compile kernels; warm ones find them in Numba's cache.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.report import emit
from benchmarks.server import running
from benchmarks.timeline import prepare


def compare(data: Path, posts: int, repeats: int) -> dict[str, float]:
    """The first start and warm ones."""
    first, *warm = (_start(data, posts) for _ in range(1 + repeats))
    return {
        "first_s": first,
        "warm_median_s": statistics.median(warm),
        "warm_best_s": min(warm),
        "warm_worst_s": max(warm),
    }


def _start(data: Path, posts: int) -> float:
    with running(data, posts) as server:
        return server.start_s


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 100_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 10_000,
    repeats: Annotated[int, typer.Option(help="Warm starts.")] = 3,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure starts, such as `python -m benchmarks.startup --repeats 3`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        prepare(posts, viewers, seed, folder)
        figures = compare(folder, posts, repeats)
    emit({"posts": posts, "viewers": viewers, "seed": seed, **figures}, json)


if __name__ == "__main__":
    typer.run(main)
