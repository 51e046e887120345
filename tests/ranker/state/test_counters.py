import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state import NONE, counters
from ranker.state.columns import Array
from ranker.state.counters import HALF_LIVES_MS

TIMES = st.lists(st.integers(0, 10 * 86_400_000), min_size=1, max_size=30)


def counted(times: list[int]) -> tuple[Array, Array]:
    value, last_ms = np.zeros((1, 1, 4), np.float32), np.zeros(1, np.int64)
    one = np.ones(len(times))
    rows, moments = np.zeros(len(times), np.int32), np.array(times, np.int64)
    counters.add(value, last_ms, rows, rows.astype(np.int8), one.astype(np.float32), moments, HALF_LIVES_MS)
    return value, last_ms


@settings(max_examples=100, deadline=None)
@given(TIMES)
def test_a_counter_is_the_sum_of_its_events_each_faded_by_its_age(times: list[int]) -> None:
    value, last_ms = counted(times)
    now = counters.read(value, last_ms, np.array([0], np.int32), 11 * 86_400_000, HALF_LIVES_MS)
    ages = 11 * 86_400_000 - np.array(times)[:, None]
    np.testing.assert_allclose(now[0, 0], np.exp2(-ages / HALF_LIVES_MS).sum(axis=0), rtol=1e-4, atol=1e-30)


@settings(max_examples=50, deadline=None)
@given(TIMES, st.randoms())
def test_the_order_of_events_matters_only_by_rounding(times: list[int], random: object) -> None:
    shuffled = times.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    (value, last_ms), (other, other_ms) = counted(times), counted(shuffled)
    np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-30)
    assert last_ms == other_ms


def test_after_a_half_life_half_is_left_and_the_total_stays() -> None:
    value, last_ms = counted([0])
    now = counters.read(value, last_ms, np.array([0], np.int32), 6 * 3_600_000, HALF_LIVES_MS)
    assert now[0, 0].tolist() == [2.0**-12, 0.5, np.float32(2 ** (-1 / 12)), 1.0]


def test_a_moment_before_the_last_event_reads_as_that_event() -> None:
    value, last_ms = counted([1_000])
    assert (counters.read(value, last_ms, np.array([0], np.int32), 0, HALF_LIVES_MS) == 1).all()


def test_a_row_of_none_reads_zero() -> None:
    value, last_ms = counted([0])
    assert not counters.read(value, last_ms, np.array([NONE], np.int32), 0, HALF_LIVES_MS).any()


def test_what_is_taken_back_is_gone_for_every_half_life() -> None:
    value, last_ms = counted([5_000_000, 0])
    zero = np.zeros(1, np.int32)
    back = np.array([-1], np.float32)
    for moment in (0, 5_000_000):
        counters.add(
            value, last_ms, zero, zero.astype(np.int8), back, np.array([moment], np.int64), HALF_LIVES_MS
        )
    np.testing.assert_allclose(value, 0, atol=1e-6)
