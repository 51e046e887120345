"""Which curve is chosen, and that it says how often things happen."""

import numpy as np
import pytest

from ranker.calibration import Isotonic, Platt
from training.calibration import applied, calibrated, isotonic, platt

ROWS = 20_000
RAW = np.random.default_rng(1).normal(-2, 1.5, ROWS)
WEIGHT = np.ones(ROWS)
GROUP = np.arange(ROWS) // 5


def drawn(chance: np.ndarray) -> np.ndarray:
    return (np.random.default_rng(2).random(ROWS) < chance).astype(np.uint8)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_platt_finds_the_line_that_made_the_labels() -> None:
    line = platt(RAW, drawn(sigmoid(0.6 * RAW + 0.5)), WEIGHT)
    assert (line.a, line.b) == pytest.approx((0.6, 0.5), abs=0.06)


def test_a_line_is_chosen_where_a_line_made_the_labels() -> None:
    assert isinstance(calibrated(RAW, drawn(sigmoid(0.6 * RAW + 0.5)), WEIGHT, GROUP), Platt)


def test_a_curve_is_chosen_where_the_rate_has_steps() -> None:
    steps = np.where(RAW < -3, 0.02, np.where(RAW < -1, 0.05, 0.4))
    labels = drawn(steps)
    chosen = calibrated(RAW, labels, WEIGHT, GROUP)
    assert isinstance(chosen, Isotonic)
    assert (
        np.abs(applied(chosen, RAW) - steps).mean()
        < 0.5 * np.abs(applied(platt(RAW, labels, WEIGHT), RAW) - steps).mean()
    )


@pytest.mark.parametrize("fit", [platt, isotonic])
def test_a_sampled_negative_counts_by_its_weight(fit) -> None:
    labels = drawn(sigmoid(RAW))
    kept = (labels == 1) | (np.random.default_rng(3).random(ROWS) < 0.2)
    weight = np.where(labels == 1, 1.0, 5.0)
    curve = fit(RAW[kept], labels[kept], weight[kept])
    assert applied(curve, RAW).mean() == pytest.approx(labels.mean(), rel=0.03)


def test_a_curve_keeps_the_order_even_beyond_what_it_was_fitted_on() -> None:
    curve = isotonic(RAW, drawn(sigmoid(RAW)), WEIGHT)
    assert isinstance(curve, Isotonic)
    spread = np.linspace(RAW.min() - 3, RAW.max() + 3, 500)
    assert (np.diff(applied(curve, spread)) > 0).all()


def test_too_few_positives_leave_the_trees_own_probability() -> None:
    labels = np.zeros(ROWS, np.uint8)
    labels[:5] = 1
    assert calibrated(RAW, labels, WEIGHT, GROUP) == Platt()


def test_a_falling_score_is_not_turned_round() -> None:
    assert platt(RAW, drawn(sigmoid(-RAW)), WEIGHT).a == 1


def test_a_falling_score_still_tells_how_often_things_happen() -> None:
    labels = drawn(sigmoid(-0.3 * RAW - 3))
    assert applied(platt(RAW, labels, WEIGHT), RAW).mean() == pytest.approx(labels.mean(), rel=1e-6)


def test_rows_of_one_group_get_the_line() -> None:
    assert isinstance(calibrated(RAW, drawn(sigmoid(RAW)), WEIGHT, np.zeros(ROWS, int)), Platt)
