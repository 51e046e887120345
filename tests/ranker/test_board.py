"""What workers tell each other."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.board import Board, number_of, position_of
from ranker.journal import order

POSITIONS = st.builds("{}-{}".format, st.integers(0, 2**41), st.integers(0, 2**22 - 1))


@given(POSITIONS, POSITIONS)
def test_numbers_sort_as_positions_do(one: str, two: str) -> None:
    assert (number_of(one) < number_of(two)) == (order(one) < order(two))
    assert order(position_of(number_of(one))) == order(one)


@pytest.fixture
def boards() -> tuple[Board, Board]:
    """Of two workers."""
    first = Board.shared(2)
    return first, Board(2, 1, first.file)


def test_a_worker_is_behind_until_it_folded_what_another_acknowledged(boards: tuple[Board, Board]) -> None:
    first, second = boards
    second.acknowledge("5-3")
    first.fold("5-2")
    assert first.behind() == "5-3"
    first.fold("5-3")
    assert not first.behind()


def test_all_workers_know_whether_the_embedder_is_there(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.embedder_lost = True
    assert second.embedder_lost
    first.embedder_lost = False
    assert not second.embedder_lost


def test_what_is_acknowledged_never_goes_back(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.acknowledge("7-0")
    first.acknowledge("6-0")
    assert second.behind() == "7-0"


def test_a_position_of_a_far_future_does_not_stop_a_write(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.fold("99999999999999-0")
    second.acknowledge("99999999999999-0")
    assert not first.behind()


def test_the_journal_is_kept_from_where_the_slowest_worker_is(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.fold("9-0")
    second.fold("4-1")
    assert first.folded_by_all("9-0") == "4-1"
    assert first.folded_by_all("3-0") == "3-0"


def test_a_worker_that_ended_keeps_nothing_back(boards: tuple[Board, Board]) -> None:
    first, second = boards
    second.fold("4-1")
    second.serve()
    first.clear(1)
    assert first.folded_by_all("9-0") == "9-0"
    assert not first.serves(1)


def test_a_worker_that_folded_nothing_yet_keeps_all(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.fold("9-0")
    second.fold("")
    assert order(first.folded_by_all("9-0")) <= order("0-1")


def test_the_boards_memory_is_there_before_anybody_writes() -> None:
    """A file of holes on a full disk would end the process that writes first."""
    assert os.fstat(Board.shared(64).file).st_blocks > 0


def test_another_process_reads_the_board() -> None:
    board = Board.shared(2)
    told = "import sys; from ranker.board import Board; Board(2, 1, int(sys.argv[1])).acknowledge('8-1')"
    subprocess.run([sys.executable, "-c", told, str(board.file)], pass_fds=[board.file], check=True)
    assert board.behind() == "8-1"


def test_pages_go_to_the_idlest_worker_once_it_has_far_fewer(boards: tuple[Board, Board]) -> None:
    first, second = boards
    first.serve()
    second.serve()
    with first.under_way(0):
        assert (first.idlest(), second.idlest()) == (0, 1)
        with second.under_way(0):
            assert (first.idlest(), second.idlest()) == (1, 1)
    assert (first.idlest(), second.idlest()) == (0, 1)


def test_pages_do_not_go_to_a_worker_that_does_not_serve(boards: tuple[Board, Board]) -> None:
    first, _ = boards
    first.serve()
    with first.under_way(0), first.under_way(0):
        assert first.idlest() == 0


def test_what_an_ended_worker_had_under_way_is_forgotten(boards: tuple[Board, Board]) -> None:
    first, second = boards
    for board in boards:
        board.serve()
    with second.under_way(0), second.under_way(0), second.under_way(0):
        assert first.idlest() == 1
        first.clear(1)
        second.serve()
        assert first.idlest() == 0
