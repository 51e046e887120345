import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.features import logarithms

counts = st.floats(0, 3e9, width=32)


@settings(deadline=None)
@given(st.lists(st.tuples(counts, counts, counts), max_size=40))
def test_chosen_columns_become_ln_1_plus_the_count_and_others_stay(values: list[tuple[float, ...]]) -> None:
    rows = np.array(values, np.float32).reshape(-1, 3)
    expected = rows.copy()
    expected[:, 1:] = np.log1p(rows[:, 1:].astype(np.float64))
    logarithms.take(rows, np.array([2, 1]))
    np.testing.assert_allclose(rows, expected, 1.2e-7, atol=1e-15)


def test_nothing_is_exactly_zero_and_what_is_not_known_stays_so() -> None:
    rows = np.array([[0.0], [np.nan]], np.float32)
    logarithms.take(rows, np.array([0]))
    np.testing.assert_array_equal(rows, [[0.0], [np.nan]])
