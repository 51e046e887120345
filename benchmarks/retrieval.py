"""How fast and how complete is vector retrieval from a large index, and does it stay so?

    python -m benchmarks.retrieval --json
    python -m benchmarks.retrieval --posts 100000 --turnovers 1

Posts and queries are drawn from the distribution of real posts (benchmarks/vectors.py). The index is filled,
compacted, and searched: one query for 500 posts, four interests for 120 each in one search, and both with
filters that keep a tenth of the posts. Then each slot gets a new post, oldest first, in 16 steps with
compaction between, as often as `--turnovers` says, and it is searched again. Truth is an exact scan of the
stored half-precision vectors. The alternative in the same run is FAISS's flat index over float32, on one
thread.

The filters: `filtered` keeps posts on one side of a plane, as a language or community lies together in
the space; `scattered` keeps any tenth, as an AI level might; `recent` keeps the newest. `insert_us` is
processor time of adding and compacting, learning included, over all posts that were put. Searches take one
thread. About 5 minutes and 4 GiB for a million posts and three turnovers on an idle machine.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import faiss
import numpy as np
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.report import emit
from benchmarks.vectors import DIMENSION, drawn
from ranker.slice import SliceSettings
from ranker.slices import Found, Slices
from training.commands.shared import progress

Floats = NDArray[np.float32]
Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]
Search = Callable[[Floats, int], Found]

ONE, FOUR = 500, 120
"""Results of a single query, and of each of four interests."""
_QUERIES = 400
_STEPS = 16
_KEPT = 0.1
_BLOCK = 50_000


@dataclass
class Window:
    """A column of vectors and the index over it, filled and moved on by the clock of its own posts."""

    posts: int
    rng: np.random.Generator
    column: NDArray[np.float16] = field(init=False)
    times_ms: NDArray[np.int64] = field(init=False)
    slices: Slices = field(init=False)
    put: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.column = np.zeros((self.posts, DIMENSION), np.float16)
        self.times_ms = np.zeros(self.posts, np.int64)
        self.slices = Slices(DIMENSION, SliceSettings(), lambda: self.column)

    def turn(self) -> None:
        """Give every slot a new post, oldest first."""
        for slots in np.array_split(np.arange(self.posts, dtype=np.int32), _STEPS):
            self.slices.remove(slots)
            for some in np.array_split(slots, -(-len(slots) // _BLOCK)):
                self.column[some] = drawn(self.rng, len(some))
            self.times_ms[slots] = 1000 * (self.put + np.arange(len(slots)))
            began = time.process_time()
            for start in range(0, len(slots), 100):
                some = slots[start : start + 100]
                self.slices.add(some, self.times_ms[some])
            self.slices.compact()
            self.seconds += time.process_time() - began
            self.put += len(slots)

    def best(self, queries: Floats, k: int, kept: Slots) -> Slots:
        """The oracle: the slots (q, k) of the nearest among `kept`, by a scan."""
        scores, slots = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        for start in range(0, len(kept), _BLOCK):
            some = kept[start : start + _BLOCK]
            scores = np.hstack([scores, queries @ self.column[some].astype(np.float32).T])
            slots = np.hstack([slots, np.broadcast_to(some, (len(queries), len(some)))])
            best = np.argsort(-scores, axis=1)[:, :k]
            scores, slots = np.take_along_axis(scores, best, 1), np.take_along_axis(slots, best, 1)
        return slots


def compare(posts: int, turnovers: int, seed: int, tell: Callable[[str], object]) -> dict[str, Any]:
    """All figures, flat."""
    window = Window(posts, np.random.default_rng(seed))
    queries = drawn(window.rng, _QUERIES)
    tell("filling and compacting the index")
    window.turn()
    tell("searching")
    result: dict[str, Any] = {"posts": posts, "turnovers": turnovers, "seed": seed}
    result |= figures(window, queries, "") | dict(filtered(window, queries))
    result["bytes_per_post"] = (window.column.nbytes + window.slices.nbytes) / posts
    for number in range(turnovers):
        tell(f"turnover {number + 1} of {turnovers}")
        window.turn()
    result |= figures(window, queries, "after_turnovers_")
    result["slices"] = len(window.slices.describe())
    result["insert_us"] = 1e6 * window.seconds / window.put
    tell("the flat index")
    return result | flat(window, queries, result)


def figures(window: Window, queries: Floats, when: str) -> dict[str, float]:
    """Speed and recall of one query and of four interests."""
    truth = window.best(queries, ONE, np.arange(window.posts))
    result: dict[str, float] = {}
    for name, size, k in (("one_query", 1, ONE), ("four_interests", 4, FOUR)):
        result |= {
            f"{when}{name}_{key}": at for key, at in paces(window.slices.search, queries, size, k).items()
        }
        found = recall(window.slices.search(queries, k).slots, truth[:, :k])
        result[f"{when}recall_at_{k}" if size == 1 else f"{when}{name}_recall_at_{k}"] = found
    return result


def filtered(window: Window, queries: Floats) -> Iterator[tuple[str, float]]:
    """The same with filters that keep a tenth."""
    rng = np.random.default_rng(window.posts)
    side = window.column @ rng.standard_normal(DIMENSION).astype(np.float16)
    after_ms = int(np.quantile(window.times_ms, 1 - _KEPT))
    masks: dict[str, tuple[Mask, dict[str, Any]]] = {}
    for name, mask in (
        ("filtered", side > np.quantile(side, 1 - _KEPT)),
        ("scattered", rng.random(window.posts) < _KEPT),
    ):
        masks[name] = mask, {"allowed": mask}
    masks["recent"] = window.times_ms >= after_ms, {"after_ms": after_ms}
    asking = queries[:100]
    for name, (mask, options) in masks.items():
        truth = window.best(asking, ONE, np.flatnonzero(mask))
        for task, size, k in (("", 1, ONE), ("_four_interests", 4, FOUR)):

            def search(some: Floats, k: int, options: dict[str, Any] = options) -> Found:
                return window.slices.search(some, k, **options)

            yield f"{name}{task}_recall", recall(search(asking, k).slots, truth[:, :k])
            for key, at in paces(search, asking, size, k).items():
                yield f"{name}{task}_{key}", at


def flat(window: Window, queries: Floats, result: dict[str, Any]) -> dict[str, float]:
    """FAISS's exact scan of float32 vectors, and how many times as long it takes."""
    index: Any = faiss.IndexFlatIP(DIMENSION)
    for start in range(0, window.posts, _BLOCK):
        index.add(window.column[start : start + _BLOCK].astype(np.float32))
    told: dict[str, float] = {}
    for name, size, k in (("one_query", 1, ONE), ("four_interests", 4, FOUR)):
        milliseconds = paces(index.search, queries[:40], size, k)["p50_ms"]
        told[f"flat_{name}_p50_ms"] = milliseconds
        told[f"speedup_over_flat_{name}"] = milliseconds / result[f"{name}_p50_ms"]
    return told


def paces(search: Callable[[Floats, int], object], queries: Floats, size: int, k: int) -> dict[str, float]:
    """Milliseconds of a search with `size` queries: the least, the median and the 99th percentile."""
    search(queries[:size], k)
    times = []
    for start in range(0, len(queries) - size + 1, size):
        began = time.perf_counter()
        search(queries[start : start + size], k)
        times.append(1000 * (time.perf_counter() - began))
    return {
        "least_ms": min(times),
        "p50_ms": float(np.median(times)),
        "p99_ms": float(np.quantile(times, 0.99)),
    }


def recall(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """The mean share of the true results that were found."""
    return float(np.mean([np.isin(true, some).mean() for some, true in zip(found, truth, strict=True)]))


def main(
    posts: Annotated[int, typer.Option(min=2_000, help="Posts in the index.")] = 1_000_000,
    turnovers: Annotated[int, typer.Option(min=0, help="How often all posts are replaced.")] = 3,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure vector retrieval, such as `python -m benchmarks.retrieval --posts 100000 --turnovers 1`."""
    with progress(quiet=json) as tell, threadpool_limits(1):
        result = compare(posts, turnovers, seed, tell)
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
