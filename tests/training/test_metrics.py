"""Figures by hand, and beside scikit-learn's or a slow reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, ndcg_score, roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity

from training.metrics import (
    Ranked,
    auc,
    auc_by_list,
    auc_parts,
    calibration_parts,
    entropy_losses,
    gini,
    log_losses,
    mean,
    ndcg,
    similarity_within,
)

RANDOM = np.random.default_rng(2)
SEEDS = st.integers(0, 2**32 - 1)


def lists(seed: int, ties: bool = True) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Numbers, scores and labels of up to 12 lists, mixed."""
    random = np.random.default_rng(seed)
    number = random.integers(0, 12, 80) * 3
    scores = random.integers(0, 6, 80).astype(float) if ties else random.random(80)
    return number, scores, (random.random(80) < 0.3).astype(float)


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


@given(SEEDS, st.integers(1, 12))
def test_ndcg_of_many_lists_is_that_of_each(seed: int, k: int) -> None:
    number, scores, labels = lists(seed)
    expected = [ndcg(labels[number == one], scores[number == one], k) for one in np.unique(number)]
    assert Ranked.of(number, scores, labels).ndcg(k) == pytest.approx(np.array(expected), nan_ok=True)


@given(SEEDS)
def test_auc_of_many_lists_is_that_of_each(seed: int) -> None:
    number, scores, labels = lists(seed)
    expected = [auc(labels[number == one] > 0, scores[number == one]) for one in np.unique(number)]
    assert auc_by_list(number, labels, scores) == pytest.approx(np.array(expected), nan_ok=True)


@given(SEEDS)
def test_average_precision_of_many_lists_is_that_of_scikit_learn(seed: int) -> None:
    number, scores, labels = lists(seed, ties=False)
    found = Ranked.of(number, scores, labels).average_precision()
    for one, value in zip(np.unique(number), found, strict=True):
        if labels[number == one].any():
            expected = average_precision_score(labels[number == one], scores[number == one])
            assert value == pytest.approx(expected)
        else:
            assert np.isnan(value)


@given(SEEDS, st.integers(1, 8))
def test_reciprocal_rank_and_recall_are_those_of_a_plain_loop(seed: int, k: int) -> None:
    number, scores, labels = lists(seed, ties=False)
    ranked = Ranked.of(number, scores, labels)
    for at, one in enumerate(np.unique(number)):
        hits = labels[number == one][np.argsort(-scores[number == one])] > 0
        first = 1 / (1 + np.argmax(hits)) if hits.any() else np.nan
        share = hits[:k].sum() / hits.sum() if hits.any() else np.nan
        assert ranked.reciprocal_rank()[at] == pytest.approx(first, nan_ok=True)
        assert ranked.recall(k)[at] == pytest.approx(share, nan_ok=True)


@given(SEEDS)
def test_a_row_of_weight_three_stands_for_three(seed: int) -> None:
    number, scores, labels = lists(seed, ties=False)
    weight = np.where(labels > 0, 1.0, 3.0)
    often = np.repeat(np.arange(80), weight.astype(int))
    whole = Ranked.of(number[often], scores[often], labels[often])
    sampled = Ranked.of(number, scores, labels, weight)
    assert sampled.ndcg(5) == pytest.approx(whole.ndcg(5), nan_ok=True)
    assert sampled.average_precision() == pytest.approx(whole.average_precision(), nan_ok=True)
    assert auc_by_list(number, labels, scores, weight) == pytest.approx(
        auc_by_list(number[often], labels[often], scores[often]), nan_ok=True
    )


def test_ties_do_not_inherit_the_order_in_which_rows_came() -> None:
    number, gains = np.repeat(np.arange(2_000), 5), np.tile([1.0, 0, 0, 0, 0], 2_000)
    drawn = Ranked.of(number, np.zeros(10_000), gains, seed=1)
    assert drawn.recall(1).mean() == pytest.approx(0.2, abs=0.03)


def test_the_parts_of_an_auc_are_how_far_it_moves_without_a_row() -> None:
    labels, scores = RANDOM.random(60) < 0.4, RANDOM.integers(0, 9, 60).astype(float)
    value, influence = auc_parts(labels, scores)
    assert value == pytest.approx(roc_auc_score(labels, scores))
    assert influence.sum() == pytest.approx(0)
    less = np.where(np.arange(60) == 7, 1 - 1e-6, 1.0)
    assert (value - auc_parts(labels, scores, less)[0]) * 1e6 == pytest.approx(influence[7], rel=1e-3)


def test_log_losses_and_entropy_are_those_of_scikit_learn() -> None:
    labels, probability = RANDOM.random(90) < 0.4, RANDOM.random(90)
    weight = RANDOM.random(90)
    assert np.average(log_losses(labels, probability), weights=weight) == pytest.approx(
        log_loss(labels, probability, sample_weight=weight)
    )
    rate = np.full(90, np.average(labels, weights=weight))
    assert entropy_losses(labels, weight) == pytest.approx(log_losses(labels, rate))


def test_the_calibration_error_is_that_of_a_plain_loop() -> None:
    probability = RANDOM.permutation(np.arange(600) / 600)
    labels = RANDOM.random(600) < probability**2
    bins = np.array_split(np.argsort(probability), 15)
    gaps = [abs(probability[rows].mean() - labels[rows].mean()) for rows in bins]
    assert calibration_parts(labels, probability).mean() == pytest.approx(np.mean(gaps))


def test_a_calibration_error_with_weights_is_that_of_the_repeated_rows() -> None:
    probability, labels = RANDOM.random(300), RANDOM.random(300) < 0.2
    weight = RANDOM.integers(1, 4, 300)
    often = calibration_parts(np.repeat(labels, weight), np.repeat(probability, weight), bins=1).mean()
    parts = calibration_parts(labels, probability, weight.astype(float), bins=1)
    assert np.average(parts, weights=weight) == pytest.approx(often)


@given(SEEDS)
def test_gini_is_the_mean_difference_of_pairs(seed: int) -> None:
    exposure = np.random.default_rng(seed).integers(0, 30, 20)
    exposure[0] = 1
    pairs = np.abs(exposure[:, None] - exposure).mean()
    assert gini(exposure) == pytest.approx(pairs / (2 * exposure.mean()))


def test_similarity_within_a_list_is_that_of_its_pairs() -> None:
    vectors = RANDOM.normal(size=(40, 8)).astype(np.float16)
    vectors[3] = 0
    number = np.sort(RANDOM.integers(0, 4, 40))
    found = similarity_within(number, vectors)
    for one in range(4):
        known = vectors[(number == one) & vectors.any(axis=1)].astype(np.float32)
        pairs = cosine_similarity(known)[np.triu_indices(len(known), 1)]
        assert found[one] == pytest.approx(pairs.mean(), abs=1e-5)


def test_fewer_rows_than_bins_have_a_calibration_error() -> None:
    labels, probability = np.array([0, 1, 1]), np.array([0.2, 0.4, 0.9])
    assert calibration_parts(labels, probability).mean() == pytest.approx((0.2 + 0.6 + 0.1) / 3)
    heavy = np.append(np.ones(99), 1_000.0)
    assert np.isfinite(calibration_parts(np.ones(100), np.linspace(0, 1, 100), heavy)).all()


def test_rows_that_both_stand_below_all_others_are_tied() -> None:
    last = np.full(2, -np.inf)
    assert auc_by_list(np.zeros(2, int), np.array([0, 1]), last)[0] == 0.5
    assert auc_parts(np.array([1, 0]), last)[0] == 0.5
