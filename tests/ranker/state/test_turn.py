"""Turns of readers and a writer, with real threads that the test lets go one after the other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from ranker.state.turn import Turn

Kind = Callable[[Turn], AbstractContextManager[None]]
READ, WRITE = Turn.read, Turn.write


def patient(turn: Turn) -> AbstractContextManager[None]:
    return turn.write(patience_s=60)


class Guests:
    """Threads that enter a turn and stay until they are told to leave."""

    def __init__(self, readers: int) -> None:
        self.turn = Turn(readers)
        self.entered: list[str] = []
        self._leave: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def come(self, **kinds: Kind) -> None:
        """Start them one by one; each has entered or stands in the queue before the next."""
        for name, kind in kinds.items():
            self._leave[name] = threading.Event()
            self._threads[name] = threading.Thread(target=self._stay, args=(name, kind))
            self._threads[name].start()
            eventually(lambda: self._there == len(self._threads))

    @property
    def _there(self) -> int:
        return len(self.entered) + len(self.turn._waiting) + len(self.turn._writers)

    def leave(self, *names: str) -> None:
        """Let them go one by one; whoever is next has entered before the next one goes."""
        for name in names:
            self._leave[name].set()
            self._threads[name].join(5)
            eventually(lambda: self._there == len(self._threads))

    def _stay(self, name: str, kind: Kind) -> None:
        with kind(self.turn):
            self.entered.append(name)
            self._leave[name].wait()

    def end(self) -> None:
        for leave in self._leave.values():
            leave.set()
        for thread in self._threads.values():
            thread.join(5)
            assert not thread.is_alive()


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true() and time.monotonic() < end:
        time.sleep(0.001)
    assert true()


@pytest.fixture
def guests(request: pytest.FixtureRequest) -> Iterator[Guests]:
    found = Guests(request.param)
    yield found
    found.end()


ONE = pytest.mark.parametrize("guests", [1], indirect=True)
TWO = pytest.mark.parametrize("guests", [2], indirect=True)


@TWO
def test_readers_share_and_no_more_than_so_many(guests: Guests) -> None:
    guests.come(a=READ, b=READ, c=READ)
    assert guests.entered == ["a", "b"]
    guests.leave("a")
    assert guests.entered == ["a", "b", "c"]


@ONE
def test_readers_go_in_the_order_in_which_they_came(guests: Guests) -> None:
    guests.come(a=READ, b=READ, c=READ, d=READ)
    guests.leave("a", "b", "c")
    assert guests.entered == ["a", "b", "c", "d"]


@TWO
def test_the_writer_is_alone(guests: Guests) -> None:
    guests.come(a=READ, w=WRITE)
    assert guests.entered == ["a"]
    guests.leave("a")
    guests.come(b=READ)
    assert guests.entered == ["a", "w"]


@TWO
def test_the_writer_goes_before_readers_that_came_later(guests: Guests) -> None:
    guests.come(a=READ, w=WRITE, b=READ)
    assert guests.entered == ["a"]
    guests.leave("a", "w")
    assert guests.entered == ["a", "w", "b"]


@ONE
def test_all_readers_that_waited_go_before_the_next_write(guests: Guests) -> None:
    guests.come(w=WRITE, v=WRITE, a=READ, b=READ)
    guests.leave("w", "a", "b")
    assert guests.entered == ["w", "a", "b", "v"]


@ONE
def test_a_reader_that_comes_after_a_write_waits_for_the_next_one(guests: Guests) -> None:
    guests.come(w=WRITE, v=WRITE, a=READ)
    guests.leave("w")
    guests.come(late=READ)
    guests.leave("a", "v")
    assert guests.entered == ["w", "a", "v", "late"]


@TWO
def test_a_patient_writer_lets_readers_pass_while_others_read(guests: Guests) -> None:
    guests.come(a=READ, w=patient, b=READ)
    assert guests.entered == ["a", "b"]
    guests.leave("b", "a")
    assert guests.entered == ["a", "b", "w"]


@TWO
def test_a_writer_whose_patience_has_ended_bars_readers(guests: Guests) -> None:
    guests.come(a=READ, w=lambda turn: turn.write(patience_s=0.05))
    time.sleep(0.1)
    guests.come(b=READ)
    assert guests.entered == ["a"]


def test_a_turn_ends_with_an_error_too() -> None:
    turn = Turn(readers=1)
    for kind in (turn.read, turn.write):
        with pytest.raises(ZeroDivisionError), kind():
            raise ZeroDivisionError
    with turn.write():
        pass


@TWO
def test_what_a_writer_writes_within_its_turn_is_of_that_turn(guests: Guests) -> None:
    with guests.turn.write():
        guests.come(a=READ, w=WRITE)
        with guests.turn.write(patience_s=60):
            pass
        assert guests.entered == []
    guests.leave("a")
    assert guests.entered == ["a", "w"]
