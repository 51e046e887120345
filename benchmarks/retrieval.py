"""How fast and how complete is vector retrieval, compared with an exact scan?

    python -m benchmarks.retrieval --posts 100000

Vectors are drawn from a mixture of Gaussians on the sphere, queries from the same mixture. The alternative in
the same run is FAISS's flat index over float32 vectors, on one thread. Milliseconds are medians.
"""

import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

import faiss
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from ranker.slice import SliceSettings
from ranker.slices import Slices

Floats = NDArray[np.float32]

DIMENSION = 384
RESULTS = 200
QUERIES = 100


def clustered(rng: np.random.Generator, rows: int, clusters: int = 300) -> Floats:
    """Unit rows (rows, DIMENSION) around centres that are not equally popular."""
    centres = rng.standard_normal((clusters, DIMENSION), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = rng.standard_normal((rows, DIMENSION), np.float32) / np.float32(np.sqrt(DIMENSION))
    vectors: Floats = centres[rng.choice(clusters, rows, p=rng.dirichlet(np.full(clusters, 0.5)))] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def milliseconds(search: Callable[[Floats], object], queries: Floats, batch: int) -> float:
    """Median duration of a search with `batch` queries."""
    search(queries[:batch])
    times = []
    for start in range(0, len(queries), batch):
        began = time.perf_counter()
        search(queries[start : start + batch])
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def recall(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """The mean share of the true results that were found."""
    return float(np.mean([np.isin(true, some).mean() for some, true in zip(found, truth, strict=True)]))


def compare(posts: int, seed: int) -> dict[str, float]:
    """Measure the index while its slices are exact, then compressed, beside the flat index."""
    vectors = clustered(np.random.default_rng(seed), posts + QUERIES)
    queries, column = vectors[posts:], vectors[:posts].astype(np.float16)
    faiss.omp_set_num_threads(1)
    flat: Any = faiss.IndexFlatIP(DIMENSION)
    flat.add(vectors[:posts])
    truth = flat.search(queries, RESULTS)[1]

    slices = Slices(DIMENSION, SliceSettings(), lambda: column)
    began = time.perf_counter()
    slices.rebuild(np.arange(posts, dtype=np.int32), 1000 * np.arange(posts))
    added = time.perf_counter()
    exact = figures("exact", slices, queries, truth)
    compacting = time.perf_counter()
    slices.compact()
    done = time.perf_counter()
    result = {
        "posts": posts,
        "seed": seed,
        "add_s": added - began,
        "compact_s": done - compacting,
        **exact,
        **figures("compressed", slices, queries, truth),
        "flat_1_ms": milliseconds(lambda some: flat.search(some, RESULTS), queries, 1),
        "flat_5_ms": milliseconds(lambda some: flat.search(some, RESULTS), queries, 5),
        "index_bytes_per_post": slices.nbytes / posts,
        "vector_bytes_per_post": column.nbytes / posts,
    }
    return result | {
        f"flat_to_compressed_{n}": result[f"flat_{n}_ms"] / result[f"compressed_{n}_ms"] for n in (1, 5)
    }


def figures(name: str, slices: Slices, queries: Floats, truth: NDArray[Any]) -> dict[str, float]:
    """Speed for 1 and 5 queries, and recall, of the index as it is."""
    return {
        f"{name}_1_ms": milliseconds(lambda some: slices.search(some, RESULTS), queries, 1),
        f"{name}_5_ms": milliseconds(lambda some: slices.search(some, RESULTS), queries, 5),
        f"{name}_recall_at_{RESULTS}": recall(slices.search(queries, RESULTS).slots, truth),
    }


def main(
    posts: Annotated[int, typer.Option(help="Posts in the index.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the vectors.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure vector retrieval, such as `python -m benchmarks.retrieval --posts 100000`."""
    emit(compare(posts, seed), json)


if __name__ == "__main__":
    typer.run(main)
