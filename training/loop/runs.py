"""Several seeds of one plan, one after the other or side by side."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

from ranker.logs import set_up
from training import Tell
from training.loop.feeds import ARMS
from training.loop.outcome import LEVEL_DAYS, Outcome, Summary
from training.loop.plan import Plan
from training.loop.simulate import simulate


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
    parts: dict[tuple[int, str], Outcome] = {}
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, partial(set_up, "error", as_json=False)) as pool:
        # A life each, the longest first, so that no core waits for the last seed.
        begun = {
            pool.submit(simulate, plan, arms=(arm,)): (number, arm)
            for arm in ARMS
            for number, plan in enumerate(plans)
        }
        for done in as_completed(begun):
            parts[begun[done]] = done.result()
            tell(f"{len(parts)} of {len(begun)} lives are done")
    return Summary([_whole([parts[number, arm] for arm in ARMS]) for number in range(len(plans))])


def _whole(parts: Sequence[Outcome]) -> Outcome:
    """One seed, from an outcome for each arm."""
    days = {arm: of for part in parts for arm, of in part.days.items()}
    return Outcome(parts[0].plan, days, [night for part in parts for night in part.nights])
