"""Several seeds of one plan, one after the other or side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

from ranker.logs import set_up
from training.loop.outcome import LEVEL_DAYS, Outcome, Summary
from training.loop.plan import Plan
from training.loop.simulate import simulate

Tell = Callable[[str], None]


def plan_of(seed: int, weeks: int, viewers: int, changed: float = 1) -> Plan:
    """Some weeks, then that share of the viewers have other tastes, then days to come back and to stay so."""
    change = 7 * weeks
    return Plan(
        seed=seed,
        viewers=viewers,
        authors=round(1.3 * viewers),
        posts_a_day=max(1.7 * viewers, 100),  # more than one viewer reads
        days=change + 2 * LEVEL_DAYS,
        change_day=change,
        changed=changed,
    )


def run(plans: Sequence[Plan], processes: int, tell: Tell) -> Summary:
    """Simulate all plans; `tell` hears how far they are."""
    if processes == 1:
        return Summary([simulate(plan, tell=tell) for plan in plans])
    outcomes: list[Outcome] = []
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, partial(set_up, "error", as_json=False)) as pool:
        for done in as_completed([pool.submit(simulate, plan) for plan in plans]):
            outcomes.append(done.result())
            tell(f"{len(outcomes)} of {len(plans)} seeds are done")
    return Summary(sorted(outcomes, key=lambda one: one.plan.seed))
