"""Figures by hand, and beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from training.metrics import auc, mean, ndcg

RANDOM = np.random.default_rng(2)


def test_ndcg_is_that_of_scikit_learn() -> None:
    gains, scores = RANDOM.integers(0, 2, 24).astype(float), RANDOM.random(24)
    assert ndcg(gains, scores) == pytest.approx(ndcg_score([gains], [scores], k=10))


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    labels, scores = RANDOM.random(50) < 0.3, RANDOM.integers(0, 5, 50).astype(float)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_what_can_not_be_ranked_is_not_known() -> None:
    assert np.isnan(ndcg(np.zeros(3), np.arange(3.0)))
    assert np.isnan(auc(np.ones(3, bool), np.arange(3.0)))


def test_the_standard_error_is_how_far_repeated_means_spread() -> None:
    weights = RANDOM.integers(1, 20, 200).astype(float)
    figures = [mean(RANDOM.normal(0.7, 0.2, 200), weights) for _ in range(400)]
    spread = np.std([figure.value for figure in figures])
    assert np.mean([figure.standard_error for figure in figures]) == pytest.approx(spread, rel=0.12)


def test_strata_count_alike_whatever_their_size() -> None:
    values, strata = np.array([1.0, 0.0, 0.0, 0.0]), np.array(["a", "b", "b", "b"])
    assert mean(values, strata=strata).value == 0.5
