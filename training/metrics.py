"""Figures: how good a ranking is, and how sure one can be of that."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


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
