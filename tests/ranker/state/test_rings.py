from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state import NONE, rings
from ranker.state.columns import Array
from ranker.state.growing import Field, Growing
from ranker.state.growing import ring as declared

WIDTH = 4
VALUES = st.lists(st.integers(0, 9), max_size=20)


def filled(values: list[int], gone: list[int]) -> tuple[Field, Array]:
    """A ring of one row and a blank row, after pushes and takings out."""
    rows, count = Growing(replace(declared(WIDTH, of="post"), least=1)), np.zeros(2, np.int64)
    rows.resize(2)
    ring = rows.field()
    rings.push(ring, count, np.zeros(len(values), np.int32), np.array(values, np.int32))
    rings.discard(ring, count, np.zeros(len(gone), np.int32), np.array(gone, np.int32))
    return ring, count


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_a_ring_holds_the_last_different_values_newest_first(values: list[int]) -> None:
    expected: list[int] = []
    for value in values:
        if value not in expected[:WIDTH]:
            expected.insert(0, value)
    ring, count = filled(values, [])
    assert rings.newest(ring, count, 0).tolist() == expected[:WIDTH]


@settings(max_examples=100, deadline=None)
@given(VALUES, st.lists(st.integers(0, 9), max_size=3), st.integers(1, WIDTH))
def test_many_rows_read_as_each_one_does(values: list[int], gone: list[int], most: int) -> None:
    ring, count = filled(values, gone)
    many = rings.newest_of_many(ring, count, np.array([0, 1, NONE], np.int32), most)
    assert many[0][many[0] != NONE].tolist() == rings.newest(ring, count, 0, most).tolist()
    assert many.shape == (3, most)
    assert (many[1:] == NONE).all()
    everything = rings.all_of_many(ring, np.array([1, NONE, 0], np.int32))
    assert sorted(everything.tolist()) == sorted(rings.newest(ring, count, 0).tolist())


def test_a_value_that_was_taken_out_may_come_again() -> None:
    ring, count = filled([1, 2, 3], gone=[2])
    rings.push(ring, count, np.zeros(1, np.int32), np.array([2], np.int32))
    assert rings.newest(ring, count, 0).tolist() == [2, 3, 1]
