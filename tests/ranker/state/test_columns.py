from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state.columns import NONE, Array, Ragged, Slots, column, ragged
from ranker.state.growing import Field, ring
from ranker.state.ids import Ids
from ranker.state.table import Table
from ranker.state.tables import Places, Posts, Users


class Birds(Table):
    age: Array = column(np.int16, fill=3)
    nest: Slots = column(np.int32, 2, of="tree")
    friends: Ragged = ragged(np.int32, of="bird")
    met: Field = ring(8, of="bird")
    song: Ragged = ragged(np.uint8)


TABLES: list[Any] = [Birds, lambda: Posts(vector=4), lambda: Users(vector=4), Places]


def filled(make: Any, rows: int) -> Table:
    """A table whose columns hold random numbers, and slots below `rows`."""
    rng, table = np.random.default_rng(7), make()
    table.append(rows)
    for name, spec in table.columns.items():
        values = getattr(table, name)
        values[:rows] = rng.integers(
            NONE if spec.of else 0, 2 if spec.dtype == np.bool_ else rows, values[:rows].shape
        )
    for name in table.raggeds:
        for row in range(rows):
            getattr(table, name).set(row, np.unique(rng.integers(0, rows, 9)))
    for growing in table.growing.values():
        growing.claim(rng.permutation(rows)[: rows // 2])
        for pool in growing.pools.values():
            pool[: growing.used[0]] = rng.integers(0, rows or 1, (growing.used[0], *pool.shape[1:]))
    table.derive(np.arange(rows, dtype=np.int32))
    return table  # type: ignore[no-any-return]


def same(one: Table, other: Table) -> bool:
    left, right = dict(one.arrays()), dict(other.arrays())
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


def reads_blank(table: Table) -> bool:
    """Whether NONE reads as a row of which nothing is known."""
    blank = all((getattr(table, name)[NONE] == spec.fill).all() for name, spec in table.columns.items())
    blank &= not any(len(getattr(table, name)[NONE]) for name in table.raggeds)
    return blank and not any(growing.room[NONE] for growing in table.growing.values())


@pytest.mark.parametrize("make", TABLES)
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 200])
def test_none_reads_a_blank_row_at_any_size(make: Any, rows: int) -> None:
    assert reads_blank(filled(make, rows))


@pytest.mark.parametrize("make", TABLES)
def test_growth_keeps_content_and_makes_blank_rows(make: Any) -> None:
    table, before = filled(make, 60), filled(make, 60)
    table.append(500)
    assert all((getattr(table, name)[60:] == spec.fill).all() for name, spec in table.columns.items())
    table.keep(np.arange(60))
    assert same(table, before)


@pytest.mark.parametrize("make", TABLES)
@pytest.mark.parametrize("rows", [0, 1, 64, 100])
def test_a_round_trip_keeps_every_bit(make: Any, rows: int) -> None:
    table, again = filled(make, rows), make()
    again.load(rows, dict(table.arrays()))
    assert same(again, table)
    assert reads_blank(again)


@pytest.mark.parametrize("make", TABLES)
def test_a_loaded_table_owns_its_arrays(make: Any) -> None:
    table, again = filled(make, 10), make()
    again.load(10, dict(table.arrays()))
    for name in table.columns:
        getattr(table, name)[:] = 0
    assert same(again, filled(make, 10))


@pytest.mark.parametrize("make", TABLES)
def test_keeping_rows_keeps_their_content_in_order(make: Any) -> None:
    table, before = filled(make, 40), filled(make, 40)
    table.keep(np.array([3, 5, 39]))
    assert table.size == 3
    assert reads_blank(table)
    for name in table.columns:
        np.testing.assert_array_equal(getattr(table, name)[:3], getattr(before, name)[[3, 5, 39]])
    for name, growing in table.growing.items():
        for part in growing.pools:
            np.testing.assert_array_equal(
                growing.field(part)[:3], before.growing[name].field(part)[[3, 5, 39]]
            )
    for name in table.raggeds:
        assert [getattr(table, name)[i].tolist() for i in range(3)] == [
            getattr(before, name)[i].tolist() for i in (3, 5, 39)
        ]


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(20)), st.integers(0, 20))
def test_renumbered_references_mean_the_same_rows(order: list[int], gone: int) -> None:
    table, before = filled(Birds, 20), filled(Birds, 20)
    mapping = np.array([NONE if old < gone else order.index(old) for old in range(20)], np.int32)
    for of in ("tree", "bird"):
        table.renumber(of, mapping)
    meaning = [order[slot] if slot != NONE else NONE for slot in range(20)]
    nests = [[meaning[slot] if slot != NONE else NONE for slot in row] for row in table.nest[:20].tolist()]  # type: ignore[attr-defined]
    assert nests == [[s if s >= gone else NONE for s in row] for row in before.nest[:20].tolist()]  # type: ignore[attr-defined]
    met = [[meaning[slot] if slot != NONE else NONE for slot in row] for row in table.met[:20].tolist()]  # type: ignore[attr-defined]
    assert met == [[s if s >= gone else NONE for s in row] for row in before.met[:20].tolist()]  # type: ignore[attr-defined]
    for row in range(20):
        friends = table.friends[row].tolist()  # type: ignore[attr-defined]
        assert friends == sorted(friends)
        assert {order[s] for s in friends} == {s for s in before.friends[row].tolist() if s >= gone}  # type: ignore[attr-defined]


def test_renumbering_leaves_other_tables_slots_alone() -> None:
    table = filled(Birds, 20)
    table.renumber("worm", np.full(20, NONE, np.int32))
    assert same(table, filled(Birds, 20))


def test_a_row_may_be_written_after_renumbering() -> None:
    table = filled(Birds, 20)
    table.renumber("bird", np.full(20, NONE, np.int32))
    assert table.friends.insert(19, 4)  # type: ignore[attr-defined]
    assert table.friends[19].tolist() == [4]  # type: ignore[attr-defined]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1), unique=True))
def test_ids_keep_their_slots_in_a_round_trip(names: list[str]) -> None:
    names = [name.encode(errors="ignore").decode() for name in names]
    ids = Ids()
    slots = [ids.add(name) for name in dict.fromkeys(names)]
    again = Ids.load(**dict(ids.arrays()))
    assert again.names == ids.names
    assert again.slots(ids.names).tolist() == slots == list(range(len(ids)))
    assert again.slot("never added\x00") == NONE


def test_ids_that_are_not_kept_are_unknown() -> None:
    ids = Ids(["a", "b", "c"])
    ids.keep(np.array([2, 0]))
    assert ids.slots(["a", "b", "c"]).tolist() == [1, NONE, 0]


def test_a_pool_stays_within_a_few_times_of_what_it_holds() -> None:
    rows = Ragged(Birds.raggeds["friends"])
    rows.resize(50)
    for turn in range(2_000):
        rows.set(turn % 50, range(turn % 97))
    held = int(rows.length.sum())
    assert len(rows.pool) <= 4 * held + 2_048
    assert rows[49].tolist() == list(range(1_999 % 97))
