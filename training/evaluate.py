"""Evaluation on examples: how good is a model on what came after all that it learned from?

The test is the last fifth of the examples in time; what was shown together is one list, ranked as a whole.
For each head, and for the value (the weighted sum of what happened, against the model's own sum), the model
stands beside every baseline of training.baselines. Intervals are percentiles of a Poisson bootstrap over
viewers (Efron and Tibshirani, 1993; Chamandy et al., 2012): a viewer is drawn with all that was shown to it.
The gain over a baseline is that of the same draws. Where its interval holds 0, the two are not
distinguishable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker import heads
from ranker.heads import DAY_MS, VALUE, Prediction, longest_ms
from training import train
from training.baselines import BASELINES, Unknown, column
from training.bench import parts_by_time
from training.evaluation import BETTER, CAPTION, FEW, MODEL, SAME, WORSE, Estimate, Evaluation, Gain, Target
from training.examples import Examples, ExampleSet
from training.metrics import (
    Ranked,
    auc_by_list,
    auc_parts,
    calibration_parts,
    entropy_losses,
    gini,
    largest_share,
    log_losses,
    similarity_within,
)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LOWER_IS_BETTER = ("log_loss", "normalised_entropy", "calibration_error")
_LEAST_VIEWERS = 20
"""Of fewer a bootstrap knows too little: its intervals are too narrow; of one viewer they have no width."""


class Scores(Protocol):
    """A trained model or a bundle."""

    def predict(self, rows: NDArray[np.float32]) -> Prediction:
        """Probabilities and value of feature rows."""


class Knobs(BaseModel, frozen=True, extra="forbid"):
    """What can be turned."""

    tested: float = Field(
        0.2, gt=0, lt=1, description="Share of the examples that is the test, the last in time."
    )
    k: int = Field(10, ge=1, description="Places that count at the top of a list.")
    draws: int = Field(1_000, ge=100, description="Draws of the bootstrap.")
    least_positives: int = Field(20, ge=1, description="A head with fewer in the test is not judged.")
    new_viewer: int = Field(50, ge=1, description="A viewer who has seen fewer posts is new.")
    small_author: int = Field(100, ge=1, description="An author with fewer followers is small.")
    least_rows: int = Field(500, ge=1, description="A cohort with fewer examples in the test is not judged.")
    seed: int = Field(0, description="Of the draws, and of the order of ties.")


def trained_before(
    data: ExampleSet, knobs: Knobs, tell: Callable[[str], None] = lambda _: None
) -> tuple[Scores, int]:
    """A model that has learned from what was known when the test began, and the end of what it learned from.

    Labels are known when the longest horizon has passed, so what was shown shortly before the test is left
    out; where that would leave less than half, it is not, and the end lies within the test.
    """
    earlier, late = parts_by_time(data.examples, knobs.tested)
    times = data.examples.time_ms
    known = earlier[times[earlier] + longest_ms(data.about.heads) <= times[late].min()]
    kept = known if 2 * len(known) >= len(earlier) else earlier
    model = train.fit(data.examples[kept], train.Knobs(), tell, data.about.heads)
    return model, int(times[kept].max()) + longest_ms(data.about.heads)


def evaluate(
    data: ExampleSet,
    model: Scores,
    knobs: Knobs | None = None,
    tell: Callable[[str], None] = lambda _: None,
    learned_until_ms: int = 0,
) -> Evaluation:
    """Judge a model on the last part of the examples, which it must not have learned from.

    `tell` hears what is done next. `learned_until_ms`: the end of what the model learned from; where that is
    after the test's begin, the evaluation says so.
    """
    knobs = knobs or Knobs()
    earlier, late = parts_by_time(data.examples, knobs.tested)
    test = Test(replace(data, examples=data.examples[late]), model, knobs)
    judged, too_few = test.heads()
    targets = {}
    for name in (VALUE, *judged):
        tell(f"judging {name}")
        targets[name] = test.target(name)
    tell("cohorts")
    cohorts, small = _cohorts(test)
    return Evaluation(
        sizes={**test.sizes, "examples_before": len(earlier)},
        targets=targets,
        beyond=test.beyond(),
        cohorts=cohorts,
        not_computed={**too_few, **small, **test.missing},
        notes=(*_seen(test, learned_until_ms), CAPTION),
    )


def _seen(test: "Test", until_ms: int) -> tuple[str, ...]:
    share = float(np.mean(test.rows.time_ms < until_ms))
    if not share:
        return ()
    said = (
        f"THE MODEL MAY HAVE LEARNED FROM THE TEST: {share:.0%} of it is from before the end of what it "
        "learned from, labels that followed within their horizon counted in. Take examples of more days, or "
        "leave --model out where you gave one."
    )
    return (said,)


@dataclass(frozen=True, eq=False)
class Test:
    """Examples to judge contenders on."""

    __test__ = False  # no test of pytest's

    data: ExampleSet
    model: Scores
    knobs: Knobs
    missing: dict[str, str] = field(default_factory=dict)
    """What could not be computed, with the reason."""

    @property
    def rows(self) -> Examples:
        """The examples."""
        return self.data.examples

    @property
    def sizes(self) -> dict[str, int]:
        """How much there is of what."""
        counted = {"lists": self.rows.group, "viewers": self.rows.viewer, "posts": self.rows.post}
        return {"examples": len(self.rows), **{name: len(np.unique(of)) for name, of in counted.items()}}

    @cached_property
    def predicted(self) -> Prediction:
        """What the model says."""
        return self.model.predict(self.rows.features)

    def scores(self, target: str) -> dict[str, Floats]:
        """By contender, the model first; contenders that are not known are noted as missing."""
        heads_column = None if target == VALUE else heads.NAMES.index(target)
        said = self.predicted.value if heads_column is None else self.predicted.probabilities[:, heads_column]
        found = {MODEL: said}
        for baseline in BASELINES:
            try:
                score = baseline.score(self.data, target)
            except Unknown as why:
                self.missing[baseline.name] = str(why)
            else:
                found[baseline.name] = np.nan_to_num(score, nan=-np.inf)
        return found

    def heads(self) -> tuple[list[str], dict[str, str]]:
        """Heads with enough positives; the others with the reason."""
        positives = dict(zip(heads.NAMES, self.rows.labels.sum(axis=0).tolist(), strict=True))
        known = self.data.about.heads
        too_few = {
            name: f"{count} positives in the test" if name in known else "its horizon has not passed"
            for name, count in positives.items()
            if name not in known or count < self.knobs.least_positives
        }
        return [name for name in heads.NAMES if name not in too_few], too_few

    def target(self, name: str, rows: Mask | None = None) -> Target:
        """All contenders by one yardstick, on all rows or some."""
        kept = np.ones(len(self.rows), np.bool_) if rows is None else rows
        examples = self.rows[kept]
        happened = (
            examples.labels @ heads.WEIGHTS if name == VALUE else examples.labels[:, heads.NAMES.index(name)]
        )
        probable = () if name == VALUE else (MODEL, "current_model")
        yardstick = _Yardstick(examples, np.asarray(happened, np.float64), self.knobs)
        sums = {
            contender: yardstick.sums(score[kept], contender in probable)
            for contender, score in self.scores(name).items()
        }
        return _compared(sums, yardstick.viewers, self.knobs)

    def beyond(self) -> dict[str, dict[str, float]]:
        """Figures of the first k of each list, by each contender's value."""
        if np.any(self.rows.weight != 1):
            self.missing["beyond_accuracy"] = (
                "rows were left out by sampling: make examples with all negatives"
            )
            return {}
        posts = self.data.posts[np.unique(self.rows.post)]
        if not np.any(posts.vector.astype(np.float32) ** 2 > 0):
            self.missing["similarity"] = "no post has a vector"
        if not np.any(posts.author >= 0):
            self.missing["author_share"] = "no post has an author"
        if not np.any(posts.created_ms >= 0):
            self.missing["new_share"] = "no post has a time"
        return {name: self._beyond(score) for name, score in self.scores(VALUE).items()}

    def _beyond(self, score: Floats) -> dict[str, float]:
        nothing = np.zeros(len(score))
        ranked = Ranked.of(self.rows.group, score, nothing, seed=self.knobs.seed)
        top = ranked.above < self.knobs.k
        lists, rows = ranked.list[top], ranked.row[top]
        post, posts = self.rows.post[rows], self.data.posts
        made, wrote = posts.created_ms[post], posts.author[post]
        shown = np.unique(self.rows.post)
        figures = {
            "coverage": len(np.unique(post)) / len(shown),
            "gini": gini(np.bincount(np.searchsorted(shown, post), minlength=len(shown))),
        }
        if "author_share" not in self.missing:
            figures["author_share"] = float(largest_share(lists, wrote).mean())
        if "new_share" not in self.missing:
            figures["new_share"] = float(np.mean(self.rows.time_ms[rows] - made < DAY_MS))
        if "similarity" not in self.missing:
            figures["similarity"] = float(np.nanmean(similarity_within(lists, posts.vector[post])))
        return figures


class _Sums(NamedTuple):
    """A figure as a sum by viewer over another: float64 (viewers,) each."""

    part: Floats
    whole: Floats


@dataclass(frozen=True, eq=False)
class _Yardstick:
    """What happened to examples: the figures of scores follow."""

    examples: Examples
    happened: Floats
    """0 or 1, or what it was worth."""
    knobs: Knobs

    @cached_property
    def viewer(self) -> NDArray[np.intp]:
        return np.unique(self.examples.viewer, return_inverse=True)[1]

    @property
    def viewers(self) -> int:
        return int(self.viewer.max(initial=-1)) + 1

    @cached_property
    def weight(self) -> Floats:
        return self.examples.weight.astype(np.float64)

    def sums(self, score: Floats, probable: bool) -> dict[str, _Sums]:
        """Figures by name."""
        good = (self.happened > 0).astype(np.float64)
        value, influence = auc_parts(good, score, self.weight)
        by_viewer = auc_by_list(self.viewer, good, score, self.weight)
        seen = self._added(self.weight)
        figures = {
            "auc": _Sums(self._added(influence) * seen.sum() + value * seen, seen),
            "auc_per_viewer": _Sums(np.nan_to_num(by_viewer) * seen, seen * ~np.isnan(by_viewer)),
            **self._of_lists(score),
        }
        return {**figures, **(self._of_probabilities(score, good) if probable else {})}

    def _of_lists(self, score: Floats) -> dict[str, _Sums]:
        k, group = self.knobs.k, self.examples.group
        ranked = Ranked.of(group, score, np.maximum(self.happened, 0), self.weight, self.knobs.seed)
        figures = {
            f"ndcg_at_{k}": ranked.ndcg(k),
            "mrr": ranked.reciprocal_rank(),
            "map": ranked.average_precision(),
            f"recall_at_{k}": ranked.recall(k),
        }
        viewer = self.viewer[np.unique(group, return_index=True)[1]]
        return {name: self._mean(viewer, values) for name, values in figures.items()}

    def _of_probabilities(self, score: Floats, good: Floats) -> dict[str, _Sums]:
        seen, losses = self._added(self.weight), log_losses(good, score) * self.weight
        chance = entropy_losses(good, self.weight) * self.weight
        off = calibration_parts(good, score, self.weight) * self.weight
        return {
            "log_loss": _Sums(self._added(losses), seen),
            "normalised_entropy": _Sums(self._added(losses), self._added(chance)),
            "calibration_error": _Sums(self._added(off), seen),
        }

    def _added(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.viewer, values, self.viewers), np.float64)

    def _mean(self, viewer: NDArray[np.intp], values: Floats) -> _Sums:
        known = ~np.isnan(values)
        added = np.bincount(viewer[known], values[known], self.viewers).astype(np.float64)
        return _Sums(added, np.bincount(viewer[known], minlength=self.viewers).astype(np.float64))


def _compared(sums: Mapping[str, Mapping[str, _Sums]], viewers: int, knobs: Knobs) -> Target:
    drawn = _drawn(sums, viewers, knobs)
    value = {
        who: {what: _over(one.part.sum(), one.whole.sum()) for what, one in of.items()}
        for who, of in sums.items()
    }
    figures = {
        who: {what: Estimate(value[who][what], *_spread(draws)) for what, draws in of.items()}
        for who, of in drawn.items()
    }
    gains = {
        who: {
            what: _gain(
                what,
                value[MODEL][what] - value[who][what],
                drawn[MODEL][what] - draws,
                int(np.count_nonzero(sums[who][what].whole)),
            )
            for what, draws in of.items()
        }
        for who, of in drawn.items()
        if who != MODEL
    }
    return Target(figures, gains)


def _drawn(
    sums: Mapping[str, Mapping[str, _Sums]], viewers: int, knobs: Knobs
) -> dict[str, dict[str, Floats]]:
    """Each figure in every draw: float64 (draws,)."""
    columns = np.stack([side for of in sums.values() for one in of.values() for side in one], axis=1)
    rng, step = np.random.default_rng(knobs.seed), 50
    parts = [
        rng.poisson(1.0, (min(step, knobs.draws - first), viewers)).astype(np.float64) @ columns
        for first in range(0, knobs.draws, step)
    ]
    pairs = np.concatenate(parts).T.reshape(-1, 2, knobs.draws)
    ratios = iter(_over(pairs[:, 0], pairs[:, 1]))
    return {who: {what: next(ratios) for what in of} for who, of in sums.items()}


def _over(part: Any, whole: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(part, whole)


def _spread(draws: Floats) -> tuple[float, float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return np.nan, np.nan, np.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return float(known.std()), float(low), float(high)


def _gain(what: str, value: float, draws: Floats, viewers: int) -> Gain:
    error, low, high = _spread(draws)
    if viewers < _LEAST_VIEWERS:
        return Gain(value, error, low, high, FEW)
    sure = low > 0 or high < 0
    good = (value > 0) != (what in _LOWER_IS_BETTER)
    return Gain(value, error, low, high, (BETTER if good else WORSE) if sure else SAME)


def _cohorts(test: Test) -> tuple[dict[str, Target], dict[str, str]]:
    """The value on parts of the test; parts that are too small, with the reason."""
    rows, posts, knobs = test.rows, test.data.posts, test.knobs
    made, language = posts.created_ms[rows.post], posts.language[rows.post]
    parts = {
        "new viewers": column(rows, "viewer_impressions") < np.log1p(knobs.new_viewer),
        "new posts": (made >= 0) & (rows.time_ms - made < DAY_MS),
        "small authors": column(rows, "author_followers") < np.log1p(knobs.small_author),
        **{f"language {name}": language == number for number, name in enumerate(posts.languages)},
    }
    enough = {name: part for name, part in parts.items() if part.sum() >= knobs.least_rows}
    small = {name: f"{part.sum()} examples in the test" for name, part in parts.items() if name not in enough}
    return {name: test.target(VALUE, part) for name, part in enough.items()}, small
