"""The histogram of durations, against NumPy's percentiles of all values."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.histogram import Histogram

DURATIONS = st.lists(st.floats(0, 3_600), min_size=1, max_size=200)


@given(DURATIONS, st.sampled_from([1.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_at_most_a_thousandth_above_the_truth(durations: list[float], percent: float) -> None:
    truth = float(np.percentile(durations, percent, method="inverted_cdf"))
    found = Histogram.of(durations).percentile(percent)
    assert truth - 1e-6 <= found <= truth * 1.001 + 1e-6


@given(DURATIONS, DURATIONS)
def test_histograms_of_two_processes_add_up_to_that_of_both(one: list[float], other: list[float]) -> None:
    added, both = Histogram.of(one) + Histogram.of(other), Histogram.of(one + other)
    assert (added.counts == both.counts).all()


def test_no_duration_has_no_percentile() -> None:
    assert math.isnan(Histogram().percentile(50))
