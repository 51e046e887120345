"""The short form of the long run, and that it finds what it looks for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from feedrank.v1 import types_pb2

from ranker import entries
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Journal
from ranker.state import State
from ranker.valkey import EmbeddedValkey
from tests.faults import kill
from tests.faults.ledger import Told, Witness, broken, differs
from tests.ranker.processes import kill_valkey

NOW = 1_795_305_600_000


@pytest.mark.parametrize(("of", "cycles"), [("server", 4), ("both", 1), ("valkey", 3)])
def test_kills_lose_no_acknowledged_write_and_count_none_twice(tmp_path: Path, of: str, cycles: int) -> None:
    tally = kill.run(cycles, of, 1, 7, tmp_path, lambda _: None)
    assert tally.violations == []
    assert tally.cycles == cycles
    assert tally.acknowledged > 10 * cycles


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Of a journal with a post, two clicks on it, and nobody who follows anybody."""
    valkey = EmbeddedValkey(tmp_path / "journal")
    valkey.start()
    with closing(Journal.at_socket(valkey.socket)) as journal:
        journal.append(entries.of_posts([types_pb2.Post(id="p", author_id="ana")], NOW))
        click = types_pb2.Event(viewer_id="p-vic", post_id="p", kind=types_pb2.EVENT_KIND_CLICK)
        witness = Witness(tmp_path, 4, journal)
        witness.hear(journal.append(entries.of_events([click, click], NOW)))
        yield witness
    valkey.stop()
    kill_valkey(tmp_path / "journal")


def test_what_is_as_it_was_promised_breaks_nothing(witness: Witness) -> None:
    told = Told(alive={"p": True}, clicks={"p": [1, 2]}, positions=list(witness.positions))
    assert list(broken(told, witness)) == []


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (Told(positions=["1-0"]), "the acknowledged entry 1-0 is lost"),
        (Told(alive={"gone": True}), "the post gone is lost"),
        (Told(alive={"p": False}), "the post p should be deleted"),
        (Told(clicks={"p": [3, 3]}), "the post p has 2 of 2 clicks, not 3 to 3"),
        (Told(clicks={"p": [0, 1]}), "the post p has 2 of 2 clicks, not 0 to 1"),
        (Told(follows={"p-vic": "ana"}), "p-vic does not follow ana"),
    ],
)
def test_what_is_lost_or_counts_twice_is_found(witness: Witness, told: Told, sentence: str) -> None:
    assert list(broken(told, witness)) == [sentence]


@pytest.fixture
def server(witness: Witness) -> State:
    """The state of a server that folded what the witness did."""
    state = State(4)
    follower = Follower(witness.journal, Fold(state))
    for record in witness.journal.records(""):
        follower.apply(record)
    return state


def test_a_state_that_is_the_fold_of_the_journal_does_not_differ(witness: Witness, server: State) -> None:
    assert list(differs(witness, server)) == []


def test_a_single_bit_of_a_column_is_found_and_the_column_is_named(witness: Witness, server: State) -> None:
    server.posts.counter[0, 0, 0] += 2**-20
    (found,) = differs(witness, server)
    assert found.endswith("the server's state is not the fold of the journal: post.counter")


def test_a_position_that_differs_is_found_without_a_column(witness: Witness, server: State) -> None:
    server.position = "9-9"
    assert list(differs(witness, server)) == [
        "at 9-9 the server's state is not the fold of the journal: facts"
    ]
