"""A playground's pages by the prior, half of them with a swap, and models that learned from them."""

from dataclasses import dataclass
from functools import cache

from benchmarks.position import WAYS, Served
from training.bench import parts_by_time
from training.examples import Examples
from training.playground.world import World
from training.train import QUICK, Trained, fit

VISITS = 4_000
SWAP_SHARE = 0.5
_DAY_MS = 86_400_000
_LATE = 0.4


@dataclass(frozen=True, eq=False)
class Pages:
    """What was served and what followed, in two parts of time; models by what they do about the place."""

    served: Served
    early: Examples
    late: Examples
    models: dict[str, Trained]

    @property
    def world(self) -> World:
        """The truth."""
        return self.served.world


@cache
def simulated(visits: int = VISITS, seed: int = 1) -> Pages:
    """Serve so many pages in a day, and train on the first three fifths."""
    world = World(seed=seed, authors=100, viewers=100, post_count=1_000, days=3)
    served = Served(world, SWAP_SHARE)
    for visit in range(visits):
        served.visit(visit, world.end_ms + _DAY_MS * visit // visits)
    logged = served.examples()
    early, late = (logged[rows] for rows in parts_by_time(logged, _LATE))
    knobs = QUICK.model_copy(update={"threads": 1, "seed": seed})
    models = {way: fit(early, knobs.model_copy(update={"position": way})) for way in WAYS}
    return Pages(served, early, late, models)
