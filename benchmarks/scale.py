"""How does the cost of a timeline grow with the posts of the network, and with the candidates scored?

    python -m benchmarks.scale --posts 1000 --posts 10000 --posts 100000 --posts 1000000

Networks of a week (benchmarks/week.py) with one viewer to ten posts; random viewers ask for first pages,
without a server. Every size is measured with 500 candidates, the largest also with 100 to 2,000: sources are
asked for twice as many, and what the filters leave is cut to the number. Heads are those of a bundle of
12 heads of 100 trees. Keys are posts_<n>_candidates_<n>_<stage>_p50_ms, medians over the pages. Beside them
stands how many were scored in the mean: a small network has no 2,000.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import network, timeline
from benchmarks.report import emit
from ranker import features, heads, query
from ranker.bundle import load
from ranker.candidates import View
from ranker.pipeline import Pipeline, Scorer, Trace
from ranker.query import Ask
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.surfaces import FOR_YOU

PLACES = 200
_MIDDLE = 500
_BROUGHT = sum(source.limit for source in FOR_YOU.sources)
_SURPLUS = 2.0  # filters and repeats take their share of what sources bring

Spent = dict[str, list[float]]


def measure(
    view: View, scorer: Scorer, viewer_ids: list[str], candidates: int, pages: int
) -> dict[str, float]:
    """The median of each stage in milliseconds, and how many posts were scored in the mean."""
    pipeline = wider(FOR_YOU, candidates)
    for number in range(3):
        _page(
            view, scorer, pipeline, candidates, Ask(viewer_ids[number], view.state.time_ms), defaultdict(list)
        )
    spent: Spent = defaultdict(list)
    for number in range(pages):
        ask = Ask(viewer_ids[number % len(viewer_ids)], view.state.time_ms, seed=number)
        _page(view, scorer, pipeline, candidates, ask, spent)
    scored = float(np.mean(spent.pop("scored")))
    return {f"{stage}_p50_ms": 1000 * float(np.median(times)) for stage, times in spent.items()} | {
        "scored": scored
    }


def wider(pipeline: Pipeline, candidates: int) -> Pipeline:
    """The pipeline with sources that bring about twice as many posts as are wanted, in their proportion."""
    share = _SURPLUS * candidates / _BROUGHT
    sources = (replace(one, limit=max(1, round(one.limit * share))) for one in pipeline.sources)
    return replace(pipeline, sources=tuple(sources))


def _page(view: View, scorer: Scorer, pipeline: Pipeline, candidates: int, ask: Ask, spent: Spent) -> None:
    """One first page, and the seconds of its stages."""
    began, trace = time.perf_counter(), Trace()
    asked = query.build(view.state, ask)
    spent["query"].append(time.perf_counter() - began)
    posts = pipeline.filter(asked, pipeline.fetch(asked, view, trace), trace)
    scored = pipeline.score(asked, posts[:candidates], scorer, trace)
    pipeline.select(asked, scored, PLACES, trace)
    for stage, seconds in trace.seconds.items():
        spent[stage].append(seconds)
    spent["total"].append(time.perf_counter() - began)
    spent["scored"].append(trace.scored)


def made(posts: int, viewers: int, seed: int) -> tuple[View, list[str]]:
    """A network in memory with its compressed index; who reads."""
    week = network.world(posts, viewers, seed)
    state = network.folded(week)
    slices = Slices(network.DIMENSION, SliceSettings(), lambda: state.posts.vector)
    found = np.flatnonzero(state.posts.has_vector[: state.posts.size]).astype(np.int32)
    slices.rebuild(found, state.posts.created_ms[found])
    slices.compact()
    return View(state, slices), week.user_ids[:viewers]


def bundle(trees: int, seed: int) -> Scorer:
    """12 heads, trained on random rows."""
    with tempfile.TemporaryDirectory() as folder:
        timeline.prepare(300, 30, seed, Path(folder), trees=trees)
        return load(Path(folder) / "models" / timeline.BUNDLE, features.NAMES, heads.NAMES)


def grown(
    sizes: list[int], candidates: list[int], pages: int, trees: int, seed: int
) -> Iterator[tuple[str, float]]:
    """All figures by key."""
    scorer = bundle(trees, seed)
    for posts in sorted(sizes):
        view, viewer_ids = made(posts, max(posts // 10, 30), seed)
        rng = np.random.default_rng(seed)
        asking = rng.choice(viewer_ids, min(pages, len(viewer_ids)), replace=False).tolist()
        for count in candidates if posts == max(sizes) else [_MIDDLE]:
            figures = measure(view, scorer, asking, count, pages)
            yield from (
                (f"posts_{posts}_candidates_{count}_{name}", value) for name, value in figures.items()
            )


def main(
    posts: Annotated[list[int] | None, typer.Option(help="Posts of a network; may be repeated.")] = None,
    candidates: Annotated[list[int] | None, typer.Option(help="Posts to score; may be repeated.")] = None,
    pages: Annotated[int, typer.Option(min=1, help="Pages that the medians are over.")] = 200,
    trees: Annotated[int, typer.Option(min=1, help="Trees of a head.")] = timeline.TREES,
    seed: Annotated[int, typer.Option(help="Of the networks and who asks.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure growth, such as `python -m benchmarks.scale --posts 1000 --posts 10000`."""
    sizes = posts or [1_000, 10_000, 100_000]
    counts = candidates or [100, 200, _MIDDLE, 1_000, 2_000]
    emit({"pages": pages, "seed": seed, **dict(grown(sizes, counts, pages, trees, seed))}, json)


if __name__ == "__main__":
    typer.run(main)
