"""Where does the time of a timeline go, stage by stage, without a server and without the heads?

    python -m benchmarks.sources --posts 100000

The network is that of benchmarks.timeline, where a viewer follows 200 authors; those who ask have met `--met`
posts besides. Each round asks for the first page of every one of them. Figures are milliseconds of the
thread's own processor time, so that other programs hurt little; `sources` leaves out the vector search, which
`benchmarks.retrieval` measures. Heads are the prior's.
"""

import functools
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from feedrank.v1 import types_pb2

from benchmarks import network, timeline
from benchmarks.report import emit
from ranker import entries, query, snapshot
from ranker.candidates import View
from ranker.exploration import ExplorationSettings
from ranker.fold import Fold
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal
from ranker.models import Models
from ranker.pipeline import Pipeline, Trace
from ranker.prior import Prior
from ranker.query import Ask
from ranker.sessions import Sessions, SessionSettings
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State
from ranker.surfaces import FOR_YOU
from ranker.timelines import Timelines

_PLACES = SessionSettings().places


class Clock:
    """Milliseconds of processor time by name: the sum of each round and viewer is one figure."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        began = time.thread_time_ns()
        yield
        self.spent[name].append((time.thread_time_ns() - began) / 1e6)

    def watching(self, name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        """The stage, timed."""

        @functools.wraps(stage)
        def timed(*arguments: Any) -> Any:
            with self.of(name):
                return stage(*arguments)

        return timed

    def watched(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline with every source, filter and factor timed under its own name."""

        def all_of(kind: str, stages: tuple[Callable[..., Any], ...]) -> tuple[Callable[..., Any], ...]:
            return tuple(self.watching(f"{kind}_{one.__name__}", one) for one in stages)

        return replace(
            pipeline,
            sources=tuple(
                replace(one, find=self.watching(f"source_{one.name}", one.find)) for one in pipeline.sources
            ),
            filters=all_of("filter", pipeline.filters),
            once=all_of("filter", pipeline.once),
            factors=all_of("factor", pipeline.factors),
        )


@dataclass(frozen=True)
class Network:
    """A state to read, and who reads."""

    view: View
    viewer_ids: list[str]

    @property
    def state(self) -> State:
        """Its columns."""
        return self.view.state


def prepared(data: Path, posts: int, viewers: int, met: int, asking: int, seed: int) -> Network:
    """The network of a data folder, made if it is not there; `asking` of its viewers meet so many posts."""
    viewer_ids = timeline.prepare(posts, viewers, seed, data)
    state = State(network.DIMENSION)
    snapshot.restore(state, data / "snapshots")
    slices = Slices(network.DIMENSION, SliceSettings(), lambda: state.posts.vector)
    found = np.flatnonzero(state.posts.has_vector[: state.posts.size]).astype(np.int32)
    slices.rebuild(found, state.posts.created_ms[found])
    slices.compact()
    chosen = np.random.default_rng(seed).choice(viewer_ids, asking, replace=False).tolist()
    _meet(state, slices, chosen, met, seed)
    return Network(View(state, slices), chosen)


def _meet(state: State, slices: Slices, viewer_ids: list[str], met: int, seed: int) -> None:
    """Let each of the viewers have so many posts on the screen, and like one in ten of them."""
    fold, random = Fold(state, slices), np.random.default_rng([seed, met])
    for viewer_id in viewer_ids:
        seen = random.choice(state.posts.size, met, replace=False)
        events = [
            types_pb2.Event(viewer_id=viewer_id, kind=kind, post_id=post_id, time_ms=state.time_ms)
            for i, post_id in enumerate(state.post_ids.names[slot] for slot in seen)
            for kind in (types_pb2.EVENT_KIND_IMPRESSION, types_pb2.EVENT_KIND_LIKE)[: 1 + (i % 10 == 0)]
        ]
        fold.apply("met", entries.of_events(events, state.time_ms))


def by_stage(town: Network, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each stage for all rounds and viewers."""
    clock = Clock()
    pipeline = clock.watched(FOR_YOU)
    for number in range(rounds):
        for viewer_id in town.viewer_ids:
            _ask(clock, pipeline, town, Ask(viewer_id, town.state.time_ms, seed=number))
    spent = {name: np.array(values) for name, values in clock.spent.items()}
    spent["sources"] = spent["fetch"] - spent["source_interests"]
    spent["filters_and_selection"] = spent["filters"] + spent["selection"]
    return {name: values.tolist() for name, values in spent.items()}


def _ask(clock: Clock, pipeline: Pipeline, town: Network, ask: Ask) -> None:
    with clock.of("query"):
        viewer = query.build(town.state, ask)
    with clock.of("fetch"):
        posts = pipeline.fetch(viewer, town.view, Trace())
    with clock.of("filters"):
        posts = pipeline.filter(viewer, posts, Trace())
    with clock.of("cut"):
        posts = pipeline.cut(viewer, posts, Trace())
    with clock.of("score"):
        scored = pipeline.score(viewer, posts, Prior(), Trace())
    with clock.of("selection"):
        pipeline.select(viewer, scored, _PLACES, Trace())


def whole(town: Network, rounds: int, folder: Path) -> list[float]:
    """Milliseconds of whole pages: what lies beside the stages is in them."""
    log = ImpressionLog(folder, Journal.at_socket(folder / "none"), ImpressionSettings(queue_answers=1))
    timelines = Timelines(town.view, Models(folder), Sessions(SessionSettings()), log, ExplorationSettings())
    clock = Clock()
    for _ in range(rounds):
        for viewer_id in town.viewer_ids:
            with clock.of("page"):
                timelines.page(Ask(viewer_id, town.state.time_ms), "", Trace())
    return clock.spent["page"]


def measure(town: Network, rounds: int) -> dict[str, float]:
    """The median and the 99th percentile of each stage."""
    by_stage(town, 1)
    spent = by_stage(town, rounds)
    with tempfile.TemporaryDirectory() as folder:
        spent["page"] = whole(town, rounds, Path(folder))
    stages = ("query", "fetch", "filters", "cut", "score", "selection")
    result = {
        f"{name}_{word}_ms": float(np.percentile(values, share))
        for name, values in spent.items()
        for word, share in (("p50", 50), ("p99", 99))
    }
    result["beside_the_stages_ms"] = result["page_p50_ms"] - sum(result[f"{one}_p50_ms"] for one in stages)
    return result


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 100_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 10_000,
    met: Annotated[int, typer.Option(help="Posts that each asking viewer has met.")] = 300,
    asking: Annotated[int, typer.Option(help="Viewers who ask.")] = 200,
    rounds: Annotated[int, typer.Option(help="Pages for each of them.")] = 5,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network and of what is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure the stages of a timeline, such as `python -m benchmarks.sources --posts 100000`."""
    with tempfile.TemporaryDirectory() as temporary:
        town = prepared(data or Path(temporary), posts, viewers, met, asking, seed)
    settings = {"posts": posts, "viewers": viewers, "met": met, "seed": seed}
    emit({**settings, **measure(town, rounds)}, json)


if __name__ == "__main__":
    typer.run(main)
