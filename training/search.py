"""Search for better knobs, with Optuna's tree-structured Parzen estimator, within a budget of time.

What is made small is the log loss on the part that stops and calibrates, of the first forests: as a share
of the base rate's, mean over the heads. The test stays unseen. The first trial is what the search begins
from, so the result is never worse on that part; whether it is better on the test is for the figures to say.
Source: Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019; Bergstra et
al., "Algorithms for hyper-parameter optimization", NeurIPS 2011.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import optuna

from ranker.heads import NAMES
from training import Tell
from training.bench import Bench, parts_by_time
from training.examples import Examples
from training.train import Knobs, scouts, trainable

TURNED: dict[str, tuple[Any, Any, bool]] = {
    "leaves": (7, 127, True),
    "learning_rate": (0.02, 0.2, True),
    "least_examples_a_leaf": (10, 1_000, True),
    "features_a_tree": (0.2, 1.0, False),
    "examples_a_tree": (0.3, 1.0, False),
    "leaf_penalty": (1e-3, 100.0, True),
}
"""The knobs that are turned: from, to, and whether steps are equal in the logarithm."""


class Searched(NamedTuple):
    """What a search found."""

    knobs: Knobs
    loss: float
    """Share of the base rate's log loss, mean over the heads."""
    first_loss: float
    """The same of the knobs that it began from."""
    trials: int


def search(
    examples: Examples, knobs: Knobs, seconds: float, tell: Tell = lambda _: None, trials: int | None = None
) -> Searched:
    """The best knobs found in so many seconds, or `trials` trials; a trial that has begun is ended.

    The trials follow from knobs.seed; how many there is time for does not. Raises TrainingFailed where no
    head can be trained.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parts = parts_by_time(examples, knobs.watched, knobs.tested)
    heads, _ = trainable(examples, parts, knobs.least_positives, NAMES)
    bench = Bench(examples, parts, knobs.position, knobs.seed)
    base = {head: _base_loss(bench, head) for head in heads}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=knobs.seed))
    study.enqueue_trial({name: getattr(knobs, name) for name in TURNED})
    end = time.monotonic() + seconds

    def loss(trial: optuna.Trial) -> float:
        turned = knobs.model_copy(update={**_drawn(trial), "seeds": 1})
        with ThreadPoolExecutor(knobs.threads) as pool:
            found = pool.map(
                lambda head: min(scouts(bench, head, turned).curves["watched"]) / base[head], heads
            )
            return float(np.mean(list(found)))

    def report(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        left = max(end - time.monotonic(), 0) / 60
        tell(f"search: trial {trial.number + 1}, best {study.best_value:.4f}, {left:.1f} minutes left")

    study.optimize(loss, n_trials=trials, timeout=seconds, callbacks=[report])
    best = knobs.model_copy(update=study.best_params)
    return Searched(best, study.best_value, float(study.trials[0].value or np.nan), len(study.trials))


def _drawn(trial: optuna.Trial) -> dict[str, float]:
    """A value for each knob of TURNED."""
    draw = {int: trial.suggest_int, float: trial.suggest_float}
    return {name: draw[type(low)](name, low, high, log=log) for name, (low, high, log) in TURNED.items()}


def _base_loss(bench: Bench, head: str) -> float:
    rows = bench.watched
    labels = bench.examples.labels[rows, NAMES.index(head)] * bench.look[rows]
    rate = float(np.average(labels, weights=bench.weight[rows]))
    return -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)) if 0 < rate < 1 else 1.0
