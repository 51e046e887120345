"""What holds for each kind of state: its kernel does what plain Python does, whatever the batches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import events
from ranker.state import NONE, affinity, counters, event_log, rings
from ranker.state.columns import Array, Ragged, RaggedColumn, column
from ranker.state.growing import Growing, GrowingColumns, growing, ring
from ranker.state.recent_ids import RecentIds
from ranker.state.tables import Users
from tests.ranker.state.hashing import siphash

ROWS, WIDTH, HALF_LIFE_MS = 3, 4, 1_000.0
HALF_LIVES_MS = np.array([HALF_LIFE_MS, np.inf])

ROW = st.integers(NONE, ROWS - 1)
KEY = st.integers(NONE, 6)
AMOUNT = st.sampled_from([1.0, 1.0, 0.0, -1.0])
TIME = st.integers(0, 5_000)

Change = tuple[Any, ...]


def grown(spec: GrowingColumns, width: int = WIDTH) -> Growing:
    """Rows that begin with one place, so that they grow in every test."""
    rows = Growing(replace(spec, width=width, least=1))
    rows.resize(ROWS)
    return rows


class Kind(Protocol):
    """One kind of state, small."""

    change: ClassVar[st.SearchStrategy[Any]]

    def apply(self, changes: Sequence[Change]) -> None:
        """A batch of changes, by the kernel."""

    def plain(self, change: Change) -> None:
        """One change, by plain Python."""

    def content(self) -> dict[str, Array]:
        """What it holds."""

    def check(self) -> None:
        """What must hold at any time."""


class Counters:
    change = st.tuples(ROW, st.integers(0, 1), AMOUNT, TIME)

    def __init__(self) -> None:
        self.value = np.zeros((ROWS, 2, 2), np.float32)
        self.last_ms = np.zeros(ROWS, np.int64)

    def apply(self, changes: Sequence[Change]) -> None:
        rows, kinds, amounts, times = turned(changes, np.int32, np.int8, np.float32, np.int64)
        counters.add(self.value, self.last_ms, rows, kinds, amounts, times, HALF_LIVES_MS)

    def plain(self, change: Change) -> None:
        row, kind, amount, time_ms = change
        if row == NONE or amount == 0:
            return
        now = max(time_ms, int(self.last_ms[row]))
        self.value[row] *= 0.5 ** ((now - self.last_ms[row]) / HALF_LIVES_MS)
        self.last_ms[row] = now
        self.value[row, kind] += amount * 0.5 ** ((now - time_ms) / HALF_LIVES_MS)
        self.value[row] = np.maximum(self.value[row], 0)

    def content(self) -> dict[str, Array]:
        return {"value": self.value, "last_ms": self.last_ms}

    def check(self) -> None:
        assert (self.value >= 0).all()


class Rings:
    change = st.tuples(ROW, KEY, AMOUNT)

    def __init__(self) -> None:
        self.rows = grown(ring(WIDTH, of="post"))
        self.ring = self.rows.field()[:]
        self.count = np.zeros(ROWS, np.int64)

    def apply(self, changes: Sequence[Change]) -> None:
        rings.change(self.rows.field(), self.count, *turned(changes, np.int32, np.int32, np.float32))
        self.ring = self.rows.field()[:]

    def plain(self, change: Change) -> None:
        row, value, amount = change
        if NONE in (row, value):
            return
        held = value in self.ring[row]
        if amount < 0:
            self.ring[row][self.ring[row] == value] = NONE
        elif amount > 0 and not held:
            self.ring[row, self.count[row] % WIDTH] = value
            self.count[row] += 1

    def content(self) -> dict[str, Array]:
        return {"ring": self.ring, "count": self.count}

    def check(self) -> None:
        for row in self.ring:
            held = row[row != NONE].tolist()
            assert len(held) == len(set(held))


class Affinity:
    change = st.tuples(ROW, KEY, st.sampled_from([0.0, 0.3, 1.0, -1.5]), AMOUNT, TIME)

    def __init__(self) -> None:
        self.rows = grown(growing(WIDTH, key=column(np.int32, of="user"), **affinity.COLUMNS))
        self.fields = [self.rows.field(name) for name in ("key", "sum", "ms")]
        self.keys, self.sums, self.last_ms = (one[:] for one in self.fields)

    def apply(self, changes: Sequence[Change]) -> None:
        rows, keys, strengths, amounts, times = turned(
            changes, np.int32, np.int32, np.float32, np.float32, np.int64
        )
        key, sums, ms = self.fields
        affinity.add(key, sums, ms, rows, keys, strengths, amounts, times, HALF_LIFE_MS)
        self.keys, self.sums, self.last_ms = (one[:] for one in self.fields)

    def plain(self, change: Change) -> None:
        row, key, strength, amount, time_ms = change
        if NONE in (row, key) or amount == 0:
            return
        keys, sums, last_ms = self.keys[row], self.sums[row], self.last_ms[row]
        if key not in keys:
            if amount < 0:
                return
            weakest = np.where(keys == NONE, -1, sums.sum(axis=1) * fade(time_ms - last_ms))
            at = int(weakest.argmin())
            keys[at], sums[at], last_ms[at] = key, 0, time_ms
        at = int(np.flatnonzero(keys == key)[0])
        sums[at] *= fade(time_ms - last_ms[at])
        late = fade(last_ms[at] - time_ms)
        last_ms[at] = max(last_ms[at], time_ms)
        which = 0 if strength == 0 else 1 if strength > 0 else 2
        sums[at, which] = max(sums[at, which] + amount * (abs(np.float32(strength)) or 1) * late, 0)

    def content(self) -> dict[str, Array]:
        return {"keys": self.keys, "sums": self.sums, "last_ms": self.last_ms}

    def check(self) -> None:
        assert (self.sums >= 0).all()
        for row in self.keys:
            held = row[row != NONE].tolist()
            assert len(held) == len(set(held))


class EventLog:
    change = st.tuples(
        st.integers(0, ROWS - 1),
        st.integers(NONE, 2),
        st.integers(NONE, 1),
        st.sampled_from([0, 1, 2, 4]),
        st.booleans(),
        TIME,
        st.booleans(),
    )

    def __init__(self) -> None:
        self.rows = grown(Users.growings["event"], width=WIDTH)
        self.fields = [self.rows.field(name) for name in ("post", "author", "kind", "ms", "counts")]
        self.post, self.author, self.kind, self.ms, self.stands = (one[:] for one in self.fields)
        self.count = np.zeros(ROWS, np.int64)
        self.amounts: list[float] = []
        self.times: list[int] = []
        self.counts: list[bool] = []

    def apply(self, changes: Sequence[Change]) -> None:
        viewers, posts, authors, kinds, undo, times, counts = turned(
            changes, np.int32, np.int32, np.int32, np.int8, np.bool_, np.int64, np.bool_
        )
        post, author, kind, ms, stands = self.fields
        self.amounts += event_log.settle(
            post, author, kind, ms, stands, self.count,
            viewers, posts, authors, kinds, undo, times, counts, events.LASTING, 1,
        ).tolist()  # fmt: skip
        self.times += times.tolist()
        self.counts += counts.tolist()
        self.post, self.author, self.kind, self.ms, self.stands = (one[:] for one in self.fields)

    def plain(self, change: Change) -> None:
        viewer, post, author, kind, undo, time_ms, counts = change
        amount = 1.0
        same = (self.post[viewer] == post) & (self.author[viewer] == author) & (self.kind[viewer] == kind)
        places = np.flatnonzero(same)
        if kind < 2:
            amount = float(kind == 1 and not undo)
        elif undo and len(places):
            amount, time_ms = -1.0, int(self.ms[viewer, places[-1]])
            counts = bool(self.stands[viewer, places[-1]])
            for column, blank in ((self.post, NONE), (self.author, NONE), (self.kind, 0)):
                column[viewer, places[-1]] = blank
        elif undo or (len(places) and events.KINDS[kind].lasting):
            amount = 0.0
        else:
            at = self.count[viewer] % WIDTH
            self.post[viewer, at], self.author[viewer, at] = post, author
            self.kind[viewer, at], self.ms[viewer, at] = kind, time_ms
            self.stands[viewer, at] = counts
            self.count[viewer] += 1
        self.amounts.append(amount)
        self.times.append(time_ms)
        self.counts.append(counts)

    def content(self) -> dict[str, Array]:
        log: dict[str, Array] = {
            "post": self.post,
            "author": self.author,
            "kind": self.kind,
            "ms": self.ms,
            "stands": self.stands,
        }
        said = {"amounts": self.amounts, "times": self.times, "counts": self.counts}
        return log | {name: np.array(values) for name, values in said.items()}

    def check(self) -> None:
        """An event is taken back at most as often as it was entered."""
        assert sum(self.amounts) >= 0


class Lists:
    change = st.tuples(
        st.sampled_from(["insert", "insert", "discard", "set"]), st.integers(0, ROWS - 1), st.integers(0, 40)
    )

    def __init__(self) -> None:
        self.rows = Ragged(RaggedColumn(np.int32))
        self.rows.pool = self.rows.pool[:4].copy()  # so little room that rows move and the pool is packed
        self.rows.resize(ROWS)
        self.sets: list[set[int]] = [set() for _ in range(ROWS)]

    def apply(self, changes: Sequence[Change]) -> None:
        for change, row, value in changes:
            getattr(self.rows, change)(row, range(value) if change == "set" else value)
        self.sets = [set(self.rows[row].tolist()) for row in range(ROWS)]

    def plain(self, change: Change) -> None:
        what, row, value = change
        held = self.sets[row]
        self.sets[row] = {
            "insert": held | {value},
            "discard": held - {value},
            "set": set(range(value)),
        }[what]

    def content(self) -> dict[str, Array]:
        return {str(row): np.array(sorted(held)) for row, held in enumerate(self.sets)}

    def check(self) -> None:
        for row, held in enumerate(self.sets):
            assert self.rows[row].tolist() in ([], sorted(held))
        assert len(self.rows.pool) <= 4 * 40 * ROWS + 1024


class EventIds:
    change = st.tuples(st.sampled_from(["", *"abcdefgh"]))

    def __init__(self) -> None:
        self.ids = RecentIds()
        self.known: set[int] = set()
        self.new: list[bool] = []

    def apply(self, changes: Sequence[Change]) -> None:
        self.new += self.ids.admit([name for (name,) in changes]).tolist()
        self.known = set(dict(self.ids.arrays())["young"].tolist())

    def plain(self, change: Change) -> None:
        key = siphash(change[0].encode(), seed=0)
        self.new.append(not change[0] or key not in self.known)
        if change[0]:
            self.known.add(key)

    def content(self) -> dict[str, Array]:
        return {"new": np.array(self.new), "known": np.array(sorted(self.known), np.uint64)}

    def check(self) -> None:
        assert len(self.ids) <= 8


KINDS = [Counters, Rings, Affinity, EventLog, Lists, EventIds]


def fade(age_ms: Any) -> Any:
    return 0.5 ** (np.maximum(age_ms, 0) / HALF_LIFE_MS)


def turned(changes: Sequence[Change], *dtypes: Any) -> list[Array]:
    """Rows as columns."""
    columns = list(zip(*changes, strict=True)) or [()] * len(dtypes)
    return [np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_kernel_does_what_plain_python_does(kind: type[Kind], data: st.DataObject) -> None:
    changes = data.draw(st.lists(kind.change, max_size=40))
    fast, slow = kind(), kind()
    fast.apply(changes)
    for change in changes:
        slow.plain(change)
    for name, values in slow.content().items():
        np.testing.assert_allclose(fast.content()[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_batches_of_any_length_come_to_the_same_bit_for_bit(kind: type[Kind], data: st.DataObject) -> None:
    changes = data.draw(st.lists(kind.change, max_size=40))
    cut = data.draw(st.integers(0, len(changes)))
    whole, halves, singly = kind(), kind(), kind()
    whole.apply(changes)
    halves.apply(changes[:cut])
    halves.apply(changes[cut:])
    for change in changes:
        singly.apply([change])
    for name, values in whole.content().items():
        assert values.tobytes() == halves.content()[name].tobytes() == singly.content()[name].tobytes(), name


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_is_held_stays_bounded_and_never_falls_below_zero(kind: type[Kind], data: st.DataObject) -> None:
    state = kind()
    for change in data.draw(st.lists(kind.change, max_size=40)):
        state.apply([change])
        state.check()
