import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranker.greatest import greatest

VALUES = st.lists(
    st.sampled_from([-2.5, -1e-42, -0.0, 0.0, 1e-42, 0.5, 1.0, np.nan, np.inf, -np.inf]), max_size=30
)


@given(VALUES, st.integers(0, 20))
def test_the_greatest_are_those_that_a_sort_finds(values: list[float], k: int) -> None:
    numbers, all_ = np.arange(len(values), dtype=np.int32)[::-1].copy(), np.array(values, np.float32)
    slots, found = greatest(numbers, all_, k)
    best = np.lexsort((numbers, -all_))[: min(k, np.count_nonzero(~np.isnan(all_)))]
    np.testing.assert_array_equal(slots, numbers[best])
    np.testing.assert_array_equal(found, all_[best])
