"""Training: examples in, a bundle out. One LightGBM a head, read from top to bottom.

Method. The examples are split by time: the last fifth of the impressions is held back. For each head with
enough positives a binary gradient-boosted forest (Ke et al., "LightGBM", NeurIPS 2017) learns from the
earlier part and stops growing when the held-back log loss does. That tells the number of trees, and the
held-back part gives a Platt calibration (Platt 1999) and the figures. Then a forest of that many trees learns
from all examples, the latest too, and goes into the bundle. The figures are those of the first forest, on a
part that early stopping and calibration have seen: `feedrank evaluate` is the judge.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from ranker import features
from ranker.bundle import Facts, HeadFacts
from ranker.calibration import Platt, chains, probabilities
from ranker.errors import FeedrankError
from ranker.heads import HEADS
from training.bundles import forest_from_boosters, save_bundle
from training.examples import Examples

Floats = NDArray[np.float64]


class Knobs(BaseModel, frozen=True, extra="forbid"):
    """What can be turned."""

    held_back: float = Field(0.2, gt=0, lt=1, description="Share of the impressions, the last in time.")
    least_positives: int = Field(
        50, ge=10, description="A head with fewer positives to learn from is left out."
    )
    trees: int = Field(300, ge=1, description="Trees a head, at most.")
    leaves: int = Field(31, ge=2, description="Leaves a tree.")
    learning_rate: float = Field(0.04, gt=0, le=1, description="What a tree adds, as a share.")
    least_examples_a_leaf: int = Field(100, ge=1, description="Examples in a leaf, at least.")
    features_a_tree: float = Field(0.6, gt=0, le=1, description="Share of the features a tree may use.")
    examples_a_tree: float = Field(0.8, gt=0, le=1, description="Share of the examples a tree learns from.")
    patience: int = Field(
        30, ge=1, description="Trees without progress on the held-back part before the end."
    )
    seed: int = Field(7, description="Of all that is drawn at random.")
    threads: int = Field(2, ge=1, description="Threads of LightGBM.")


class TrainingFailed(FeedrankError):
    """No model came of it."""


class HeadModel(NamedTuple):
    """A trained head, with its calibration and its figures on the held-back part."""

    booster: lightgbm.Booster
    facts: HeadFacts
    metrics: dict[str, float]
    """auc, log_loss and base_rate; NaN where the held-back part has but one label."""


class Trained(NamedTuple):
    """All heads that could be trained, by name, and the others with the reason."""

    heads: dict[str, HeadModel]
    left_out: dict[str, str]

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probabilities: float64 (n, heads of ranker.heads), 0 for a head that was left out."""
        answer = np.zeros((len(rows), len(HEADS)))
        for column, head in enumerate(HEADS):
            if (model := self.heads.get(head.name)) is not None:
                raw = model.booster.predict(rows, raw_score=True)
                answer[:, column] = probabilities(
                    np.asarray(raw)[:, None], chains([model.facts.calibration])
                )[:, 0]
        return answer


def train(
    examples: Examples,
    models: Path,
    licence: str,
    knobs: Knobs | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> tuple[Path, Trained]:
    """Train on examples and save the bundle in the folder `models`; its folder and what was trained.

    `licence` is that of the data. `done` hears of each head. Raises TrainingFailed when no head has enough
    positives.
    """
    knobs = knobs or Knobs()
    trained = fit(examples, knobs, done)
    forest = forest_from_boosters({name: head.booster for name, head in trained.heads.items()})
    created_ms = time.time_ns() // 1_000_000
    digest = hashlib.sha256(b"".join(array.tobytes() for array in (forest.threshold, forest.leaf_value)))
    moment = datetime.fromtimestamp(created_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    facts = Facts(
        version=f"{moment}-{digest.hexdigest()[:4]}",
        created_ms=created_ms,
        features=features.NAMES,
        heads=tuple(head.facts for head in trained.heads.values()),
        from_ms=int(examples.time_ms.min()),
        to_ms=int(examples.time_ms.max()) + 1,
        seed=knobs.seed,
        metrics=_flat({name: head.metrics for name, head in trained.heads.items()}),
        data_licence=licence,
    )
    return save_bundle(models, forest, facts), trained


def fit(examples: Examples, knobs: Knobs, done: Callable[[str], None] = lambda _: None) -> Trained:
    """Train every head that has enough positives; raises TrainingFailed when none has."""
    learn, held_back = split_by_time(examples, knobs.held_back)
    heads: dict[str, HeadModel] = {}
    left_out: dict[str, str] = {}
    for column, head in enumerate(HEADS):
        positives = int(learn.labels[:, column].sum())
        if min(positives, len(learn) - positives) < knobs.least_positives:
            left_out[head.name] = f"{positives} of {len(learn)} examples are positive"
        else:
            heads[head.name] = _fit_head(column, examples, learn, held_back, knobs)
        done(head.name)
    if not heads:
        least = knobs.least_positives
        raise TrainingFailed(
            f"none of the heads has {least} positives among {len(learn)} examples to learn from: train on a "
            f"longer history, and see that it holds impressions"
        )
    return Trained(heads, left_out)


def split_by_time(examples: Examples, held_back: float) -> tuple[Examples, Examples]:
    """The earlier and the last part of the examples; what was shown together stays together."""
    order = np.lexsort((examples.group, examples.time_ms))
    at = int(len(order) * (1 - held_back))
    late = np.isin(examples.group, np.unique(examples.group[order[at:]]))
    return examples[~late], examples[late]


def _fit_head(
    column: int, examples: Examples, learn: Examples, held_back: Examples, knobs: Knobs
) -> HeadModel:
    early, watched = _dataset(learn, column), _dataset(held_back, column)
    stop = lightgbm.early_stopping(knobs.patience, verbose=False)
    scout = lightgbm.train(
        _settings(knobs), early, knobs.trees, valid_sets=[watched.set_reference(early)], callbacks=[stop]
    )
    raw = np.asarray(scout.predict(held_back.features, raw_score=True), np.float64)
    a, b = _platt(raw, held_back.labels[:, column])
    booster = lightgbm.train(_settings(knobs), _dataset(examples, column), max(scout.best_iteration, 1))
    positives = int(examples.labels[:, column].sum())
    facts = HeadFacts(
        name=HEADS[column].name, calibration=Platt(a=a, b=b), examples=len(examples), positives=positives
    )
    return HeadModel(booster, facts, _metrics(1 / (1 + np.exp(-(a * raw + b))), held_back.labels[:, column]))


def _dataset(examples: Examples, column: int) -> lightgbm.Dataset:
    return lightgbm.Dataset(examples.features, examples.labels[:, column], feature_name=list(features.NAMES))


def _settings(knobs: Knobs) -> dict[str, Any]:
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": knobs.learning_rate,
        "num_leaves": knobs.leaves,
        "min_data_in_leaf": knobs.least_examples_a_leaf,
        "feature_fraction": knobs.features_a_tree,
        "bagging_fraction": knobs.examples_a_tree,
        "bagging_freq": 1,
        "seed": knobs.seed,
        "num_threads": knobs.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }


def _platt(raw: Floats, labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Slope and intercept that make sigmoid(a * raw + b) fit the labels; (1, 0) where there is too little."""
    if min(labels.sum(), len(labels) - labels.sum()) < 10 or np.ptp(raw) == 0:
        return 1.0, 0.0
    curve = LogisticRegression(C=1e6).fit(raw[:, None], labels)
    a, b = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    # A falling curve would turn the order round: the held-back part is too small to say so.
    return (a, b) if a > 0 else (1.0, 0.0)


def _metrics(probability: Floats, labels: NDArray[np.uint8]) -> dict[str, float]:
    base_rate = float(labels.mean()) if len(labels) else float("nan")
    if not 0 < base_rate < 1:
        return {"auc": float("nan"), "log_loss": float("nan"), "base_rate": base_rate}
    return {
        "auc": float(roc_auc_score(labels, probability)),
        "log_loss": float(log_loss(labels, probability)),
        "base_rate": base_rate,
    }


def _flat(metrics: dict[str, dict[str, float]]) -> dict[str, float]:
    """Figures by name, such as "like_auc", without those that are not known."""
    named = {f"{head}_{name}": value for head, figures in metrics.items() for name, value in figures.items()}
    return {name: value for name, value in named.items() if np.isfinite(value)}
