from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from ranker import features, heads
from ranker.impressions import Answer, ImpressionLog, ImpressionSettings
from ranker.journal import Journal, now_ms
from tests.live import within

OFTEN = ImpressionSettings(file_age_s=0.05)


def answer(request_id: str) -> Answer:
    """A page of two posts."""
    return Answer(
        request_id=request_id,
        viewer_id="ana",
        surface=1,
        time_ms=now_ms(),
        entry_id="1-0",
        model_version="prior",
        experiment="",
        variant="",
        shadow=None,
        first_place=0,
        post_ids=["p1", "p2"],
        brought=np.ones(2, np.uint32),
        score=np.ones(2),
        propensity=np.ones(2),
        features=np.ones((2, len(features.NAMES)), np.float32),
        probabilities=np.ones((2, len(heads.NAMES))),
    )


def written(folder: Path) -> list[str]:
    """The requests in the folder's files, one a row."""
    return [name for path in sorted(folder.glob("*.parquet")) for name in _requests(path)]


def _requests(path: Path) -> list[str]:
    return list(pq.read_table(path).column("request_id").to_pylist())


def test_what_was_recorded_is_written_at_a_stop_and_journaled(tmp_path: Path, journal: Journal) -> None:
    log = ImpressionLog(tmp_path, journal, ImpressionSettings())
    log.start()
    log.record(answer("r1"))
    log.stop()
    assert written(tmp_path) == ["r1", "r1"]
    assert len(journal.read("")) == 1


def test_an_answer_that_can_not_be_written_is_dropped_and_the_next_is_written(
    tmp_path: Path, journal: Journal
) -> None:
    log = ImpressionLog(tmp_path, journal, OFTEN)
    with capture_logs() as logged:
        log.start()
        log.record(replace(answer("bad"), score=np.ones(3)))
        assert within(5, lambda: log.dropped)
        log.record(answer("good"))
        assert within(5, lambda: written(tmp_path))
        log.stop()
    assert written(tmp_path) == ["good", "good"]
    assert [line["event"] for line in logged] == ["impressions_not_written"]


def test_an_answer_that_can_not_be_journaled_ends_nothing(tmp_path: Path, journal: Journal) -> None:
    log = ImpressionLog(tmp_path, journal, OFTEN)
    with capture_logs() as logged:
        log.start()
        log.record(replace(answer("bad"), viewer_id="\ud800"))
        assert within(5, lambda: log.dropped)
        log.record(answer("good"))
        assert within(5, lambda: "good" in written(tmp_path))
        log.stop()
    assert {line["event"] for line in logged} == {"impressions_failed", "impressions_not_written"}


def test_files_that_were_not_finished_are_removed_at_the_start(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "torn.tmp").write_bytes(b"PAR1 half")
    log = ImpressionLog(tmp_path, journal, OFTEN)
    log.start()
    log.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("days", "left"), [(29, 2), (31, 1)])
def test_files_are_kept_for_thirty_days(tmp_path: Path, journal: Journal, days: int, left: int) -> None:
    (tmp_path / f"{now_ms() - days * 86_400_000:015}-r0.parquet").touch()
    log = ImpressionLog(tmp_path, journal, ImpressionSettings())
    log.start()
    log.record(answer("r1"))
    log.stop()
    assert len(list(tmp_path.glob("*.parquet"))) == left
