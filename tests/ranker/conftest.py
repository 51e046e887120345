"""A real Valkey that the journal's tests share; each test has a stream of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from ranker.journal import Journal
from ranker.valkey import EmbeddedValkey


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def journal(valkey: EmbeddedValkey) -> Iterator[Journal]:
    """An empty journal."""
    journal = Journal.at_socket(valkey.socket, stream=uuid4().hex)
    yield journal
    journal.close()
