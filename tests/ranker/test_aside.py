import threading
import time
from collections.abc import Iterator

import pytest

from ranker.aside import Aside
from tests.live import within


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a job that hangs waits for; it opens at the end."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_job_that_ends_in_time_is_waited_for() -> None:
    done: list[str] = []
    assert Aside().run(lambda: done.append(threading.current_thread().name), 5, str)
    assert done == ["aside"]


def test_a_job_that_hangs_is_left_behind(gate: threading.Event) -> None:
    aside, began = Aside(), time.monotonic()
    assert not aside.run(gate.wait, 0.05, lambda: "slow")
    assert time.monotonic() - began < 1
    assert aside.stuck("slow")
    assert aside.count == 1


def test_a_job_that_returns_late_is_stuck_no_more(gate: threading.Event) -> None:
    aside = Aside()
    aside.run(gate.wait, 0.01, lambda: "slow")
    gate.set()
    assert within(5, lambda: not aside.stuck("slow"))
    assert aside.count == 0


def test_threads_are_used_again_and_those_that_return_too(gate: threading.Event) -> None:
    aside = Aside()
    used = set[int]()
    aside.run(lambda: (used.add(threading.get_ident()), gate.wait()), 0.01, lambda: "slow")
    gate.set()
    assert within(5, lambda: not aside.count)
    for _ in range(50):
        assert aside.run(lambda: used.add(threading.get_ident()), 5, str)
    assert len(used) == 1


def test_a_job_that_raises_ends_and_harms_no_other() -> None:
    aside = Aside()
    done: list[int] = []
    assert aside.run(lambda: done[1], 5, str)
    assert aside.run(lambda: done.append(1), 5, str)
    assert done == [1]


def test_many_callers_at_once_each_get_their_own_job_done() -> None:
    aside, done = Aside(), [0] * 8

    def work(number: int) -> None:
        def add() -> None:
            done[number] += 1

        assert all(aside.run(add, 5, str) for _ in range(200))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [200] * 8
