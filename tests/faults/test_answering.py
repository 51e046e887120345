"""The short form of `python -m tests.faults.answering`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.answering import Callers, elsewhere
from tests.faults.outages import FAULTS_OF_ONE, Fault, FaultyServer, port_cut, running

CALLS = 30
SHORT = [one for one in FAULTS_OF_ONE if one.name not in {"models-gone", "valkey-killed", "index-raises"}]
"""The others wait for nothing that these do not."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    with running(tmp_path_factory.mktemp("faulty") / "data") as server:
        yield server


@pytest.mark.parametrize("fault", SHORT, ids=lambda one: one.name)
def test_timelines_come_in_time_with_the_reason_and_the_server_heals(
    server: FaultyServer, fault: Fault
) -> None:
    tally = Callers(server, fault, CALLS, seed=1).run()
    assert tally.good, tally


def test_timelines_come_while_the_journal_cannot_be_reached(tmp_path: Path) -> None:
    with elsewhere(tmp_path) as (relay, server):
        tally = Callers(server, port_cut(relay), CALLS, seed=1).run()
    assert tally.good, tally
    assert tally.writes_refused
