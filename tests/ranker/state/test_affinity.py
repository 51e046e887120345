import numpy as np

from ranker.state import NONE, affinity
from ranker.state.columns import column
from ranker.state.growing import Growing, growing

HALF_LIFE_MS = 1_000.0


class Row:
    """One viewer's sums over three keys at most."""

    def __init__(self) -> None:
        rows = Growing(growing(3, key=column(np.int32, of="user"), **affinity.COLUMNS))
        rows.resize(1)
        self.keys, self.sums, self.last_ms = (rows.field(name) for name in ("key", "sum", "ms"))

    def add(self, key: int, strength: float = 1.0, amount: float = 1.0, time_ms: int = 0) -> None:
        affinity.add(
            self.keys, self.sums, self.last_ms, np.zeros(1, np.int32), np.array([key], np.int32),
            np.array([strength], np.float32), np.array([amount], np.float32), np.array([time_ms]),
            HALF_LIFE_MS,
        )  # fmt: skip

    def read(self, now_ms: int = 0) -> dict[int, list[float]]:
        keys, sums = affinity.read(self.keys, self.sums, self.last_ms, 0, now_ms, HALF_LIFE_MS)
        return dict(zip(keys.tolist(), sums.tolist(), strict=True))


def test_impressions_good_and_bad_events_have_sums_of_their_own() -> None:
    row = Row()
    for strength in (0.0, 0.0, 0.5, -1.5):
        row.add(7, strength)
    assert row.read() == {7: [2.0, 0.5, 1.5]}


def test_sums_fade_by_half_in_a_half_life() -> None:
    row = Row()
    row.add(7)
    assert row.read(int(HALF_LIFE_MS)) == {7: [0.0, 0.5, 0.0]}


def test_a_late_event_counts_as_if_it_had_come_in_time() -> None:
    row = Row()
    row.add(7, time_ms=int(HALF_LIFE_MS))
    row.add(7, time_ms=0)
    assert row.read(int(HALF_LIFE_MS)) == {7: [0.0, 1.5, 0.0]}


def test_a_new_key_takes_the_place_of_the_one_met_least() -> None:
    row = Row()
    for key in (1, 1, 2, 3, 3, 4):
        row.add(key)
    assert sorted(row.read()) == [1, 3, 4]


def test_taking_back_from_a_key_that_is_not_there_takes_no_place() -> None:
    row = Row()
    for key in (1, 2, 3):
        row.add(key)
    row.add(4, amount=-1)
    assert sorted(row.read()) == [1, 2, 3]


def test_keys_are_read_in_rising_order() -> None:
    row = Row()
    for key in (9, 2, 5):
        row.add(key)
    assert affinity.read(row.keys, row.sums, row.last_ms, 0, 0, HALF_LIFE_MS)[0].tolist() == [2, 5, 9]


def test_a_look_up_finds_sums_by_key_and_nan_for_others() -> None:
    row = Row()
    row.add(2)
    keys, sums = affinity.read(row.keys, row.sums, row.last_ms, 0, 0, HALF_LIFE_MS)
    found = affinity.look_up(keys, sums, np.array([[2, 3], [NONE, 2]], np.int32))
    assert found.shape == (2, 2, 3)
    assert found[..., 1].tolist()[0][0] == found[..., 1].tolist()[1][1] == 1
    assert np.isnan(found[0, 1]).all()
    assert np.isnan(found[1, 0]).all()


def test_a_look_up_in_an_empty_row_is_nan() -> None:
    row = Row()
    keys, sums = affinity.read(row.keys, row.sums, row.last_ms, 0, 0, HALF_LIFE_MS)
    assert np.isnan(affinity.look_up(keys, sums, np.array([1, NONE], np.int32))).all()


def test_a_row_reads_as_its_places_do_in_numpy() -> None:
    row, rng = Row(), np.random.default_rng(3)
    for key, strength, time_ms in zip(rng.integers(0, 5, 40), rng.normal(size=40), range(40), strict=True):
        row.add(int(key), float(strength), time_ms=40 * time_ms)
    held = np.argsort(row.keys[0])
    faded = row.sums[0] * 0.5 ** ((5_000 - row.last_ms[0]) / HALF_LIFE_MS)[:, None]
    keys, sums = affinity.read(row.keys, row.sums, row.last_ms, 0, 5_000, HALF_LIFE_MS)
    assert keys.tolist() == row.keys[0][held].tolist()
    np.testing.assert_allclose(sums, faded[held], rtol=1e-6)
