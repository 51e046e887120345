"""How often do the 95 % intervals of counterfactual estimates hold the truth?

    python -m benchmarks.coverage --runs 1000

Logs are simulated: viewers with a habit of their own meet one of some contexts, and a policy that is partly
chance picks one of eight actions; the truth of another policy is known in closed form. `close` has two
similar policies and rewards a third of the time, `far` a target that prefers what the log seldom does
(weights up to 60) and one reward in 25. Beside coverage stand the root mean square error and the mean width.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.report import emit
from training.counterfactual import ESTIMATORS, Counterfactual, Floats, Logged, crossed, estimate

CONTEXTS, ACTIONS = 6, 8
_ROWS_A_VIEWER = 4


@dataclass(frozen=True)
class World:
    """Two policies, and what actions earn."""

    log: Floats
    """(contexts, actions): chances."""
    target: Floats
    rate: Floats
    """(contexts, actions): chance of a reward, for the mean viewer."""
    habit: float
    """How far viewers' own rates are from that, as a share of it."""

    @property
    def truth(self) -> float:
        """What the target earns a decision."""
        return float(np.mean(np.sum(self.target * self.rate, axis=1)))

    def logged(self, rng: np.random.Generator, viewers: int) -> Logged:
        """What the log holds after some decisions."""
        rows = viewers * _ROWS_A_VIEWER
        viewer = np.repeat(np.arange(viewers), _ROWS_A_VIEWER)
        context = rng.integers(0, CONTEXTS, rows)
        action = np.sum(rng.random((rows, 1)) > np.cumsum(self.log[context], axis=1)[:, :-1], axis=1)
        habit = 1 + self.habit * rng.choice((-1.0, 1.0), viewers)[viewer]
        reward = np.asarray(rng.random(rows) < self.rate[context, action] * habit, np.float64)

        def learned(others: NDArray[np.bool_], these: NDArray[np.bool_]) -> tuple[Floats, Floats]:
            cell = context[others] * ACTIONS + action[others]
            count = np.bincount(cell, minlength=CONTEXTS * ACTIONS)
            earned = np.bincount(cell, reward[others], CONTEXTS * ACTIONS)
            table = ((earned + 10 * reward[others].mean()) / (count + 10)).reshape(CONTEXTS, ACTIONS)
            of_target = np.sum(self.target * table, axis=1)
            return table[context[these], action[these]], of_target[context[these]]

        expected, of_target = crossed(viewer, learned)
        propensity, target = self.log[context, action], self.target[context, action]
        unseen = np.sum(self.target * (self.log < 1 / rows), axis=1)[context]
        return Logged(reward, propensity, target, expected, of_target, viewer, (0, 1), unseen)


def world(seed: int, sharpness: float, chance: float, rate: float) -> World:
    """A log that prefers some actions, and takes any with some chance; a target that prefers others."""
    rng = np.random.default_rng(seed)
    liked, wanted, lift = (rng.normal(size=(CONTEXTS, ACTIONS)) for _ in range(3))
    log = (1 - chance) * _softmax(sharpness * liked) + chance / ACTIONS
    return World(log, _softmax(sharpness * wanted), rate * np.exp(0.4 * np.tanh(lift)), habit=0.4)


def _softmax(scores: Floats) -> Floats:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


WORLDS = {"close": world(1, 0.7, 0.3, 0.3), "far": world(2, 1.5, 0.1, 0.04)}


def coverage(name: str, runs: int, viewers: int, seed: int) -> dict[str, dict[str, float]]:
    """By estimator: the share of intervals that hold the truth, root mean square error, mean width."""
    truth = WORLDS[name].truth
    rngs = np.random.default_rng(seed).spawn(runs)
    found = [estimate(WORLDS[name].logged(rng, viewers)) for rng in rngs]
    return {estimator: _figures(found, estimator, truth) for estimator in ESTIMATORS}


def _figures(found: list[Counterfactual], estimator: str, truth: float) -> dict[str, float]:
    estimates = [one.estimates[estimator] for one in found]
    value, low, high = (
        np.array([getattr(one, name) for one in estimates]) for name in ("value", "low", "high")
    )
    return {
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "rmse": float(np.sqrt(np.mean((value - truth) ** 2))),
        "width": float(np.mean(high - low)),
    }


def main(
    runs: Annotated[int, typer.Option(min=1, help="Logs to simulate in each world.")] = 1_000,
    viewers: Annotated[int, typer.Option(min=10, help="Viewers of a log, with four decisions each.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Of the logs.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Simulate logs and count, such as `python -m benchmarks.coverage --runs 1000`."""
    result: dict[str, Any] = {"runs": runs, "viewers": viewers, "seed": seed}
    for name, one in WORLDS.items():
        result[f"{name}_truth"] = one.truth
        for estimator, figures in coverage(name, runs, viewers, seed).items():
            result |= {f"{name}_{estimator}_{what}": value for what, value in figures.items()}
    emit(result, json)


if __name__ == "__main__":
    typer.run(main)
