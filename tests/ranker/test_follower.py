import threading
import time
from collections.abc import Iterator

import pytest
from feedrank.v1 import types_pb2
from structlog.testing import capture_logs

from ranker import entries
from ranker.board import Board
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Entry, Journal
from ranker.state import State
from ranker.writer import Writer
from tests.live import within

NOW = 1_795_305_600_000


@pytest.fixture
def follower(journal: Journal) -> Iterator[Follower]:
    """A follower that was started on an empty journal."""
    follower = Follower(journal, Fold(State(4)))
    follower.start()
    yield follower
    follower.stop()


def user(name: str) -> Entry:
    return entries.of_users([types_pb2.User(id=name)], NOW)


def users(count: int) -> Entry:
    return entries.of_users([types_pb2.User(id=f"user {i}") for i in range(count)], NOW)


def test_a_written_entry_is_folded_when_the_write_says_it_is_visible(
    journal: Journal, follower: Follower
) -> None:
    position, visible = Writer(journal, follower).write(user("ana"))
    assert visible
    assert follower.fold.state.position == position
    assert follower.fold.state.user_ids.names == ["ana"]


def test_waiting_for_what_is_not_written_ends(follower: Follower) -> None:
    began = time.monotonic()
    assert not follower.wait_for("99999999999999-0", 0.1)
    assert time.monotonic() - began < 2


def test_a_read_waits_for_what_another_worker_acknowledged(journal: Journal) -> None:
    board = Board.shared(2)
    follower = Follower(journal, Fold(State(4)), board)
    Board(2, 1, board.file).acknowledge(journal.append(user("ana")))
    assert not follower.catch_up(0.01)
    follower.start()
    assert follower.catch_up(5)
    assert follower.fold.state.user_ids.names == ["ana"]
    follower.stop()


def test_those_who_wait_are_told_at_once(journal: Journal, follower: Follower) -> None:
    writer = Writer(journal, follower)
    writer.write(user("first"))
    began = time.monotonic()
    for i in range(20):
        writer.write(user(f"u{i}"))
    assert (time.monotonic() - began) / 20 < 0.1


def test_what_was_written_before_the_start_is_folded_too(journal: Journal) -> None:
    position = [journal.append(user(f"u{i}")) for i in range(600)][-1]
    follower = Follower(journal, Fold(State(4)))
    follower.start()
    assert follower.wait_for(position, 10)
    follower.stop()
    assert follower.fold.state.users.size == 600


def test_an_entry_that_can_not_be_folded_is_set_aside_and_blocks_nothing(
    journal: Journal, follower: Follower
) -> None:
    with capture_logs() as logged:
        poison = journal.append(Entry(time_ms=NOW))
        assert follower.wait_for(journal.append(user("ana")), 5)
    assert follower.fold.state.user_ids.names == ["ana"]
    assert follower.poison_count == 1
    assert [position for position, _ in follower.poison] == [poison]
    assert [line["event"] for line in logged] == ["poison_entry"]


def test_a_follower_goes_on_where_its_state_is(journal: Journal) -> None:
    state = State(4)
    for name in ("ana", "bea"):
        follower = Follower(journal, Fold(state))
        follower.start()
        assert follower.wait_for(journal.append(user(name)), 5)
        follower.stop()
    assert state.user_ids.names == ["ana", "bea"]


def test_lag_counts_what_is_not_folded(journal: Journal) -> None:
    follower = Follower(journal, Fold(State(4)))
    records = [(journal.append(user(f"u{i}")), user(f"u{i}").SerializeToString()) for i in range(5)]
    assert follower.lag() == 5
    follower.apply(records[0])
    assert follower.lag() == 4


def test_lag_is_unknown_when_the_journal_does_not_answer() -> None:
    assert Follower(Journal.connect("unix:///nowhere"), Fold(State(4))).lag() == -1


def test_a_job_runs_in_the_folds_thread(follower: Follower) -> None:
    ran: list[str] = []
    done = threading.Event()

    def job() -> None:
        ran.append(threading.current_thread().name)
        done.set()

    follower.between_entries(job)
    assert done.wait(5)
    assert ran == ["fold"]


def test_a_job_waits_for_no_entry(journal: Journal, follower: Follower) -> None:
    assert follower.wait_for(journal.append(Entry(time_ms=1)), 5)  # from here on it waits for the next one
    time.sleep(0.03)
    done = threading.Event()
    follower.between_entries(done.set)
    assert done.wait(0.35)


def test_a_lost_journal_is_noticed_and_said_once() -> None:
    follower = Follower(Journal.connect("unix:///nowhere"), Fold(State(4)))
    with capture_logs() as logged:
        follower.start()
        assert within(10, lambda: logged)
        time.sleep(0.2)
        follower.stop()
    assert not follower.connected
    assert [line["event"] for line in logged] == ["journal_lost"]


def test_a_job_that_fails_ends_nothing(journal: Journal, follower: Follower) -> None:
    def job() -> None:
        raise MemoryError

    with capture_logs() as logged:
        follower.between_entries(job)
        assert within(5, lambda: logged)
    assert [line["event"] for line in logged] == ["fold_failed"]
    assert follower.wait_for(journal.append(user("ana")), 5)


def test_a_follower_is_alive_from_its_start_to_its_stop(journal: Journal) -> None:
    follower = Follower(journal, Fold(State(4)))
    assert not follower.alive
    follower.start()
    assert follower.alive
    follower.stop()
    assert not follower.alive


def test_lag_counts_no_further_than_a_hundred(journal: Journal) -> None:
    for i in range(120):
        journal.append(user(f"u{i}"))
    assert Follower(journal, Fold(State(4))).lag() == 100


@pytest.mark.parametrize(
    ("wait", "shared"),
    [
        ([user("ana")] * 10, 10),
        ([user("ana")] * 3 + [entries.of_erasure("ana", NOW)] + [user("ana")] * 6, 3),
        ([user("ana")] * 2 + [users(2_000)] + [user("ana")] * 7, 2),
        ([user("ana"), b"\xff", *[user("ana")] * 8], 10),
    ],
    ids=["short ones", "up to an erasure", "up to a long one", "also what can't be folded"],
)
def test_short_entries_that_wait_share_a_turn(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, wait: list[Entry | bytes], shared: int
) -> None:
    """A reader that comes while they wait sees what the one turn before its own made of the state."""
    monkeypatch.setattr("ranker.follower._TURN_S", 60)
    follower = Follower(journal, Fold(State(4, readers=2)))
    state, seen = follower.fold.state, list[str]()
    positions = [journal.append(entry) for entry in wait]

    def read() -> None:
        with state.turn.read():
            seen.append(state.position)

    reader = threading.Thread(target=read)
    with state.turn.read():
        follower.start()
        within(5, lambda: state.turn._writers)
        reader.start()
        within(5, lambda: state.turn._waiting)
    reader.join(5)
    assert follower.wait_for(positions[-1], 5)
    follower.stop()
    assert seen == [positions[shared - 1]]
