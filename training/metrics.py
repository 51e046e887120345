"""Figures: how good a ranking is, and how sure one can be of that.

Figures of one list (`ndcg`, `auc`) and of many lists at once (`Ranked`, `auc_by_list`) are the same; the
latter use sorted segments, so a million rows take a second. Rows may carry a weight, 1 / the chance that
sampling kept them: a row of weight 3 stands for three, so what stands below it is three places lower.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Numbers = NDArray[np.integer[Any]]


class Figure(NamedTuple):
    """A mean and its standard error."""

    value: float
    standard_error: float


def ndcg(gains: Floats, scores: Floats, k: int = 10) -> float:
    """Normalised discounted cumulative gain of one list at rank k; NaN for a list without gains.

    Equal scores keep the order of the list. Source: Järvelin and Kekäläinen, TOIS 2002, with log2 discount.

    >>> ndcg(np.array([0.0, 1.0]), np.array([0.9, 0.1]))
    0.6309297535714575
    """
    discount = 1 / np.log2(np.arange(2, min(k, len(gains)) + 2))
    best = np.sort(gains)[::-1][: len(discount)] @ discount
    found = gains[np.argsort(-scores, kind="stable")][: len(discount)] @ discount
    return float(found / best) if best else float("nan")


def auc(labels: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the ROC curve: how often a positive scores above a negative; a tie counts half.

    NaN where the labels are all the same.

    >>> auc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]))
    0.75
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[labels].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def mean(values: Floats, weights: Floats | None = None, strata: NDArray[np.str_] | None = None) -> Figure:
    """The weighted mean of independent units such as viewers; with strata, the mean of the strata's means.

    A NaN is left out. The standard error is that of a ratio of sums (Cochran, Sampling Techniques, 1977).
    The mean of the differences of two rankings, unit by unit, has its own, smaller error: take it to compare.

    >>> mean(np.array([0.0, 1.0, np.nan]))
    Figure(value=0.5, standard_error=0.5)
    """
    weights = np.ones(len(values)) if weights is None else weights
    strata = np.full(len(values), "") if strata is None else strata
    known = ~np.isnan(values)
    parts = [
        _mean(values[rows], weights[rows])
        for name in np.unique(strata)
        if (rows := known & (strata == name)).any()
    ]
    errors = np.array([part.standard_error for part in parts])
    return Figure(
        float(np.mean([part.value for part in parts])), float(np.sqrt(np.sum(errors**2)) / len(parts))
    )


def _mean(values: Floats, weights: Floats) -> Figure:
    share = weights / weights.sum()
    value = float(share @ values)
    count = len(values)
    if count < 2:
        return Figure(value, float("nan"))
    return Figure(value, float(np.sqrt(np.sum((share * (values - value)) ** 2) * count / (count - 1))))


@dataclass(frozen=True, eq=False)
class Ranked:
    """Rows of many lists, list after list, the best of each first: columns of length n.

    A figure of the lists is float64 (lists,), NaN for a list without a gain. Gains are not negative.
    """

    row: NDArray[np.intp]
    """Where the row stood before."""
    list: NDArray[np.intp]
    """Numbers of the lists from 0, rising; each has a row."""
    gain: Floats
    weight: Floats
    above: Floats
    """The weight of what stands above the row: its place from 0, where all weights are 1."""

    @classmethod
    def of(
        cls,
        lists: Numbers,
        scores: Floats,
        gains: Floats,
        weight: Floats | None = None,
        seed: int | None = None,
    ) -> "Ranked":
        """Rank rows within their lists, named by any numbers; the figures follow the numbers' order.

        Equal scores keep the rows' order or, with a seed, come in an order of chance: the order of rows may
        be that in which they were shown, and a score that ties should not earn what that order knew.
        """
        ties = (
            np.arange(len(scores)) if seed is None else np.random.default_rng(seed).permutation(len(scores))
        )
        row = np.lexsort((ties, -scores, lists))
        number = np.unique(lists[row], return_inverse=True)[1]
        kept = np.ones(len(row)) if weight is None else np.asarray(weight, np.float64)[row]
        above = np.round(_running(kept, number) - kept, 6)
        return cls(row, number, np.asarray(gains, np.float64)[row], kept, above)

    def ndcg(self, k: int = 10) -> Floats:
        """Normalised discounted cumulative gain at rank k, as `ndcg`."""
        best = Ranked.of(self.list, self.gain, self.gain, self.weight)
        return _share(self._discounted(k), best._discounted(k))

    def reciprocal_rank(self) -> Floats:
        """1 / the place, from 1, of the first row with a gain. Source: Voorhees, TREC-8, 1999."""
        first = np.full(self.lists, np.inf)
        np.minimum.at(first, self.list[self.gain > 0], self.above[self.gain > 0])
        return np.asarray(np.where(np.isfinite(first), 1 / (1 + first), np.nan), np.float64)

    def average_precision(self) -> Floats:
        """The mean, over rows with a gain, of the share of such rows down to there. Source: TREC."""
        found = self.weight * (self.gain > 0)
        precision = _running(found, self.list) / (self.above + self.weight)
        return _share(self._sum(found * precision), self._sum(found))

    def recall(self, k: int = 10) -> Floats:
        """The share of rows with a gain that are among the first k."""
        found = self.weight * (self.gain > 0)
        return _share(self._sum(found * (self.above < k)), self._sum(found))

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return int(self.list[-1]) + 1 if len(self.list) else 0

    def _discounted(self, k: int) -> Floats:
        return self._sum(self.weight * self.gain * (self.above < k) / np.log2(self.above + 2))

    def _sum(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.list, values, self.lists), np.float64)


def auc_by_list(lists: Numbers, labels: NDArray[Any], scores: Floats, weight: Floats | None = None) -> Floats:
    """`auc` of each list, in the order of the lists' numbers: float64 (lists,); NaN where it is not known."""
    number = np.unique(lists, return_inverse=True)[1]
    found, positive, negative = _wins(number, labels, scores, weight)
    lost = np.bincount(number, found * positive)
    return _share(lost, np.bincount(number, positive) * np.bincount(number, negative))


def auc_parts(labels: NDArray[Any], scores: Floats, weight: Floats | None = None) -> tuple[float, Floats]:
    """The AUC of all rows as one list, and each row's influence on it: how far it moves with its weight.

    The influences sum to 0; added up by viewer they give the error of the AUC over viewers. NaN, and zeros,
    where it is not known. Sources: DeLong et al., Biometrics 1988; Obuchowski, Biometrics 1997 (clusters).
    """
    one = np.zeros(len(scores), np.intp)
    below, positive, negative = _wins(one, labels, scores, weight)
    above, _, _ = _wins(one, 1 - np.asarray(labels, np.float64), -scores, weight)
    if not positive.sum() or not negative.sum():
        return float("nan"), np.zeros(len(scores))
    won, lost = below / negative.sum(), above / positive.sum()
    value = float(positive @ won / positive.sum())
    return value, positive * (won - value) / positive.sum() + negative * (lost - value) / negative.sum()


def _wins(
    number: NDArray[np.intp], labels: NDArray[Any], scores: Floats, weight: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """The weight of negatives below each row in its list, ties half; its weight as positive, as negative."""
    kept = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    positive = kept * np.asarray(labels, np.float64)
    negative = kept - positive
    order = np.lexsort((scores, number))
    changes = np.diff(number[order], prepend=-1) != 0
    changes[1:] |= scores[order][1:] != scores[order][:-1]  # a difference of infinities is none
    tie = np.cumsum(changes) - 1
    tied = np.bincount(tie, negative[order])
    before = _running(tied, number[order][changes]) - tied
    below = np.empty(len(scores))
    below[order] = (before + tied / 2)[tie]
    return below, positive, negative


def log_losses(labels: NDArray[Any], probability: NDArray[Any]) -> Floats:
    """- ln of the probability given to what happened, row by row; taken as 1e-15 at least."""
    happened = np.where(np.asarray(labels) > 0, probability, 1 - np.asarray(probability, np.float64))
    return np.asarray(-np.log(np.clip(happened, 1e-15, None)), np.float64)


def entropy_losses(labels: NDArray[Any], weight: Floats) -> Floats:
    """The log losses of the base rate, which is what normalises an entropy.

    Normalised entropy is the log loss over this: below 1 is better than knowing the base rate alone, which
    knows the test's own rate. Source: He et al., "Practical lessons from predicting clicks on ads", 2014.
    """
    rate = float(weight @ labels / weight.sum())
    return log_losses(labels, np.full(len(labels), rate))


def calibration_parts(
    labels: NDArray[Any], probability: Floats, weight: Floats | None = None, bins: int = 15
) -> Floats:
    """What each row adds to the expected calibration error: the error is the weighted mean of these.

    Rows lie in bins of equal weight by their probability, equal ones in one bin; a bin's part is the absolute
    difference of mean probability and rate. Chance alone makes it larger than 0. Source: Naeini et al., AAAI
    2015, with equal-mass bins as in Nixon et al., 2019.
    """
    kept = np.ones(len(probability)) if weight is None else np.asarray(weight, np.float64)
    order = np.argsort(probability, kind="stable")
    reached = (np.cumsum(kept[order]) - kept[order]) / kept.sum()
    last = np.minimum(np.searchsorted(reached, np.arange(1, bins) / bins - 1e-12), len(order) - 1)
    edges = probability[order][last]
    bin_of = np.searchsorted(np.unique(edges), probability, "right")
    difference = probability - np.asarray(labels, np.float64)
    return difference * np.sign(np.bincount(bin_of, kept * difference))[bin_of]


def gini(exposure: NDArray[Any]) -> float:
    """How unequal exposure is: 0 when all have the same, near 1 when one has all; NaN where none has any.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    if not np.sum(exposure):
        return float("nan")
    rising = np.sort(np.asarray(exposure, np.float64))
    count = len(rising)
    return float(2 * np.arange(1, count + 1) @ rising / (count * rising.sum()) - (count + 1) / count)


def similarity_within(lists: NDArray[np.intp], vectors: NDArray[Any]) -> Floats:
    """The mean cosine of the pairs of each list, numbered from 0 and rising; vectors of zeros are not known.

    float64 (lists,), NaN where fewer than two are known. Source: Ziegler et al., WWW 2005.
    """
    total = int(lists[-1]) + 1 if len(lists) else 0
    answer = np.full(total, np.nan)
    length = np.linalg.norm(vectors.astype(np.float32), axis=1)
    lists, vectors, length = lists[length > 0], vectors[length > 0], length[length > 0]
    step = 1 << 15
    for first in range(0, total, step):
        rows = slice(*np.searchsorted(lists, (first, first + step)))
        if rows.start < rows.stop:
            units = vectors[rows].astype(np.float32) / length[rows, None]
            begins = np.flatnonzero(np.diff(lists[rows], prepend=-1))
            size = np.diff(np.append(begins, len(units)))
            squared = np.sum(np.add.reduceat(units, begins).astype(np.float64) ** 2, axis=1)
            answer[lists[rows][begins]] = _share(squared - size, size * (size - 1))
    return answer


def largest_share(lists: NDArray[np.intp], members: Numbers) -> Floats:
    """The share of each list, numbered from 0, that its most frequent member has: float64 (lists,).

    >>> largest_share(np.array([0, 0, 0, 1]), np.array([7, 7, 9, 9])).round(2).tolist()
    [0.67, 1.0]
    """
    pairs, count = np.unique(np.stack((lists, members)), axis=1, return_counts=True)
    most = np.zeros(int(lists.max(initial=-1)) + 1)
    np.maximum.at(most, pairs[0], count)
    return np.asarray(most / np.bincount(lists), np.float64)


def _running(values: NDArray[Any], number: NDArray[np.intp]) -> Floats:
    """Sums down to each row within lists whose numbers rise."""
    total = np.cumsum(values)
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    before = (total - values)[begins]
    return np.asarray(total - np.repeat(before, np.diff(np.append(begins, len(number)))), np.float64)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    known = whole > 0
    return np.where(known, part / np.where(known, whole, 1), np.nan)
