"""Calls a second."""

from pathlib import Path

import pytest

from ranker.access.rates import Rates


class Clock:
    """A clock that moves when told."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(tmp_path: Path, clock: Clock) -> Rates:
    return Rates(tmp_path / "access", clock)


def test_a_bucket_holds_the_calls_of_one_second(rates: Rates) -> None:
    taken = [rates.take(0, 10) for _ in range(12)]
    assert taken[:10] == [0.0] * 10
    assert all(wait > 0 for wait in taken[10:])


def test_the_wait_that_is_told_is_the_wait_that_is_needed(rates: Rates, clock: Clock) -> None:
    while not (wait := rates.take(0, 10)):
        pass
    clock.now += wait - 0.001
    assert rates.take(0, 10) > 0
    clock.now += 0.002
    assert rates.take(0, 10) == 0


@pytest.mark.parametrize("rate", [0.5, 7.0, 200.0])
def test_over_a_minute_no_more_calls_come_through_than_the_rate(
    rates: Rates, clock: Clock, rate: float
) -> None:
    came = 0
    for _ in range(60_000):
        clock.now += 0.001
        came += rates.take(3, rate) == 0
    assert rate * 60 - 1 <= came <= rate * 61 + 1


def test_tokens_do_not_take_from_each_other(rates: Rates) -> None:
    while not rates.take(0, 10):
        pass
    assert rates.take(1, 10) == 0


def test_workers_share_the_buckets(rates: Rates, tmp_path: Path, clock: Clock) -> None:
    while not rates.take(0, 10):
        pass
    assert Rates(tmp_path / "access", clock).take(0, 10) > 0


def test_what_was_written_before_the_machine_started_anew_holds_nobody_up(rates: Rates, clock: Clock) -> None:
    rates.take(0, 10)
    clock.now = 1.0
    assert rates.take(0, 10) == 0
