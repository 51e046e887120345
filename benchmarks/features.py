"""How long does the feature matrix of a request's candidates take, group by group, on one thread?

    python -m benchmarks.features --posts 100000

The network is that of benchmarks.sources. Viewers with a full history ask: 128 posts met, 32 liked, 12
disliked. Each one's candidates are what the sources bring and the filters leave, cut to `--candidates`, or
filled up to it with posts drawn at random.
Figures are milliseconds of the thread's own processor time. Columns of the posts are read anew each time.
Beside it: the cosines of these candidates with 64 posts met, and how NumPy makes them, with its product of
matrices.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import sources
from benchmarks.report import emit
from ranker import features, query
from ranker.candidates import Candidates
from ranker.dots import cosines
from ranker.pipeline import Trace
from ranker.query import Ask, Query
from ranker.state import State, rings
from ranker.state.columns import Slots
from ranker.surfaces import FOR_YOU

_MET, _DISLIKED, _NEAR = 128, 12, 64


@dataclass(frozen=True)
class Request:
    """What the features are computed for."""

    query: Query
    posts: Candidates

    @property
    def fresh(self) -> Candidates:
        """The candidates, with none of their columns read yet."""
        return self.posts[:]


def asked(town: sources.Network, candidates: int, seed: int) -> Iterator[Request]:
    """A request of each asking viewer."""
    random = np.random.default_rng(seed)
    for viewer_id in town.viewer_ids:
        viewer = query.build(town.state, Ask(viewer_id, town.state.time_ms))
        posts = FOR_YOU.filter(viewer, FOR_YOU.fetch(viewer, town.view, Trace()), Trace())
        others = np.setdiff1d(np.arange(town.state.posts.size, dtype=np.int32), posts.slot)
        slots = np.concatenate([posts.slot, random.permutation(others)])[:candidates]
        yield Request(_full(viewer, town.state), Candidates.of(town.state, slots))


def _full(viewer: Query, state: State) -> Query:
    """As if nothing of what was on the screen had been passed by at once, and a few posts were disliked."""
    users = state.users
    met = rings.newest(users.seen, users.seen_count, viewer.viewer, _MET)[::-1].copy()
    reactions = np.isin(met, viewer.liked).astype(np.float32)
    disliked = met[reactions == 0][:_DISLIKED]
    return replace(viewer, history=met, reactions=reactions, disliked=disliked)


def measure(requests: list[Request], rounds: int) -> dict[str, float]:
    """Medians by group, of the whole, and of the cosines both ways."""
    spent: dict[str, list[float]] = defaultdict(list)
    differences = [0.0]
    for number in range(rounds + 1):
        if number == 1:  # the first round compiles
            spent.clear()
        for one in requests:
            _timed(spent["features"], features.compute, one.query, one.fresh)
            for group in features.GROUPS:
                rows = np.empty((len(one.posts), len(features.FEATURES)), np.float32)
                name = f"group_{group.fill.__module__.rpartition('.')[2]}"
                _timed(spent[name], group.fill, one.query, one.fresh, rows[:, : len(group.features)])
            vectors = one.posts.state.posts.vector
            met = vectors[one.query.history[-_NEAR:]].astype(np.float32)
            ours = _timed(spent["dots"], cosines, vectors, one.posts.slot, met)
            plain = _timed(spent["numpy_dots"], plain_cosines, vectors, one.posts.slot, met)
            differences.append(float(np.nanmax(np.abs(ours - plain), initial=0.0)))
    result = {f"{name}_p50_ms": float(np.median(values)) for name, values in spent.items()}
    result["features_p99_ms"] = float(np.percentile(spent["features"], 99))
    result["features_min_ms"] = min(spent["features"])
    result["speedup_over_numpy_dots"] = result["numpy_dots_p50_ms"] / result["dots_p50_ms"]
    return result | {"dots_max_difference": max(differences)}


def _timed(spent: list[float], stage: Callable[..., Any], *arguments: Any) -> Any:
    began = time.thread_time_ns()
    result = stage(*arguments)
    spent.append((time.thread_time_ns() - began) / 1e6)
    return result


def plain_cosines(
    vectors: NDArray[np.float16], slots: Slots, queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """As ranker.dots, in NumPy: float32 (n, q), NaN for a zero row."""
    rows = vectors[slots].astype(np.float32)
    near: NDArray[np.float32] = rows @ queries.T
    near[~rows.any(axis=1)] = np.nan
    return near


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 100_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 10_000,
    candidates: Annotated[int, typer.Option(help="Posts of a request.")] = 500,
    met: Annotated[int, typer.Option(min=_MET, help="Posts that each asking viewer has met.")] = 300,
    asking: Annotated[int, typer.Option(help="Viewers who ask.")] = 100,
    rounds: Annotated[int, typer.Option(help="Times that each of them asks.")] = 10,
    data: Annotated[Path | None, typer.Option(help="Keep the network in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the network and of what is drawn.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure the feature groups, such as `python -m benchmarks.features --posts 100000`."""
    with tempfile.TemporaryDirectory() as temporary:
        town = sources.prepared(data or Path(temporary), posts, viewers, met, asking, seed)
    requests = list(asked(town, candidates, seed))
    settings = {"posts": posts, "viewers": viewers, "seed": seed, "requests": len(requests)}
    shape = {"candidates": min(map(len, (one.posts for one in requests))), "features": len(features.NAMES)}
    emit({**settings, **shape, **measure(requests, rounds)}, json)


if __name__ == "__main__":
    typer.run(main)
