import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state import NONE, rings
from ranker.state.columns import Array, Ragged, RaggedColumn
from ranker.state.growing import Growing, ring

WIDTH = 8


def pushed(values: list[int]) -> tuple[Growing, Array]:
    rows, count = Growing(ring(WIDTH, of="post")), np.zeros(2, np.int64)
    rows.resize(2)
    for value in values:
        rings.push(rows.field(), count, np.zeros(1, np.int32), np.array([value], np.int32))
    return rows, count


def test_a_row_takes_no_memory_until_it_is_written() -> None:
    assert pushed([])[0].used == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True, max_size=20))
def test_a_block_is_never_more_than_twice_what_a_row_held(values: list[int]) -> None:
    rows, _ = pushed(values)
    assert rows.room[0] <= min(WIDTH, max(4, 2 * len(values)))
    assert rows.room[1] == 0


def test_a_row_reads_as_one_of_full_width() -> None:
    field = pushed([5, 6])[0].field()
    assert field[0].tolist() == [5, 6, *[NONE] * 6]
    assert field[[1, 0]].tolist() == [[NONE] * WIDTH, field[0].tolist()]
    assert field[0, :3].tolist() == [5, 6, NONE]


def test_loaded_rows_hold_the_same_and_go_on_growing() -> None:
    rows, count = pushed([1, 2, 3])
    again = Growing(rows.spec)
    again.load(rows.arrays(np.arange(2)))
    rings.push(again.field(), count, np.zeros(3, np.int32), np.array([4, 5, 6], np.int32))
    assert rings.newest(again.field(), count, 0).tolist() == [6, 5, 4, 3, 2, 1]


@given(st.lists(st.lists(st.binary(max_size=9), min_size=3, max_size=3), max_size=5))
@settings(deadline=None)
def test_rows_that_are_set_together_are_set_as_one_by_one(rounds: list[list[bytes]]) -> None:
    together, alone = Ragged(RaggedColumn(np.uint8)), Ragged(RaggedColumn(np.uint8))
    for one in (together, alone):
        one.pool = one.pool[:2].copy()
        one.resize(3)
    for texts in rounds:
        together.set_all(np.array([2, 0, 1], np.int32), texts)
        for row, text in zip((2, 0, 1), texts, strict=True):
            alone.set(row, np.frombuffer(text, np.uint8))
        assert [together[row].tobytes() for row in range(3)] == [alone[row].tobytes() for row in range(3)]
