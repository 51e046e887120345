import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranker.events import COUNTERS
from ranker.features import counts
from ranker.features.counts import cells
from ranker.state import counters
from ranker.state.counters import HALF_LIVES, HALF_LIVES_MS

HOUR = 3_600_000
numbers = st.floats(0, 1e6, width=32)


def filled(
    value: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    slots: list[int],
    now_ms: int,
    *which: tuple[str, str],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Counts and rates of the same counters."""
    rows = np.empty((len(slots), 2 * len(which)), np.float32)
    parts = rows[:, : len(which)], rows[:, len(which) :]
    chosen = cells(*which)
    counts.fill(value, last_ms, np.array(slots, np.int32), now_ms, chosen, chosen, *parts)
    return parts


@settings(deadline=None)
@given(numbers, numbers)
def test_a_rate_lies_between_its_base_and_what_was_seen(seen: float, done: float) -> None:
    value = np.zeros((1, len(COUNTERS), len(HALF_LIVES)), np.float32)
    value[0, COUNTERS.index("impression")], value[0, COUNTERS.index("like")] = seen, done
    _, rate = filled(value, np.zeros(1, np.int64), [0], 0, ("like", "ever"))
    low, high = sorted((0.05, done / max(seen, done, 1e-9)))
    assert low - 1e-3 <= rate[0, 0] <= high + 1e-3


def test_counts_and_rates_are_those_of_the_counters_as_they_are_read() -> None:
    random = np.random.default_rng(0)
    value = random.gamma(1, 5, (30, len(COUNTERS), len(HALF_LIVES))).astype(np.float32)
    last_ms = random.integers(0, 100 * HOUR, 30)
    named = (("like", "30min"), ("negative", "ever"), ("click", "6h"))
    count, rate = filled(value, last_ms, [3, 29, -1, 3], 50 * HOUR, *named)
    read = counters.read(value, last_ms, np.array([3, 29, 29, 3], np.int32), 50 * HOUR, HALF_LIVES_MS)
    for column, (counter, life) in enumerate(named):
        happened = read[:, COUNTERS.index(counter), HALF_LIVES.index(life)]
        shown = np.maximum(read[:, COUNTERS.index("impression"), HALF_LIVES.index(life)], happened)
        np.testing.assert_allclose(count[:, column], happened, 1e-6)
        np.testing.assert_allclose(rate[:, column], (happened + 0.5) / (shown + 10), 1e-6)
