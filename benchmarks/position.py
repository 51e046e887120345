"""Which way of dealing with the place ranks best, where the truth is known?

    python -m benchmarks.position

A playground's viewers are served pages in the order of the prior, which sees what a model sees, so that good
posts and good places go together, as they do in any feed. A share of the pages has two of its posts swapped,
with logged propensities. Models are trained from that log with the place ignored,
with the place as a column, and with propensity weighting; each then orders sets of posts drawn at random, and
earns what their true utilities are worth: NDCG@10, with utilities from 0 at the set's worst. Beside them: the
true attention of a place and what the swaps say of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray

from benchmarks.report import emit
from ranker import entries
from ranker.exploration import ExplorationSettings, swap
from ranker.prior import Prior
from ranker.query import Ask
from ranker.state import State
from training.evaluate import Scores
from training.examples import Examples
from training.histories import of_rows
from training.metrics import ndcg
from training.playground import behaviour
from training.playground.world import World
from training.position import examination
from training.replay import Replay
from training.train import QUICK, fit

WAYS = ("ignored", "place", "propensity")
PAGE = 20
CANDIDATES = 40

Floats = NDArray[np.float64]


class Served:
    """A playground's posts and people, with pages of our own instead of the playground's history."""

    def __init__(self, world: World, swap_share: float) -> None:
        self.world = world
        self.settings = ExplorationSettings(swap_share=swap_share)
        self.random = np.random.default_rng([world.seed, 11])
        self.chance = Random(world.seed)
        self.replay = Replay(State(1))
        self.propensity: dict[tuple[str, str], float] = {}
        """Of each request and post."""
        self.replay.run(of_rows(row for row in world.rows() if not isinstance(row, t.Event)))

    def visit(self, visit: int, when: int) -> None:
        """A viewer opens a page, and what happens there is replayed."""
        viewer = self.world.user_ids[int(self.random.integers(self.world.viewers))]
        posts = drawn(self.world, self.random)
        ranked = np.argsort(-Prior().predict(self.replay.rows(Ask(viewer, when), posts)).value)[:PAGE]
        order, propensity = swap(self.chance, self.settings, PAGE, PAGE)
        page, request = [posts[i] for i in ranked[order]], f"visit {visit}"
        self.propensity |= {(request, post): p for post, p in zip(page, propensity.tolist(), strict=True)}
        events = self.world.act(viewer, page, when, request, self.random)
        left_ms = max(event.time_ms + event.dwell_ms for event in events)
        self.replay.run([(f"{self.world.end_ms + visit}-0", entries.of_events(events, left_ms))])

    def examples(self) -> Examples:
        """The pages with what followed and their propensities."""
        examples = self.replay.examples()
        requests, posts = self.replay.request_ids.names, self.replay.post_ids.names
        pairs = zip(examples.request.tolist(), examples.post.tolist(), strict=True)
        propensity = [self.propensity[requests[request], posts[post]] for request, post in pairs]
        return replace(examples, propensity=np.array(propensity))


def drawn(world: World, random: np.random.Generator) -> list[str]:
    """Posts drawn at random."""
    return [f"p{i:06}" for i in random.choice(world.post_count, CANDIDATES, replace=False)]


class Waiting(NamedTuple):
    """Posts that wait for an order: their feature rows, and their true utilities from 0 at the worst."""

    rows: NDArray[np.float32]
    utility: Floats


def waiting(world: World, replay: Replay, sets: int, seed: int) -> list[Waiting]:
    """So many sets of posts, each for some viewer, a day after the history's end."""
    random = np.random.default_rng([seed, 12])
    found = []
    for _ in range(sets):
        viewer, posts = world.user_ids[int(random.integers(world.viewers))], drawn(world, random)
        rows = replay.rows(Ask(viewer, world.end_ms + 86_400_000), posts)
        truth = world.utilities(viewer, posts).astype(np.float64)
        found.append(Waiting(rows, truth - truth.min()))
    return found


def earned(model: Scores, sets: Sequence[Waiting]) -> Floats:
    """NDCG@10 by true utility of each set."""
    return np.array([ndcg(one.utility, model.predict(one.rows).value) for one in sets])


def main(
    visits: Annotated[int, typer.Option(help="Pages served, some 20 posts each.")] = 4_000,
    swap_share: Annotated[float, typer.Option(help="Share of the pages with a swap.")] = 0.2,
    sets: Annotated[int, typer.Option(help="Sets of posts that each model orders.")] = 600,
    seeds: Annotated[int, typer.Option(help="Worlds.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Compare ways of dealing with the place, such as `python -m benchmarks.position --seeds 1`."""
    scores: dict[str, list[Floats]] = {way: [] for way in WAYS}
    curves = []
    for seed in range(1, seeds + 1):
        world = World(seed=seed, authors=100, viewers=100, post_count=1_000, days=3)
        served = Served(world, swap_share)
        for visit in range(visits):
            served.visit(visit, world.end_ms + 86_400_000 * visit // visits)
        examples = served.examples()
        curves.append(examination(examples))
        posts = waiting(world, served.replay, sets, seed)
        for way in WAYS:
            model = fit(examples, QUICK.model_copy(update={"position": way, "threads": 1, "seed": seed}))
            scores[way].append(earned(model, posts))
    emit(_result(scores, curves) | {"visits": visits, "swap_share": swap_share}, json)


def _result(scores: dict[str, list[Floats]], curves: list[Floats]) -> dict[str, Any]:
    every = {way: np.concatenate(found) for way, found in scores.items()}
    result: dict[str, Any] = {f"{way}_ndcg_at_10": float(found.mean()) for way, found in every.items()}
    for way in WAYS[1:]:
        gain = every[way] - every["ignored"]
        result |= {
            f"{way}_gain": float(gain.mean()),
            f"{way}_gain_error": float(gain.std() / len(gain) ** 0.5),
        }
    depth = min(map(len, curves))
    said = np.mean([curve[:depth] for curve in curves], axis=0)
    true = behaviour.attention(depth)
    return result | {f"place_{i}": f"{said[i]:.2f} said, {true[i]:.2f} true" for i in range(0, depth, 3)}


if __name__ == "__main__":
    typer.run(main)
