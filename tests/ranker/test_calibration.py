"""Calibrations: the kernel against plain NumPy, and curves that are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ranker.calibration import MAX_KNOTS, Isotonic, Platt, chains, probabilities

RISING = st.lists(st.integers(-500, 500), min_size=2, max_size=MAX_KNOTS, unique=True).map(sorted)


def curve(x: list[int]) -> Isotonic:
    """A rising curve over the knots x."""
    y = (1 + np.arange(len(x))) / (len(x) + 1)
    return Isotonic(x=tuple(value / 50 for value in x), y=tuple(y.tolist()))


@settings(deadline=None, max_examples=50)
@given(RISING, st.integers(0, 99))
def test_an_isotonic_curve_is_numpys_interpolation_of_its_log_odds(x: list[int], seed: int) -> None:
    isotonic = curve(x)
    raw = np.random.default_rng(seed).uniform(-12, 12, (40, 1))
    raw[: len(x), 0] = isotonic.x[:40]
    knots = np.array(isotonic.y)
    odds = np.interp(raw[:, 0], isotonic.x, np.log(knots / (1 - knots)))
    assert probabilities(raw, chains([isotonic]))[:, 0] == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-9)


def test_each_head_has_its_own_calibration() -> None:
    raw = np.full((3, 3), 0.5)
    found = probabilities(raw, chains([Platt(), curve([-100, 100]), Platt(a=2.0, b=-1.0)]))
    platt, half = 1 / (1 + np.exp(-0.5)), 0.5
    assert found[:, [0, 2]] == pytest.approx(np.array([[platt, half]] * 3))
    assert (found[:, 1] > 0.5).all()


@settings(deadline=None, max_examples=50)
@given(RISING, st.integers(0, 99))
def test_a_higher_score_never_has_a_lower_probability(x: list[int], seed: int) -> None:
    raw = np.sort(np.random.default_rng(seed).uniform(-12, 12, 60))[:, None]
    assert (np.diff(probabilities(raw, chains([curve(x)]))[:, 0]) >= -1e-12).all()


def test_no_rows_have_no_probabilities() -> None:
    assert probabilities(np.zeros((0, 2)), chains([Platt(), Platt()])).shape == (0, 2)


def test_the_largest_scores_have_probabilities_too() -> None:
    both = chains([Platt(a=10.0), curve([0, 1])])
    extreme = probabilities(np.array([[-1e300, -np.inf], [1e300, np.inf]]), both)
    assert 0 < extreme[0, 0] < 1e-300
    assert extreme[1, 0] == 1
    assert extreme[:, 1] == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ((0, 1), (0.1, 0.2, 0.3), "2 knots have 3 probabilities"),
        ((1, 0), (0.1, 0.2), "do not rise"),
        ((0, 0), (0.1, 0.2), "do not rise"),
        ((0, 1), (0.2, 0.1), "do not rise"),
        ((0, 5e-324), (0.1, 0.2), "nearer to each other"),
        ((0, 1), (0.0, 0.1), "not between 0 and 1"),
        ((0, float("nan")), (0.1, 0.2), "finite number"),
        ((0,), (0.1,), "at least 2 items"),
        (range(MAX_KNOTS + 1), [0.5] * (MAX_KNOTS + 1), "at most 64 items"),
    ],
)
def test_a_curve_that_is_none_is_refused(x: tuple[float, ...], y: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Isotonic(x=tuple(x), y=tuple(y))


def test_a_falling_line_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Platt(a=-1.0)
