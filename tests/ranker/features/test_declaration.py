import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranker.events import COUNTERS
from ranker.features.declaration import count, log, rate
from ranker.state.counters import HALF_LIVES

numbers = st.floats(0, 1e6, width=32)


@given(numbers, numbers)
def test_a_rate_lies_between_its_base_and_what_was_seen(seen: float, done: float) -> None:
    counts = np.zeros((1, len(COUNTERS), len(HALF_LIVES)), np.float32)
    counts[0, COUNTERS.index("impression")], counts[0, COUNTERS.index("like")] = seen, done
    observed = done / max(seen, done, 1e-9)
    low, high = sorted((0.05, observed))
    assert low - 1e-3 <= rate(counts, "like")[0] <= high + 1e-3


def test_a_count_is_that_of_its_counter_and_half_life() -> None:
    counts = np.arange(len(COUNTERS) * len(HALF_LIVES), dtype=np.float32)
    counts = counts.reshape(1, len(COUNTERS), len(HALF_LIVES))
    assert count(counts, "impression", "30min").tolist() == [0]
    assert count(counts, COUNTERS[-1]).tolist() == [counts[0, -1, -1]]


def test_a_logarithm_of_nothing_is_zero() -> None:
    assert log(0.0) == 0
