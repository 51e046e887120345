"""Calls that were made before."""

import pytest

from ranker.access.replay import WINDOW_MS, Replays
from ranker.errors import RateExceeded, Replayed

START_MS = 1_763_800_000_000


class Clock:
    """A clock that moves when told."""

    now = START_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def call(at_ms: int, n: int = 0) -> str:
    return f"{at_ms}-{n:016x}"


def test_the_same_call_is_refused_as_long_as_its_time_would_be_taken(clock: Clock) -> None:
    replays = Replays(forgets=False, clock=clock)
    early = call(START_MS + WINDOW_MS)
    replays.check("a", early)
    for _ in range(20):
        clock.now += WINDOW_MS // 9
        with pytest.raises(Replayed):
            replays.check("a", early)


@pytest.mark.parametrize("off_ms", [-WINDOW_MS - 1, WINDOW_MS + 1])
def test_a_time_that_is_too_far_off_is_refused(clock: Clock, off_ms: int) -> None:
    with pytest.raises(Replayed, match="over 5 minutes off: set the caller's clock right"):
        Replays(forgets=False, clock=clock).check("a", call(START_MS + off_ms))


@pytest.mark.parametrize("said", ["", "now", f"{START_MS}", f"{START_MS}-short", "1" * 40 + "-abcdefgh"])
def test_what_is_no_call_is_refused(clock: Clock, said: str) -> None:
    with pytest.raises(Replayed, match="feedrank-call can't be read"):
        Replays(forgets=False, clock=clock).check("a", said)


def test_callers_do_not_use_up_each_others_calls(clock: Clock) -> None:
    replays = Replays(forgets=False, clock=clock)
    assert replays.check("a", call(START_MS)) != replays.check("b", call(START_MS))


def test_each_attempt_of_a_call_is_taken_once(clock: Clock) -> None:
    replays = Replays(forgets=False, clock=clock)
    for attempt in ("", "1", "2"):
        replays.check("a", call(START_MS), attempt)
    with pytest.raises(Replayed):
        replays.check("a", call(START_MS), "1")


def test_memory_is_bounded_by_the_window(clock: Clock) -> None:
    replays = Replays(forgets=False, clock=clock)
    for n in range(5_000):
        clock.now += 1_000
        replays.check("a", call(clock.now, n))
    assert len(replays) <= 2 * WINDOW_MS / 1_000 + 1


def test_what_may_forget_forgets_the_oldest(clock: Clock) -> None:
    replays = Replays(forgets=True, most=10, clock=clock)
    for n in range(30):
        replays.check("a", call(START_MS, n))
    assert len(replays) == 10
    replays.check("a", call(START_MS, 0))


def test_what_must_not_forget_refuses_and_says_when_to_come_again(clock: Clock) -> None:
    replays = Replays(forgets=False, most=10, clock=clock)
    for n in range(10):
        replays.check("a", call(START_MS, n))
    with pytest.raises(RateExceeded) as refused:
        replays.check("a", call(START_MS, 10))
    clock.now += refused.value.retry_after_ms + 1
    replays.check("a", call(clock.now, 10))


def test_calls_of_before_a_restart_are_known(clock: Clock) -> None:
    before, after = (Replays(forgets=False, clock=clock) for _ in range(2))
    after.remember([before.check("a", call(START_MS))])
    with pytest.raises(Replayed):
        after.check("a", call(START_MS))
