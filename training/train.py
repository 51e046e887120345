"""Training: examples in, a bundle out. One LightGBM a head, read from top to bottom.

Method. The examples are cut by time into three parts: to learn from, to stop and calibrate by, and a test
that neither has seen; the labels of rows just before a cut may rest on what happened after it, by a head's
horizon at most. For each head with enough positives a binary gradient-boosted forest (Ke et al.,
"LightGBM", NeurIPS 2017) learns from the first part and stops growing when the log loss on the second does
not fall any more; that part also chooses its calibration (training.calibration). All figures are those of
this first forest on the test. Then a forest of as many trees learns from all examples, the latest too, and
goes into the bundle with the first one's calibration: it is not the forest that was measured, but one that
knows more. Features that must never help a post are held to that (`NEVER_HELPS`). Rows that sampling kept
count by their weight, so probabilities are those before sampling.

The place that a post was shown at pulls actions too. It is dealt with as `Knobs.position` says, and no test
of it is left in the bundle (training.position). The ranking part, if wanted, is a LambdaRank forest (Burges,
"From RankNet to LambdaRank to LambdaMART", 2010) over what was shown together, graded by the value of what
was done.
"""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker import features
from ranker.bundle import RANKING, Facts, HeadFacts, Model, RankingFacts
from ranker.calibration import Isotonic, Platt
from ranker.errors import FeedrankError
from ranker.heads import NAMES, Prediction, weights
from training import Tell
from training.bench import LIGHTGBM, PLACE, Bench, Floats, Rows, parts_by_time
from training.bundles import save_bundle
from training.calibration import applied, calibrated
from training.examples import Examples, ExampleSet
from training.metrics import Ranked, auc_parts, calibration_parts, entropy_losses, log_losses
from training.position import Position

NEVER_HELPS = ("post_negative_rate", "author_negative_rate", "author_negative", "topic_negative")
"""Features of which more never raises a wanted action's chance, nor lowers an unwanted one's."""

_GAINS = (0, 1, 2, 3, 5, 9, 17)

_TOP = 10
_CURVE_ROWS = 20_000
_SHARES = np.linspace(0, 1, 11)


class Knobs(BaseModel, frozen=True, extra="forbid"):
    """What can be turned."""

    watched: float = Field(
        0.15, gt=0, lt=0.5, description="Share that stops and calibrates, after the first."
    )
    tested: float = Field(0.15, gt=0, lt=0.5, description="Share that only tests, the last in time.")
    least_positives: int = Field(
        50, ge=10, description="A head with fewer positives to learn from is left out."
    )
    trees: int = Field(300, ge=1, description="Trees a head, at most.")
    leaves: int = Field(31, ge=2, description="Leaves a tree.")
    learning_rate: float = Field(0.04, gt=0, le=1, description="What a tree adds, as a share.")
    least_examples_a_leaf: int = Field(100, ge=1, description="Examples in a leaf, at least.")
    features_a_tree: float = Field(0.6, gt=0, le=1, description="Share of the features a tree may use.")
    examples_a_tree: float = Field(0.8, gt=0, le=1, description="Share of the examples a tree learns from.")
    most_examples_a_tree: int = Field(
        100_000, ge=1_000, description="And that many at most, drawn anew for each tree."
    )
    leaf_penalty: float = Field(1.0, ge=0, description="L2 penalty of a leaf's value.")
    patience: int = Field(30, ge=1, description="Trees without progress on the watched part before the end.")
    position: Position = Field(
        "auto", description="How the pull of the place is dealt with: see training.position."
    )
    ranking: bool = Field(False, description="Also learn the order as such, with LambdaRank.")
    seed: int = Field(7, description="Of all that is drawn at random.")
    seeds: int = Field(1, ge=1, le=20, description="Forests a head, of successive seeds, averaged.")
    threads: int = Field(2, ge=1, description="Heads trained at once. The model does not depend on it.")


QUICK = Knobs(trees=40, leaves=15, learning_rate=0.15, patience=8)
"""For loops that train often: a few seconds a head on a hundred thousand examples."""


class TrainingFailed(FeedrankError):
    """No model came of it."""


class HeadModel(NamedTuple):
    """A trained head: its facts, its figures on the test, and what a report draws."""

    facts: HeadFacts
    metrics: dict[str, float]
    """auc, log_loss, base_log_loss (of the test's own rate), calibration_error, base_rate; NaN: one label."""
    spread: dict[str, float]
    """Standard deviation of the same over the forests of several seeds; empty for one."""
    curves: dict[str, list[float]]
    """Loss after each tree, of "learned" and "watched" rows, for the first seed."""
    labels: NDArray[np.uint8]
    """Of the test ..."""
    probability: Floats
    """... with what the first forest says ..."""
    weight: Floats
    """... and how many rows each stands for."""


@dataclass(frozen=True, eq=False)
class Trained:
    """All that training came to."""

    model: Model
    """What the bundle serves."""
    heads: dict[str, HeadModel]
    left_out: dict[str, str]
    """Heads, and perhaps the ranking part, that were not trained, with the reason."""
    figures: dict[str, float]
    """Of the value as a ranking, on the test: NDCG@10 of what was shown together."""
    gains: Floats
    """(heads, features): what each feature took off its head's loss, as a share; in the order of `heads`."""
    position: str
    """What was done about the place, in a sentence."""
    sizes: tuple[int, int, int]
    """Examples to learn from, to watch and to test."""

    def predict(self, rows: NDArray[np.float32]) -> Prediction:
        """What the bundle says of feature rows, float32 (n, features)."""
        return self.model.predict(rows)

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """Calibrated probabilities: float64 (n, heads of ranker.heads), 0 for a head that was left out."""
        return self.predict(rows).probabilities


def train(
    examples: ExampleSet,
    models: Path,
    licence: str = "",
    knobs: Knobs | None = None,
    tell: Tell = lambda _: None,
    examples_from: str = "",
) -> tuple[Path, Trained]:
    """Train on examples and save the bundle in the folder `models`; its folder and what was trained.

    `licence`: of the data, where it is not what the example set says. `tell` hears what was done.
    `examples_from`: where the set lies, for the manifest. Raises TrainingFailed when no head has enough
    positives.
    """
    knobs = knobs or Knobs()
    trained = fit(examples.examples, knobs, tell, examples.about.heads)
    facts = facts_of(trained, examples, knobs, licence or examples.about.licence, examples_from)
    return save_bundle(models, trained.model.forest, facts, examples.people), trained


def facts_of(
    trained: Trained, examples: ExampleSet, knobs: Knobs, licence: str, examples_from: str = ""
) -> Facts:
    """What a bundle's manifest says of a model."""
    forest, (from_ms, to_ms) = trained.model.forest, examples.window
    digest = hashlib.sha256(b"".join(array.tobytes() for array in (forest.threshold, forest.leaf_value)))
    created_ms = time.time_ns() // 1_000_000
    moment = datetime.fromtimestamp(created_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    figures = {f"{name}_{key}": x for name, head in trained.heads.items() for key, x in head.metrics.items()}
    return Facts(
        version=f"{moment}-{digest.hexdigest()[:4]}",
        created_ms=created_ms,
        features=features.NAMES,
        heads=trained.model.heads,
        ranking=trained.model.ranking,
        left_out=trained.left_out,
        from_ms=from_ms,
        to_ms=to_ms,
        examples=len(examples.examples),
        examples_sha256=examples.sha256,
        examples_from=examples_from,
        people=examples.people.facts if examples.people else None,
        seed=knobs.seed,
        knobs=knobs.model_dump(),
        position=trained.position,
        metrics={name: x for name, x in (figures | trained.figures).items() if np.isfinite(x)},
        data_licence=licence,
    )


def fit(
    examples: Examples, knobs: Knobs, tell: Tell = lambda _: None, heads: Sequence[str] = NAMES
) -> Trained:
    """Train those of `heads` that have enough positives; raises TrainingFailed when none has."""
    parts_of_time = parts_by_time(examples, knobs.watched, knobs.tested)
    wanted, left_out = trainable(examples, parts_of_time, knobs.least_positives, heads)
    bench = Bench(examples, parts_of_time, knobs.position, knobs.seed)
    parts: dict[str, _Part] = {}
    trained: dict[str, HeadModel] = {}
    with ThreadPoolExecutor(knobs.threads) as pool:
        fits = pool.map(lambda name: _fit_head(bench, name, knobs), wanted)
        for name, (part, model) in zip(wanted, fits, strict=True):
            parts[name], trained[name] = part, model
            tell(f"{name}: {part.trees} trees, AUC {model.metrics['auc']:.3f}")
    ranking = None
    if knobs.ranking:
        ranking, part, left_out[RANKING] = _fit_ranking(bench, parts, knobs)
        tell(left_out[RANKING] or "the ranking part")
        if ranking is not None:
            parts[RANKING] = part
            del left_out[RANKING]
    whole = Model(
        forest=bench.served({name: part.boosters for name, part in parts.items()}),
        heads=tuple(head.facts for head in trained.values()),
        ranking=ranking,
        width=len(features.NAMES),
        head_names=NAMES,
    )
    gains = np.array([_gains(parts[name].boosters) for name in trained])
    said = {name: part.tested for name, part in parts.items()}
    figures = {"value_ndcg_at_10": _ndcg(bench, bench.tested, _value(said, ranking))}
    return Trained(whole, trained, left_out, figures, gains, bench.handled, bench.sizes)


def trainable(
    examples: Examples, parts: Sequence[Rows], least_positives: int, heads: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The heads with enough positives and negatives in the first part; the others with the reason."""
    wanted, left_out, learn = [], {}, parts[0]
    for column, name in enumerate(NAMES):
        positives = int(examples.labels[learn, column].sum())
        if name not in heads:
            left_out[name] = "the examples have no labels of it"
        elif min(positives, len(learn) - positives) < least_positives:
            left_out[name] = f"{positives:,} of {len(learn):,} examples are positive"
        else:
            wanted.append(name)
    if not wanted or not all(map(len, parts)):
        raise TrainingFailed(
            f"none of the heads has {least_positives} positives among {len(learn):,} examples to learn from: "
            f"train on a longer history, and see that it holds impressions"
        )
    return wanted, left_out


_RANKING_SETTINGS = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [_TOP],
    "label_gain": list(_GAINS),
    "lambdarank_truncation_level": 2 * _TOP,
}


class _Part(NamedTuple):
    """What goes into the bundle, and what the first forests say."""

    boosters: list[lightgbm.Booster]
    trees: int
    watched: Floats
    """Probabilities of the watched rows; raw scores, where it is the ranking part."""
    tested: Floats
    """The same of the tested rows."""


class Scouts(NamedTuple):
    """The first forests of a head, one a seed, with the number of trees each found and its losses."""

    boosters: list[lightgbm.Booster]
    trees: list[int]
    curves: dict[str, list[float]]


def scouts(bench: Bench, head: str, knobs: Knobs) -> Scouts:
    """Forests that learn from the first part and stop by the second."""
    learned, watched = bench.data(bench.learn, head), bench.data(bench.watched, head)
    few = bench.data(bench.learn[:: max(1, len(bench.learn) // _CURVE_ROWS)], head)  # all would cost a fifth
    boosters, trees, curves = [], [], []
    for seed in range(knobs.seed, knobs.seed + knobs.seeds):
        losses: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            _settings(bench, head, knobs, seed),
            learned,
            knobs.trees,
            valid_sets=[watched, few],
            valid_names=["watched", "learned"],
            callbacks=[_stop(knobs), lightgbm.record_evaluation(losses)],
        )
        curves.append({part: next(iter(of.values())) for part, of in losses.items()})
        best = np.argmax if head == RANKING else np.argmin
        booster.best_iteration = int(best(curves[-1]["watched"])) + 1
        boosters.append(booster)
        trees.append(booster.best_iteration)
    return Scouts(boosters, trees, curves[0])


def _settings(bench: Bench, head: str, knobs: Knobs, seed: int) -> dict[str, Any]:
    """What LightGBM is told."""
    share = min(knobs.examples_a_tree, knobs.most_examples_a_tree / max(len(bench.learn), 1))
    fixed: dict[str, Any] = {
        "learning_rate": knobs.learning_rate,
        "num_leaves": knobs.leaves,
        "min_data_in_leaf": knobs.least_examples_a_leaf,
        "feature_fraction": knobs.features_a_tree,
        "bagging_fraction": share,
        "bagging_freq": 1,
        "lambda_l2": knobs.leaf_penalty,
        "seed": seed,
        **LIGHTGBM,
    }
    fixed["monotone_constraints"] = _constraints(bench, head)
    if head == RANKING:
        return fixed | _RANKING_SETTINGS
    return fixed | {"objective": "cross_entropy" if bench.position == "propensity" else "binary"}


def _constraints(bench: Bench, head: str) -> list[int]:
    """-1 where more of a column must not raise the score, 1 where it must not lower it, 0 elsewhere."""
    if strange := [name for name in NEVER_HELPS if name not in features.NAMES]:
        raise TrainingFailed(
            f"NEVER_HELPS in training/train.py names {', '.join(strange)}, which ranker.features does "
            f"not have: name what took its place, or take it out"
        )
    wanted = head == RANKING or weights()[head] > 0
    of = dict.fromkeys(NEVER_HELPS, -1 if wanted else 1) | {PLACE: -1}
    return [of.get(name, 0) for name in bench.names]


def _stop(knobs: Knobs) -> Any:
    return lightgbm.early_stopping(knobs.patience, first_metric_only=True, verbose=False)


def _fit_head(bench: Bench, head: str, knobs: Knobs) -> tuple[_Part, HeadModel]:
    found = scouts(bench, head, knobs)
    curve, probability = _judged(bench, head, found.boosters)
    watched = applied(curve, bench.raw({head: found.boosters}, bench.watched)[:, 0])
    boosters = _final(bench, head, knobs, found.trees)
    labels = bench.examples.labels[:, NAMES.index(head)]
    facts = HeadFacts(
        name=head,
        calibration=curve,
        examples=len(labels),
        positives=int(labels.sum()),
        trees=round(float(np.mean(found.trees))),
    )
    tested, weight = labels[bench.tested], bench.weight[bench.tested]
    each = [_judged(bench, head, [booster])[1] for booster in found.boosters] if knobs.seeds > 1 else []
    figures = [metrics(tested, chance, weight) for chance in each]
    spread = (
        {name: float(np.std([one[name] for one in figures], ddof=1)) for name in figures[0]} if each else {}
    )
    model = HeadModel(
        facts, metrics(tested, probability, weight), spread, found.curves, tested, probability, weight
    )
    return _Part(boosters, facts.trees, watched, probability), model


def _judged(bench: Bench, head: str, boosters: list[lightgbm.Booster]) -> tuple[Platt | Isotonic, Floats]:
    """The calibration that the watched part chooses, and the probabilities of the tested part."""
    rows, examples = bench.watched, bench.examples
    labels = examples.labels[rows, NAMES.index(head)]
    raw = bench.raw({head: boosters}, rows)[:, 0]
    curve = calibrated(raw, labels, bench.weight[rows], examples.group[rows])
    return curve, applied(curve, bench.raw({head: boosters}, bench.tested)[:, 0])


def _final(bench: Bench, head: str, knobs: Knobs, trees: list[int]) -> list[lightgbm.Booster]:
    """Forests of so many trees that learn from all examples, one a seed."""
    data = bench.data(np.arange(len(bench.examples)), head)
    seeds = range(knobs.seed, knobs.seed + knobs.seeds)
    return [
        lightgbm.train(_settings(bench, head, knobs, seed), data, count)
        for seed, count in zip(seeds, trees, strict=True)
    ]


def metrics(labels: NDArray[np.uint8], probability: Floats, weight: Floats) -> dict[str, float]:
    """Figures of a head: see HeadModel.metrics."""
    base_rate = float(weight @ labels / weight.sum()) if len(labels) else float("nan")
    if not 0 < labels.sum() < len(labels):
        return dict.fromkeys(("auc", "log_loss", "base_log_loss", "calibration_error"), float("nan")) | {
            "base_rate": base_rate
        }
    parts = {
        "log_loss": log_losses(labels, probability),
        "base_log_loss": entropy_losses(labels, weight),
        "calibration_error": calibration_parts(labels, probability, weight),
    }
    means = {name: float(weight @ part / weight.sum()) for name, part in parts.items()}
    return {"auc": auc_parts(labels, probability, weight)[0], **means, "base_rate": base_rate}


def _fit_ranking(
    bench: Bench, parts: dict[str, _Part], knobs: Knobs
) -> tuple[RankingFacts | None, _Part, str]:
    """The ranking part; or None and why the heads are better off without it.

    Its raw score becomes a value by a line, least squares to the value of what was done; its share is that
    of eleven which orders the watched part best.
    """
    found = scouts(bench, RANKING, knobs)
    raw = {
        part: bench.raw({RANKING: found.boosters}, getattr(bench, part))[:, 0]
        for part in ("watched", "tested")
    }
    part = _Part(_final(bench, RANKING, knobs, found.trees), round(float(np.mean(found.trees))), **raw)
    value, weight = bench.value[bench.watched], bench.weight[bench.watched]
    a, b = np.polyfit(part.watched, value, 1, w=np.sqrt(weight)) if np.ptp(part.watched) else (0.0, 0.0)
    if a <= 0:
        return None, part, "no ranking part: its score does not rise with the value of what was done"
    facts = RankingFacts(a=a, b=b, share=1, weights=weights(), trees=part.trees)
    said = {name: of_head.watched for name, of_head in parts.items()} | {RANKING: part.watched}
    blends = [facts.model_copy(update={"share": float(share)}) for share in _SHARES]
    best = int(np.argmax([_ndcg(bench, bench.watched, _value(said, blend)) for blend in blends]))
    if best == 0:
        return None, part, "no ranking part: the heads alone order the watched examples best"
    return blends[best], part, ""


def _value(said: dict[str, Floats], ranking: RankingFacts | None) -> Floats:
    """The value of rows by the probabilities of heads and the raw score of the ranking part."""
    worth = weights()
    value: Floats = np.sum([worth[name] * p for name, p in said.items() if name != RANKING], axis=0)
    if ranking is None:
        return value
    return ranking.share * (ranking.a * said[RANKING] + ranking.b) + (1 - ranking.share) * value


def _ndcg(bench: Bench, rows: Rows, value: Floats) -> float:
    """NDCG@10 of what was shown together, graded by the value of what was done; NaN where nothing was."""
    gains = np.maximum(bench.value[rows], 0)
    lists = Ranked.of(bench.examples.group[rows], value, gains, bench.weight[rows], seed=0)
    found = lists.ndcg(_TOP)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _gains(boosters: list[lightgbm.Booster]) -> Floats:
    """What each feature took off the loss, as a share; the place not counted."""
    gains = np.sum(
        [booster.feature_importance("gain")[: len(features.NAMES)] for booster in boosters], axis=0
    )
    return np.asarray(gains / max(gains.sum(), 1e-300), np.float64)
