"""One seed: the plan lived through by each feed, one after the other."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training import Tell
from training.loop import feeds
from training.loop.feeds import ARMS, LEARNED, UNTRAINED, Simple
from training.loop.learner import Learner, LearningSettings, Night
from training.loop.life import live
from training.loop.outcome import Outcome
from training.loop.plan import Plan
from training.loop.server import Server
from training.playground.audience import Audience

Days = npt.NDArray[np.float64]


def simulate(
    plan: Plan,
    settings: LearningSettings | None = None,
    arms: Sequence[str] = ARMS,
    tell: Tell = lambda _: None,
) -> Outcome:
    """Live through a plan with each of the arms; `tell` hears how far it is.

    The servers' data lie in a temporary folder and are gone afterwards.
    """
    days: dict[str, Days] = {}
    nights: list[Night] = []
    for arm in arms:
        told = _telling(tell, plan, arm)
        if arm in (LEARNED, UNTRAINED):
            days[arm], kept = _served(plan, settings if arm == LEARNED else None, arm == LEARNED, told)
            nights += kept
        else:
            audience = Audience(plan.world, plan.change)
            days[arm] = live(plan, audience, Simple(audience, plan.page_size, _order(arm, audience)), told)
    return Outcome(plan, days, nights)


def _served(
    plan: Plan, settings: LearningSettings | None, learns: bool, told: Callable[[int], None]
) -> tuple[Days, list[Night]]:
    with tempfile.TemporaryDirectory(prefix="feedrank-simulate-") as folder:
        data = Path(folder)
        learner = Learner(data, settings) if learns else None
        with Server(data, plan.world, plan.page_size, learner) as server:
            days = live(plan, Audience(plan.world, plan.change), server, told)
        return days, learner.nights if learner else []


def _order(arm: str, audience: Audience) -> feeds.Order:
    orders = {
        "oracle": feeds.oracle(audience),
        "popular": feeds.popular,
        "chronological": feeds.chronological,
        "random": feeds.at_random(audience.world.seed),
    }
    return orders[arm]


def _telling(tell: Tell, plan: Plan, arm: str) -> Callable[[int], None]:
    return lambda day: tell(f"seed {plan.seed}, {arm}: day {day} of {plan.days}")
