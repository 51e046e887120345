"""Which index of vectors is fastest at the same recall, and what does it cost in memory and to build?

    python -m benchmarks.alternatives --posts 200000 --json

Our codes, FAISS's inverted files with what it offers today for codes (product quantisation and RaBitQ by
fast scan, with residuals, turned by OPQ, cut by PCA; scalar codes), and the graphs of usearch where it is
installed (`pip install usearch`). Vectors are drawn from the distribution of real posts. All search for 500,
one query at a time, on one thread. What only estimates proposes some posts, and these get exact cosines from
half-precision vectors by the same kernel. Each is tried with a grid of settings (lists visited and posts
ranked again, or the graph's expansion); told is the fastest that reaches the recall asked for, or the most
complete where none does. `_bytes` are a post's, without the half-precision vectors where these are only read;
`_build_us` is processor time a post. About 10 minutes for 200,000 posts on an idle machine, 4 for OPQ.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Annotated, Any, NamedTuple

import faiss
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from benchmarks.retrieval import paces, recall
from benchmarks.vectors import DIMENSION, drawn
from ranker.codebook import Codebook, lists_for, sample_for
from ranker.codes import Codes, Pool
from ranker.dots import cosines
from training.commands.shared import progress

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Rows = NDArray[np.int64]
Propose = Callable[[Floats, int, int], Rows]

RESULTS = 500
_QUERIES = 60
_BLOCK = 16_384
_RERANKED = (2, 3, 5, 10)
_VISITS = (24, 48, 96, 192)
_EXPANSIONS = (500, 700, 1000, 1500, 2500)

# By name: what FAISS calls it, and whether codes are of the difference from the list's centroid.
_FAISS = {
    "pq96": ("IVF{lists},PQ96x4fs", False),
    "pq96_residual": ("IVF{lists},PQ96x4fs", True),
    "pq128_residual": ("IVF{lists},PQ128x4fs", True),
    "opq96_residual": ("OPQ96,IVF{lists},PQ96x4fs", True),
    "pca192_pq96": ("PCA192,IVF{lists},PQ96x4fs", True),
    "rabitq": ("IVF{lists},RaBitQfs", True),
    "rabitq_2_bits": ("IVF{lists},RaBitQfs2", True),
    "sq4": ("IVF{lists},SQ4", True),
    "sq8": ("IVF{lists},SQ8", True),
}


class Built(NamedTuple):
    """An index: how it is searched with each of some settings, and its bytes a post."""

    searches: list[Callable[[Floats, int], Rows]]
    nbytes: float


def compare(posts: int, seed: int, least: float, tell: Callable[[str], object]) -> dict[str, float | int]:
    """The figures of all, flat."""
    rng = np.random.default_rng(seed)
    column = np.concatenate([drawn(rng, n).astype(np.float16) for n in _pieces(posts)])
    queries = drawn(rng, _QUERIES)
    truth = np.argsort(-(queries @ column.T.astype(np.float32)), axis=1)[:, :RESULTS]
    result: dict[str, float | int] = {"posts": posts, "seed": seed, "least_recall": least}
    for name, build in builders():
        tell(name)
        began = time.process_time()
        built = build(column)
        result[f"{name}_build_us"] = 1e6 * (time.process_time() - began) / posts
        result[f"{name}_bytes"] = built.nbytes
        result |= {f"{name}_{key}": at for key, at in best(built, queries, truth, least).items()}
    return result


def best(built: Built, queries: Floats, truth: Rows, least: float) -> dict[str, float]:
    """The fastest setting that is complete enough, or the most complete one."""
    shares = [_share(search, queries, truth) for search in built.searches]
    enough = [i for i, share in enumerate(shares) if share >= least] or [int(np.argmax(shares))]
    paced = [paces(built.searches[i], queries, 1, RESULTS)["p50_ms"] for i in enough]
    fastest = int(np.argmin(paced))
    return {"recall_at_500": shares[enough[fastest]], "p50_ms": paced[fastest]}


def _share(search: Callable[[Floats, int], Rows], queries: Floats, truth: Rows) -> float:
    found = np.concatenate([search(queries[i : i + 1], RESULTS) for i in range(len(queries))])
    return recall(found, truth)


def builders() -> Iterator[tuple[str, Callable[[Halves], Built]]]:
    """Name and maker of each."""
    yield "feedrank", ours
    for name, (factory, residual) in _FAISS.items():
        yield f"faiss_{name}", partial(by_faiss, factory=factory, residual=residual)
    if importlib.util.find_spec("usearch"):
        yield from ((f"usearch_{kind}", partial(by_usearch, kind=kind)) for kind in ("f16", "i8"))


def ours(column: Halves) -> Built:
    """The codes of ranker/codes.py in one slice."""
    rng = np.random.default_rng(1)
    sample = np.sort(rng.choice(len(column), sample_for(len(column)), replace=False))
    codebook = Codebook.learned(column[sample].astype(np.float32), len(column), 1)
    encoded = [codebook.encode(some.astype(np.float32)) for some in _blocks(column)]
    codes, rows = Codes.packed(codebook, type(encoded[0])(*map(np.concatenate, zip(*encoded, strict=True))))
    slots, times = np.zeros(len(codes), np.int32), np.full(len(codes), -1)
    slots[rows], times[rows] = np.arange(len(column)), 0

    def propose(queries: Floats, count: int, visits: int) -> Rows:
        pool = Pool.of(len(queries), count)
        codes.scan(codebook.ask(queries, visits), slots, times, 0, None, pool)
        return pool.best()[0].astype(np.int64)

    return Built(_grid(column, propose), (codes.nbytes + codebook.nbytes + slots.nbytes) / len(column))


def by_faiss(column: Halves, factory: str, residual: bool) -> Built:
    """An inverted file with as many lists."""
    faiss.omp_set_num_threads(1)
    api: Any = faiss
    lists = lists_for(len(column))
    index = api.index_factory(DIMENSION, factory.format(lists=lists), api.METRIC_INNER_PRODUCT)
    inverted = api.extract_index_ivf(index)
    inverted.by_residual = residual
    inverted.cp.niter = 8
    index.train(column[:: max(1, len(column) // sample_for(len(column)))].astype(np.float32))
    for some in _blocks(column):
        index.add(some.astype(np.float32))
    turned = isinstance(index, api.IndexPreTransform)
    kind = api.IVFRaBitQSearchParameters if "RaBitQ" in factory else api.SearchParametersIVF

    def propose(queries: Floats, count: int, visits: int) -> Rows:
        parameters = kind()
        parameters.nprobe = min(lists, visits)
        if turned:
            parameters = api.SearchParametersPreTransform(index_params=parameters)
        rows: Rows = index.search(queries, count, params=parameters)[1][0]
        return rows[rows >= 0]

    return Built(_grid(column, propose), inverted.code_size + 8 + 4 * DIMENSION * lists / len(column))


def by_usearch(column: Halves, kind: str) -> Built:
    """A graph that holds the vectors as half-precision numbers or bytes; the latter are ranked again."""
    graphs: Any = importlib.import_module("usearch.index")
    index = graphs.Index(ndim=DIMENSION, metric="ip", dtype=kind)
    for start, some in zip(range(0, len(column), _BLOCK), _blocks(column), strict=True):
        index.add(np.arange(start, start + len(some)), some, threads=1)

    def propose(queries: Floats, count: int, expansion: int) -> Rows:
        index.expansion_search = expansion
        rows: Rows = index.search(queries.astype(np.float16)[0], count, threads=1).keys.astype(np.int64)
        return rows

    if kind == "f16":
        searches = [_plain(propose, expansion) for expansion in _EXPANSIONS]
    else:
        searches = [_reranked(column, propose, times, e) for times, e in product((1, 1.5, 2), _EXPANSIONS)]
    return Built(searches, index.memory_usage / len(column))


def _grid(column: Halves, propose: Propose) -> list[Callable[[Floats, int], Rows]]:
    return [_reranked(column, propose, times, visits) for times, visits in product(_RERANKED, _VISITS)]


def _plain(propose: Propose, visits: int) -> Callable[[Floats, int], Rows]:
    return lambda queries, k: propose(queries, k, visits)[None, :k]


def _reranked(column: Halves, propose: Propose, times: float, visits: int) -> Callable[[Floats, int], Rows]:
    def search(queries: Floats, k: int) -> Rows:
        rows = propose(queries, int(times * k), visits)
        exact = cosines(column, rows.astype(np.int32), queries)[:, 0]
        best = np.argpartition(-exact, min(k, len(rows)) - 1)[:k]
        return rows[best[np.argsort(-exact[best])]][None]

    return search


def _blocks(column: Halves) -> Iterator[Halves]:
    return (column[start : start + _BLOCK] for start in range(0, len(column), _BLOCK))


def _pieces(posts: int) -> list[int]:
    return [min(_BLOCK, posts - start) for start in range(0, posts, _BLOCK)]


def main(
    posts: Annotated[int, typer.Option(min=10_000, help="Posts in each index.")] = 200_000,
    least: Annotated[float, typer.Option(help="The recall that a setting must reach.")] = 0.97,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Compare indexes, such as `python -m benchmarks.alternatives --posts 200000 --least 0.95`."""
    with progress(quiet=json) as tell:
        result = compare(posts, seed, least, tell)
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
