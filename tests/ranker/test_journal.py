import time
from contextlib import closing
from uuid import uuid4

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import JournalError, JournalUnavailable
from ranker.journal import Entry, Journal, order
from ranker.valkey import EmbeddedValkey


def filled(journal: Journal, count: int) -> list[str]:
    return [journal.append(Entry(time_ms=i)) for i in range(count)]


def test_entries_are_read_in_the_order_they_were_written(journal: Journal) -> None:
    positions = filled(journal, 5)
    assert [position for position, _ in journal.read("")] == positions
    assert [Entry.FromString(payload).time_ms for _, payload in journal.read("")] == [0, 1, 2, 3, 4]


def test_positions_rise_by_the_order_of_positions(journal: Journal) -> None:
    positions = filled(journal, 50)
    assert sorted(positions, key=order) == positions
    assert len(set(positions)) == 50


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 99), st.integers(0, 99))
def test_order_is_that_of_the_numbers(ms: int, other_ms: int, number: int, other: int) -> None:
    assert (order(f"{ms}-{number}") < order(f"{other_ms}-{other}")) == ((ms, number) < (other_ms, other))


def test_a_read_begins_after_its_position(journal: Journal) -> None:
    positions = filled(journal, 5)
    assert [position for position, _ in journal.read(positions[2])] == positions[3:]
    assert journal.read(positions[-1]) == []


def test_all_records_are_read_over_many_batches(valkey: EmbeddedValkey) -> None:
    stream = uuid4().hex
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client, client.pipeline() as pipeline:
        for number in range(2_500):
            pipeline.xadd(stream, {"e": str(number)})
        pipeline.execute()
    with closing(Journal.at_socket(valkey.socket, stream)) as journal:
        assert [int(payload) for _, payload in journal.records("")] == list(range(2_500))


def test_a_read_waits_no_longer_than_told(journal: Journal) -> None:
    began = time.monotonic()
    assert journal.read("", block_ms=100) == []
    assert 0.09 <= time.monotonic() - began < 2


def test_streams_of_one_server_are_apart(journal: Journal, valkey: EmbeddedValkey) -> None:
    filled(journal, 2)
    other = Journal.at_socket(valkey.socket, uuid4().hex)
    assert other.read("") == []
    other.close()


def test_trimming_leaves_the_entry_it_names_and_those_after(journal: Journal) -> None:
    positions = filled(journal, 5)
    journal.trim(positions[3])
    assert [position for position, _ in journal.read("")] == positions[3:]


@pytest.mark.parametrize("known", [3, 4])
def test_who_knows_what_was_trimmed_may_go_on(journal: Journal, known: int) -> None:
    positions = filled(journal, 5)
    journal.trim(positions[3])
    journal.check_unbroken(positions[known])


@pytest.mark.parametrize("known", [-1, 0, 2])
def test_who_does_not_know_all_that_was_trimmed_is_told_so(journal: Journal, known: int) -> None:
    positions = filled(journal, 5)
    journal.trim(positions[3])
    with pytest.raises(JournalError, match="restore the data folder's archive"):
        journal.check_unbroken(positions[known] if known >= 0 else "")


def test_a_gap_is_found_when_all_was_trimmed(journal: Journal) -> None:
    positions = filled(journal, 5)
    journal.trim("99999999999999-0")
    journal.check_unbroken(positions[-1])
    with pytest.raises(JournalError):
        journal.check_unbroken(positions[0])


def test_a_journal_that_was_never_trimmed_has_no_gap(journal: Journal) -> None:
    journal.check_unbroken("")
    filled(journal, 2)
    journal.check_unbroken("")


def test_an_entry_that_is_not_ours_reads_as_an_empty_one(valkey: EmbeddedValkey) -> None:
    stream = uuid4().hex
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.xadd(stream, {"other": "field"})
    journal = Journal.at_socket(valkey.socket, stream)
    assert [payload for _, payload in journal.read("")] == [b""]
    journal.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    journal = Journal.connect("unix:///nowhere/valkey.sock")
    assert not journal.ping()
    for call in (lambda: journal.append(Entry()), lambda: journal.read(""), lambda: journal.trim("1-0")):
        with pytest.raises(JournalUnavailable, match="check the Valkey server"):
            call()


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(JournalUnavailable, match="no address"):
        Journal.connect("http://localhost")
