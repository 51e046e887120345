"""Calibration: which curve turns a head's raw score into a probability, chosen on data.

Platt's line (two numbers) is hard to beat where positives are few; the isotonic curve follows any rising
shape where they are many. Cross-validated log loss says which; a tie goes to the line.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ranker.calibration import LEAST_GAP, Isotonic, Platt, chains, probabilities
from training.metrics import Numbers, log_losses

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

_FOLDS = 5
_LEAST = 10
"""Positives, and negatives, below which nothing is fitted."""
_BINS = 40
_REACH = 8.0
"""How far beyond the outermost bins the isotonic curve goes on, with Platt's slope, before it is level."""
_NEAREST = 1e-9
"""A knot is at least this far from 0 and from 1."""


def calibrated(raw: Floats, labels: Labels, weight: Floats, group: Numbers) -> Platt | Isotonic:
    """The better of Platt's line and the isotonic curve, for raw scores that the trees did not learn from.

    All are of length n; rows of one `group` stay in one fold. LightGBM's own probability where there
    is too little to fit; Platt's line where there are fewer groups than folds.
    """
    line = platt(raw, labels, weight)
    if min(labels.sum(), len(labels) - labels.sum()) < _FOLDS * _LEAST:
        return line
    losses = np.zeros((2, len(raw)))
    fold = np.unique(group, return_inverse=True)[1] % _FOLDS
    if fold.max() < _FOLDS - 1:
        return line
    for one in range(_FOLDS):
        learn, judge = fold != one, fold == one
        for kind, fit in enumerate((platt, isotonic)):
            curve = fit(raw[learn], labels[learn], weight[learn])
            losses[kind, judge] = log_losses(labels[judge], applied(curve, raw[judge]))
    by_line, by_curve = losses @ weight
    return isotonic(raw, labels, weight) if by_curve < by_line else line


def applied(calibration: Platt | Isotonic, raw: Floats) -> Floats:
    """Probabilities of raw scores (n,)."""
    return probabilities(raw[:, None], chains([calibration]))[:, 0]


def platt(raw: Floats, labels: Labels, weight: Floats) -> Platt:
    """Slope and intercept that fit sigmoid(a * raw + b) to the labels, by weighted likelihood.

    A falling line would turn the order round: there are too few rows to say so, and only b is fitted.
    """
    if min(labels.sum(), len(labels) - labels.sum()) < _LEAST or np.ptp(raw) == 0:
        return Platt()
    curve = LogisticRegression(C=1e6, solver="newton-cholesky").fit(raw[:, None], labels, weight)
    a, b = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    return Platt(a=a, b=b) if a > 0 else Platt(b=_shift(raw, labels, weight))


def _shift(raw: Floats, labels: Labels, weight: Floats) -> float:
    """The b for which sigmoid(raw + b) is as high in the mean as the labels."""
    rate = weight @ labels / weight.sum()
    far = abs(logit(rate)) + np.abs(raw).max()
    return float(brentq(lambda b: weight @ expit(raw + b) / weight.sum() - rate, -far, far))


def isotonic(raw: Floats, labels: Labels, weight: Floats) -> Platt | Isotonic:
    """A rising curve through at most 42 knots: the pooled rates of bins of equal weight.

    Each bin's rate has one row of the base rate added, so none is 0 or 1. Neighbours that fall are pooled
    (Ayer et al. 1955), and a pool is one knot at its mean, so that the curve keeps the order of scores.
    Platt's line where fewer than two pools are left.
    """
    line = platt(raw, labels, weight)
    reached = np.empty(len(raw))
    order = np.argsort(raw, kind="stable")
    reached[order] = np.cumsum(weight[order]) / weight.sum()
    number = np.minimum((reached * _BINS).astype(np.intp), _BINS - 1)
    mass, centre, rate = _pooled(number, raw, (weight @ labels) / weight.sum(), labels, weight)
    rising = IsotonicRegression().fit_transform(centre, rate, sample_weight=mass)
    pool = np.unique(rising, return_inverse=True)[1]
    in_pool = np.bincount(pool, mass)
    x, y = np.bincount(pool, mass * centre) / in_pool, np.bincount(pool, mass * rising) / in_pool
    if len(x) < 2 or (np.diff(x) < LEAST_GAP).any():
        return line
    z = np.log(y) - np.log1p(-y)
    x = np.concatenate([[x[0] - _REACH], x, [x[-1] + _REACH]])
    z = np.concatenate([[z[0] - _REACH * line.a], z, [z[-1] + _REACH * line.a]])
    y = np.clip(1 / (1 + np.exp(-z)), _NEAREST, 1 - _NEAREST)
    return Isotonic(x=tuple(x.tolist()), y=tuple(y.tolist()))


def _pooled(
    number: NDArray[np.intp], raw: Floats, base: float, labels: Labels, weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Weight, mean raw score and smoothed rate of each bin that has rows."""
    mass: Floats = np.bincount(number, weight, _BINS).astype(np.float64)
    some = mass > 0
    centre = np.bincount(number, weight * raw, _BINS)[some] / mass[some]
    rate = (np.bincount(number, weight * labels, _BINS)[some] + base) / (mass[some] + 1)
    return mass[some], centre, rate
