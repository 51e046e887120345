import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import sets

many = st.lists(st.integers(-1, 40), max_size=60)


@settings(deadline=None)
@given(many)
def test_the_different_slots_come_in_the_order_they_are_met_without_none(slots: list[int]) -> None:
    found = sets.distinct(np.array(slots, np.int32)).tolist()
    assert found == [slot for slot in dict.fromkeys(slots) if slot >= 0]


@settings(deadline=None)
@given(many)
def test_the_different_slots_in_order_rise(slots: list[int]) -> None:
    assert sets.ordered(np.array(slots, np.int32)).tolist() == sorted({slot for slot in slots if slot >= 0})


@settings(deadline=None)
@given(many)
def test_a_tally_sums_the_weights_of_each_slot(slots: list[int]) -> None:
    weights = np.arange(len(slots), dtype=np.float64)
    different, sums = sets.tally(np.array(slots, np.int32), weights)
    array = np.array(slots)
    assert dict(zip(different.tolist(), sums.tolist(), strict=True)) == {
        slot: weights[array == slot].sum() for slot in set(slots) - {-1}
    }


@settings(deadline=None)
@given(many, st.sets(st.integers(0, 40)))
def test_members_are_those_that_numpy_finds_and_none_is_never_one(values: list[int], keys: set[int]) -> None:
    array, held = np.array(values, np.int32), np.array(sorted(keys), np.int32)
    assert sets.members(array, held).tolist() == np.isin(array, held).tolist()


def test_a_table_holds_slots_that_fall_into_one_place() -> None:
    slots = np.arange(0, 2**31 - 1, 2**22, dtype=np.int32)
    assert sets.distinct(np.concatenate([slots, slots])).tolist() == slots.tolist()


@settings(deadline=None)
@given(st.sets(st.integers(0, 40)))
def test_a_position_is_where_a_slot_is_among_others(slots: set[int]) -> None:
    array = np.array(list(slots)[::-1], np.int32)
    found = [sets.position.py_func(sets.positions(array), slot) for slot in range(-1, 41)]
    assert found == [list(array).index(slot) if slot in slots else -1 for slot in range(-1, 41)]
