import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ranker import snapshot
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Entry, Journal
from ranker.state import State
from ranker.upkeep import Upkeep, UpkeepSettings
from tests.live import within


def full(*_: object) -> None:
    """There is no room for a draft."""
    raise MemoryError


@pytest.fixture
def upkeep(tmp_path: Path, journal: Journal) -> Iterator[Upkeep]:
    """Of a follower that runs on an empty journal, ten times a second."""
    follower = Follower(journal, Fold(State(4)))
    follower.start()
    yield Upkeep(tmp_path, journal, follower, UpkeepSettings(snapshot_every_s=0.1), trim=True)
    follower.stop()


def test_a_copy_that_fails_is_told_at_once_to_who_asked(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "draft", full)
    began = time.monotonic()
    with pytest.raises(MemoryError):
        upkeep.save()
    assert time.monotonic() - began < 5


def test_after_a_snapshot_that_failed_the_next_one_is_tried(
    upkeep: Upkeep, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short, capture_logs() as logged:
        short.setattr(snapshot, "draft", full)
        journal.append(Entry(time_ms=1))
        upkeep.start()
        assert within(5, lambda: any(line["event"] == "snapshot_failed" for line in logged))
    assert within(5, lambda: list(upkeep.snapshots.glob("*-*/manifest.json")))
    upkeep.stop()
