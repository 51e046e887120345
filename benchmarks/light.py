"""What do the posts that the light ranker keeps lose of the best posts' value?

    python -m benchmarks.light --candidates 500

A simulated network of a few days is replayed, all heads are trained on its examples, and viewers ask at its
end.
`light_ranker_top50_value_kept` is the sum of the trained value of the best 50 of the posts kept, over that of
the best 50 of all that the filters left: the mean over viewers for whom posts were cut. Beside it the worst
twentieth, the same by the prior's value, and the same for posts kept at random.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

import lightgbm
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from ranker import features, heads, query
from ranker.candidates import View
from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.query import Ask
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State
from ranker.surfaces import FOR_YOU
from training.histories import of_rows
from training.playground.world import World
from training.replay import Replay

Doubles = NDArray[np.float64]

DIMENSION = 32
BEST = 50
_FEWEST = 30
"""A head with fewer positives is left out."""


@dataclass(frozen=True)
class Heads:
    """Heads trained on examples."""

    boosters: dict[str, lightgbm.Booster]

    @classmethod
    def trained(cls, rows: NDArray[np.float32], labels: NDArray[np.uint8], trees: int) -> "Heads":
        """A booster a head that has positives enough."""
        settings = {"objective": "binary", "learning_rate": 0.06, "num_threads": 1, "seed": 1, "verbose": -1}
        return cls(
            {
                name: lightgbm.train(settings, lightgbm.Dataset(rows, labels[:, i]), trees)
                for i, name in enumerate(heads.NAMES)
                if labels[:, i].sum() >= _FEWEST
            }
        )

    def value(self, rows: NDArray[np.float32]) -> Doubles:
        """The weighted sum of the heads."""
        weights = heads.weights()
        chances = {name: np.asarray(one.predict(rows, num_threads=1)) for name, one in self.boosters.items()}
        return np.asarray(sum(weights[name] * chance for name, chance in chances.items()))


def kept(value: Doubles, rows: NDArray[np.int64]) -> float:
    """The sum of the best of some rows, over that of the best of all."""
    return float(np.sort(value[rows])[-BEST:].sum() / np.sort(value)[-BEST:].sum())


def measure(world: World, trees: int, candidates: int, seed: int) -> dict[str, float]:
    """The shares kept, over the viewers of a world."""
    state, random = State(world.vector_dimension), np.random.default_rng(seed)
    replay = Replay(state)
    replay.run(of_rows(world.rows()))
    examples = replay.examples()
    trained = Heads.trained(examples.features, examples.labels, trees)
    slices = Slices(world.vector_dimension, SliceSettings(), lambda: state.posts.vector)
    found = np.flatnonzero(state.posts.has_vector[: state.posts.size]).astype(np.int32)
    slices.rebuild(found, state.posts.created_ms[found])
    view, shares, counts = View(state, slices), defaultdict[str, list[float]](list), list[int]()
    for viewer_id in world.user_ids[: world.viewers]:
        viewer = query.build(state, Ask(viewer_id, world.end_ms, candidates=candidates))
        posts = FOR_YOU.filter(viewer, FOR_YOU.fetch(viewer, view, Trace()), Trace())
        rows = np.flatnonzero(np.isin(posts.slot, FOR_YOU.cut(viewer, posts, Trace()).slot))
        if len(rows) == len(posts):
            continue
        counts.append(len(posts))
        matrix = features.compute(viewer, posts)
        value = trained.value(matrix)
        shares["light"].append(kept(value, rows))
        shares["prior"].append(kept(Prior().predict(matrix).value, rows))
        shares["random"].append(kept(value, random.choice(len(posts), len(rows), replace=False)))
    return {
        "light_ranker_top50_value_kept": float(np.mean(shares["light"])),
        "light_ranker_top50_value_kept_p5": float(np.percentile(shares["light"], 5)),
        "light_ranker_top50_value_kept_of_prior": float(np.mean(shares["prior"])),
        "random_top50_value_kept": float(np.mean(shares["random"])),
        "posts_before_mean": float(np.mean(counts)),
        "viewers_cut": len(counts),
        "examples": len(examples),
    }


def main(
    posts: Annotated[int, typer.Option(help="Posts of the network.")] = 5_000,
    viewers: Annotated[int, typer.Option(help="Viewers of the network.")] = 200,
    trees: Annotated[int, typer.Option(help="Trees a head.")] = 100,
    candidates: Annotated[int, typer.Option(help="Posts kept.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the network.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure what the cut costs, such as `python -m benchmarks.light --candidates 500`."""
    world = World(
        seed=seed, authors=posts // 20, viewers=viewers, post_count=posts, days=5, vector_dimension=DIMENSION
    )
    settings = {"posts": posts, "viewers": viewers, "trees": trees, "candidates": candidates, "seed": seed}
    emit({**settings, **measure(world, trees, candidates, seed)}, json)


if __name__ == "__main__":
    typer.run(main)
