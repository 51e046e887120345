"""What another policy would have earned, from a log whose choices were partly drawn by chance.

A row is one decision: what was shown at one place of one answer. The log says with which chance it was made
(the propensity), the target says with which chance it would have made the same; the weight is their ratio.
Pages are taken place by place (the item-position model: a post's reward depends on the post, the viewer and
the place, not on its neighbours; Li et al., "Offline evaluation of ranking policies with click models",
KDD 2018).

    ips        mean of weight x reward                           Horvitz and Thompson, 1952
    snips      the same over the mean weight                     Swaminathan and Joachims, NeurIPS 2015
    dr         expected reward + weight x (reward - expected)    Dudík, Langford and Li, ICML 2011
    switch_dr  dr, not corrected where weights pass a threshold  Wang et al., ICML 2017
    dros       dr with weights shrunk to a w / (w² + a)          Su et al., ICML 2020

The threshold and the shrinkage make the estimated variance plus squared bias least; the bias, taken as large
as its own interval allows, widens the interval (Armstrong and Kolesár, Econometrica 2018).

Intervals. Rows of a cluster (a viewer) depend on each other, so the clusters' sums are the sample. The
interval is Student's, with the skewness removed by Hall's transformation (JRSS B, 1992), for a few heavy
weights make one side long; and with as many degrees of freedom as there are clusters that matter, by their
fourth powers, for few of these tell little of the variance (after Satterthwaite, 1946). How often such
intervals hold the truth is counted by `benchmarks.coverage`. Two clusters are added to the variance, one with
the least and one with the greatest reward, so that a log without a click does not claim to know that nobody
ever clicks. What the log can not tell is not left out: the target's probability on what the log hardly ever
does enters the interval with the least and the greatest reward, and below an effective sample size of 30 the
interval is all that is possible.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2
from scipy.stats import t as student

Floats = NDArray[np.float64]
Clusters = NDArray[np.integer[Any]]

LEAST_SAMPLE = 30
"""The effective sample size below which an estimate is not given an interval of its own."""
_MOST_WEIGHT, _MOST_ERRORS = 1.1, 5.0
"""The weights' mean may lie so high, and so many standard errors higher; beyond, propensities are wrong."""

_LEVEL = 0.95
_HEAVY = 0.1
_CANDIDATES = 25


@dataclass(frozen=True, eq=False)
class Logged:
    """Decisions of a log beside those of a target: columns of length n."""

    reward: Floats
    propensity: Floats
    """The log's chance of what it did, above 0."""
    target: Floats
    """The target's chance of the same."""
    expected: Floats
    """A model's reward of what was done; learned on other rows than it is asked for (see `crossed`)."""
    expected_of_target: Floats
    """The model's reward of what the target would do: the mean over its choices."""
    cluster: Clusters
    """Rows of one number depend on each other, others do not."""
    bounds: tuple[float, float]
    """The least and the greatest reward that is possible."""
    unseen: Floats | None = None
    """The target's chance, row by row, of what the log does with a propensity below `floor`; None: not known.

    Then it is told by the weights, whose mean is 1 where the log does all that the target would.
    """

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def weight(self) -> Floats:
        """How much more often the target does what was done; 0 below the floor, where it counts as unseen."""
        return np.where(self.propensity < self.floor, 0, self.target / self.propensity)

    @property
    def floor(self) -> float:
        """The propensity of what is done once in such a log, or less."""
        return 1 / max(len(self), 1)


@dataclass(frozen=True)
class Estimate:
    """A value a decision, and its 95 % interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Overlap:
    """How much of the target the log has seen."""

    decisions: int
    clusters: int
    effective_sample_size: float
    """(sum of the weights)² / sum of their squares. Source: Kish, Survey Sampling, 1965."""
    mean_weight: float
    max_weight: float
    rare: float
    """The target's probability, by the weights, on choices with a propensity below 0.01."""
    unseen: float
    """The target's probability that the log has no part in; it widens the intervals."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Counterfactual:
    """A target's value by every estimator."""

    estimates: dict[str, Estimate]
    overlap: Overlap

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            **{name: asdict(one) for name, one in self.estimates.items()},
            **asdict(self.overlap),
        }


def estimate(log: Logged) -> Counterfactual:
    """The target's value with every estimator of ESTIMATORS."""
    overlap = _overlap(log)
    return Counterfactual({name: _estimate(log, overlap, part) for name, part in ESTIMATORS.items()}, overlap)


def own_value(reward: Floats, cluster: Clusters, bounds: tuple[float, float]) -> Estimate:
    """What the log's own policy earned, with the same kind of interval."""
    one = np.ones(len(reward))
    log = Logged(reward, one, one, one * 0, one * 0, cluster, bounds, one * 0)
    return _estimate(log, _overlap(log), _ips)


def crossed(
    log_cluster: Clusters,
    learned: Callable[[NDArray[np.bool_], NDArray[np.bool_]], tuple[Floats, Floats]],
    folds: int = 5,
) -> tuple[Floats, Floats]:
    """`expected` and `expected_of_target` from a model of the reward that has not seen the row's cluster.

    `learned(others, these)` learns from the rows of one mask and answers for those of the other. Source:
    cross-fitting, Chernozhukov et al., Econometrics Journal 2018.
    """
    clusters, number = np.unique(log_cluster, return_inverse=True)
    fold = np.random.default_rng(0).integers(0, folds, len(clusters))[number]
    done, of_target = np.zeros(len(number)), np.zeros(len(number))
    for one in range(folds):
        these = fold == one
        if these.any():
            done[these], of_target[these] = learned(~these, these)
    return done, of_target


class Numbers(NamedTuple):
    """One number a decision, float64 (n,); the estimate is their mean."""

    values: Floats
    missing: Floats | float = 0.0
    """What they lack of numbers without bias."""


def _ips(log: Logged) -> Numbers:
    return Numbers(log.weight * log.reward)


def _snips(log: Logged) -> Numbers:
    weight = log.weight
    if not weight.any():
        return Numbers(np.zeros(len(log)))
    value = weight @ log.reward / weight.sum()
    return Numbers(np.asarray(value + weight * (log.reward - value) / weight.mean(), np.float64))


def _dr(log: Logged) -> Numbers:
    return _corrected(log, log.weight)


def _switch_dr(log: Logged) -> Numbers:
    weight = log.weight
    thresholds = np.unique(np.quantile(weight, np.linspace(0.5, 1, _CANDIDATES)))
    return _least_error(log, [np.where(weight <= limit, weight, 0) for limit in thresholds])


def _dros(log: Logged) -> Numbers:
    weight = log.weight
    most = max(float(weight.max(initial=0)), 1.0)
    shrinkage = np.geomspace(100, 1e4 * most**2, _CANDIDATES)
    return _least_error(log, [weight, *(a * weight / (weight**2 + a) for a in shrinkage)])


ESTIMATORS: dict[str, Callable[[Logged], Numbers]] = {
    "ips": _ips,
    "snips": _snips,
    "dr": _dr,
    "switch_dr": _switch_dr,
    "dros": _dros,
}


def _corrected(log: Logged, weight: Floats) -> Numbers:
    surprise = log.reward - log.expected
    return Numbers(log.expected_of_target + weight * surprise, (log.weight - weight) * surprise)


def _least_error(log: Logged, weights: list[Floats]) -> Numbers:
    """The doubly robust numbers of those weights whose estimated squared error is least."""

    def error(numbers: Numbers) -> float:
        return float(np.var(numbers.values) / len(log) + _bias(numbers, np.arange(len(log))) ** 2)

    return min((_corrected(log, weight) for weight in weights), key=error)


def _bias(numbers: Numbers, cluster: Clusters) -> float:
    """How large the bias may be, by the 95 % interval of what the numbers lack."""
    missing = np.asarray(numbers.missing, np.float64)
    if not missing.any():
        return 0.0
    mean = float(missing.mean())
    return abs(mean) + 1.96 * _interval(missing - mean, cluster)[2]


def _estimate(log: Logged, overlap: Overlap, estimator: Callable[[Logged], Numbers]) -> Estimate:
    numbers = estimator(log)
    value, middle = float(numbers.values.mean()), float(log.reward.mean())
    least, greatest = log.bounds
    low, high, error = _interval(numbers.values - value, log.cluster, (least - middle, greatest - middle))
    if overlap.effective_sample_size < LEAST_SAMPLE or _too_heavy(log):
        return Estimate(value, error, least, greatest)
    wider = _wider(_bias(numbers, log.cluster) / error) if error else 1.0
    low, high = value + wider * low + overlap.unseen * least, value + wider * high + overlap.unseen * greatest
    low, high = np.clip((low, high), least, greatest).tolist()
    return Estimate(value, error, low, high)


def _wider(bias: float) -> float:
    """How much wider an interval is for a bias of so many standard errors, to either side."""
    return float(np.sqrt(ncx2.ppf(_LEVEL, 1, bias**2) / ncx2.ppf(_LEVEL, 1, 0)))


def _interval(
    centred: Floats, cluster: Clusters, added: tuple[float, ...] = ()
) -> tuple[float, float, float]:
    """From numbers whose mean is 0: how far the truth may lie below and above, and the standard error."""
    number = np.unique(cluster, return_inverse=True)[1]
    sums = np.append(np.bincount(number, centred), added)
    count, squares = len(sums), float(np.sum(sums**2))
    if not squares:
        return 0.0, 0.0, 0.0
    skewness = float(np.sum(sums**3) / count / (squares / count) ** 1.5)
    tail = student.ppf((1 + _LEVEL) / 2, max(squares**2 / np.sum(sums**4) - 1, 1))
    error = float(np.sqrt(squares * count / max(count - 1, 1)) / len(centred))
    return -_straight(tail, skewness, count) * error, -_straight(-tail, skewness, count) * error, error


def _straight(quantile: float, skewness: float, count: int) -> float:
    """The quantile of Student's statistic of a skewed sample; Hall's transformation, turned round."""
    bend = skewness / np.sqrt(count)
    if abs(bend) < 1e-9:
        return quantile
    return float(3 / bend * (np.cbrt(1 + bend * (quantile - bend / 6)) - 1))


def _overlap(log: Logged) -> Overlap:
    weight, clusters = log.weight, len(np.unique(log.cluster))
    squares = float(np.sum(weight**2))
    sample = float(weight.sum() ** 2 / squares) if squares else 0.0
    overlap = Overlap(
        decisions=len(log),
        clusters=clusters,
        effective_sample_size=sample,
        mean_weight=float(weight.mean()),
        max_weight=float(weight.max()),
        rare=float(np.sum(weight[log.propensity < 0.01]) / len(log)),
        unseen=_unseen(log),
        warnings=(),
    )
    return Overlap(**{**vars(overlap), "warnings": tuple(_warnings(log, overlap))})


def _unseen(log: Logged) -> float:
    """The target's probability on what the log hardly ever does."""
    if log.unseen is not None:
        return float(log.unseen.mean())
    weight = log.weight
    _, above, _ = _interval(weight - weight.mean(), log.cluster)
    missing = 1 - float(weight.mean())
    return missing if missing > above else 0.0


def _too_heavy(log: Logged) -> bool:
    """Whether the weights' mean lies above 1 as it can't where the propensities hold."""
    weight = log.weight
    error = _interval(weight - weight.mean(), log.cluster)[2]
    return bool(weight.mean() > _MOST_WEIGHT + _MOST_ERRORS * error)


def _warnings(log: Logged, overlap: Overlap) -> list[str]:
    sample = overlap.effective_sample_size
    found = []
    if _too_heavy(log):
        found.append(
            f"WRONG PROPENSITIES: the weights have a mean of {overlap.mean_weight:.2f}, which is 1 where the "
            f"log did what it says: the intervals are all that is possible; look for how they were logged"
        )
    if sample < LEAST_SAMPLE:
        found.append(
            f"POOR OVERLAP: {overlap.decisions:,} decisions count as {sample:.1f}: the log says next to "
            f"nothing of this target, so the intervals are all that is possible; log with more exploration"
        )
    elif sample < _HEAVY * overlap.decisions:
        found.append(
            f"heavy weights: {overlap.decisions:,} decisions count as {sample:,.0f}, "
            f"the largest weight is {overlap.max_weight:,.0f}"
        )
    if overlap.unseen > 0:
        found.append(
            f"{overlap.unseen:.1%} of what the target does the log hardly ever did (propensity below "
            f"{log.floor:.1g}): it enters the intervals with the least and the greatest reward"
        )
    if overlap.rare > _HEAVY:
        found.append(f"{overlap.rare:.1%} of what the target does had a propensity below 0.01")
    return found
