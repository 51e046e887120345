import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import feedrank
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from ranker import features, heads
from ranker.heads import Prediction
from ranker.impression_files import OPEN, PARQUET, SCHEMA, read_log
from ranker.impressions import Answer, ImpressionLog, ImpressionSettings, rows_of
from ranker.journal import Journal, now_ms
from ranker.surfaces import FACTORS
from tests.conftest import Launch
from tests.live import within
from tests.ranker.syncs import synced

OFTEN = ImpressionSettings(flush_s=0.02, file_age_s=0.05)


def answer(request_id: str, **other: object) -> Answer:
    """A page of two posts."""
    plain = Answer(
        request_id=request_id,
        session_id="s1",
        viewer_id="ana",
        surface=1,
        time_ms=now_ms(),
        entry_id="1-0",
        model_version="prior",
        experiment="",
        variant="",
        shadow=None,
        first_place=20,
        post_ids=["p1", "p2"],
        sources=["fresh", "trending"],
        brought=np.ones(2, np.uint32),
        score=np.ones(2),
        propensity=np.array([1, 0.25]),
        features=np.ones((2, len(features.NAMES)), np.float32),
        probabilities=np.ones((2, len(heads.NAMES))),
        factors={"fatigue": np.array([1, 0.5])},
    )
    return replace(plain, **other)  # type: ignore[arg-type]


def written(folder: Path) -> list[str]:
    """The requests in the log, one a row."""
    return [name for table in read_log(folder) for name in table.column("request_id").to_pylist()]


def logged(folder: Path, journal: Journal, *answers: Answer, **settings: float) -> ImpressionLog:
    """A log that has written some answers and ended."""
    log = ImpressionLog(folder, journal, ImpressionSettings(**settings))
    log.start()
    for one in answers:
        log.record(one)
    log.stop()
    return log


def test_what_was_recorded_is_written_at_a_stop_and_journaled(tmp_path: Path, journal: Journal) -> None:
    log = logged(tmp_path, journal, answer("r1"))
    assert written(tmp_path) == ["r1", "r1"]
    assert (log.written, log.dropped) == (2, 0)
    assert len(journal.read("")) == 1


def test_a_row_tells_all_of_a_served_post() -> None:
    row = rows_of([answer("r1", experiment="x", variant="b")]).to_pylist()[1]
    assert (row["session_id"], row["place"], row["post_id"], row["source"]) == ("s1", 21, "p2", "trending")
    assert (row["experiment"], row["variant"], row["propensity"]) == ("x", "b", 0.25)
    assert dict(zip(FACTORS, row["factors"], strict=True)) == dict.fromkeys(FACTORS, 1.0) | {"fatigue": 0.5}
    assert (row["shadow_version"], row["shadow_probabilities"]) == ("", None)


def test_rows_of_several_answers_stand_in_their_order() -> None:
    three = answer("r2", post_ids=["p3", "p4"], first_place=0)
    rows = rows_of([answer("r1"), three]).to_pylist()
    told = [(row["request_id"], row["place"], row["post_id"]) for row in rows]
    assert told == [("r1", 20, "p1"), ("r1", 21, "p2"), ("r2", 0, "p3"), ("r2", 1, "p4")]


def test_the_names_of_features_heads_and_factors_are_in_the_file(tmp_path: Path, journal: Journal) -> None:
    logged(tmp_path, journal, answer("r1"))
    (table,) = read_log(tmp_path)
    assert table.schema.equals(SCHEMA)
    assert table.schema.metadata[b"factors"].decode().split(",") == list(FACTORS)
    assert table.schema.metadata[b"features"].decode().split(",") == list(features.NAMES)


def test_what_the_caller_decides_on_is_logged_and_not_journaled(tmp_path: Path, journal: Journal) -> None:
    logged(tmp_path, journal, answer("r1", counts_as_served=False))
    assert written(tmp_path) == ["r1", "r1"]
    assert journal.read("") == []


class Shadow:
    """A model that says the first feature, and counts how often it was asked."""

    version = "shade"
    calls = 0

    def predict(self, rows: NDArray[np.float32]) -> Prediction:
        self.calls += 1
        return Prediction(np.tile(rows[:, :1], len(heads.NAMES)).astype(np.float64), np.zeros(len(rows)))


class Broken(Shadow):
    """A model that fails."""

    def predict(self, rows: NDArray[np.float32]) -> Prediction:
        raise ZeroDivisionError(len(rows))


def test_a_shadow_model_is_asked_once_for_many_answers() -> None:
    shadow = Shadow()
    rows = rows_of([answer("r1", shadow=shadow), answer("r2"), answer("r3", shadow=shadow)]).to_pylist()
    assert [row["shadow_version"] for row in rows] == ["shade"] * 2 + [""] * 2 + ["shade"] * 2
    said = [row["shadow_probabilities"] for row in rows]
    assert said == [[1.0] * len(heads.NAMES)] * 2 + [None] * 2 + [[1.0] * len(heads.NAMES)] * 2
    assert shadow.calls == 1


def test_a_shadow_model_that_fails_costs_its_own_column_only() -> None:
    with capture_logs() as said:
        rows = rows_of([answer("r1", shadow=Broken()), answer("r2", shadow=Shadow())]).to_pylist()
    assert [row["shadow_probabilities"] is None for row in rows] == [True, True, False, False]
    assert [row["probabilities"][0] for row in rows] == [1, 1, 1, 1]
    assert [line["event"] for line in said] == ["shadow_failed"]


def test_an_answer_that_can_not_be_written_is_dropped_and_the_next_is_written(
    tmp_path: Path, journal: Journal
) -> None:
    log = ImpressionLog(tmp_path, journal, OFTEN)
    with capture_logs() as said:
        log.start()
        log.record(answer("bad", score=np.ones(3)))
        assert within(5, lambda: log.dropped)
        log.record(answer("good"))
        assert within(5, lambda: written(tmp_path))
        log.stop()
    assert written(tmp_path) == ["good", "good"]
    assert [line["event"] for line in said] == ["impressions_not_written"]


def test_an_answer_that_can_not_be_journaled_ends_nothing(tmp_path: Path, journal: Journal) -> None:
    log = ImpressionLog(tmp_path, journal, OFTEN)
    with capture_logs() as said:
        log.start()
        log.record(answer("bad", viewer_id="\ud800"))
        assert within(5, lambda: log.dropped)
        log.record(answer("good"))
        assert within(5, lambda: "good" in written(tmp_path))
        log.stop()
    assert {line["event"] for line in said} == {"impressions_failed", "impressions_not_written"}


def test_when_the_queue_is_full_the_oldest_is_not_logged_and_counted(
    tmp_path: Path, journal: Journal
) -> None:
    log = ImpressionLog(tmp_path, journal, ImpressionSettings(queue_answers=3))
    for i in range(5):
        log.record(answer(f"r{i}"))
    log.start()
    log.stop()
    assert sorted(set(written(tmp_path))) == ["r2", "r3", "r4"]
    assert (log.written, log.dropped) == (6, 4)


def settled(log: ImpressionLog, rows: int) -> bool:
    """Whether so many rows are written or dropped soon."""
    return bool(within(5, lambda: log.written + log.dropped == rows))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may be longer than 8 kB, as on a disk that is full.

    Not a fixture: the test runner's own output is such a file too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_what_a_full_disk_does_not_take_is_counted_and_the_rest_is_kept(
    tmp_path: Path, journal: Journal
) -> None:
    log = ImpressionLog(tmp_path, journal, ImpressionSettings(flush_s=0.001))
    log.start()
    with capture_logs() as said, full_disk():
        for i in range(6):
            log.record(answer(f"r{i}"))
            assert settled(log, 2 * i + 2)
        kept = sorted(set(written(tmp_path)))
    assert 0 < len(kept) < 6
    assert kept == [f"r{i}" for i in range(len(kept))]
    assert (log.written, log.dropped) == (2 * len(kept), 12 - 2 * len(kept))
    assert [line["event"] for line in said] == ["impressions_not_written"]
    log.stop()


def test_a_segment_becomes_a_file_when_it_is_full(tmp_path: Path, journal: Journal) -> None:
    log = ImpressionLog(tmp_path, journal, ImpressionSettings(flush_s=0.001, file_rows=4))
    log.start()
    for i in range(6):
        log.record(answer(f"r{i}"))
        assert settled(log, 2 * i + 2)
    assert within(5, lambda: len(list(tmp_path.glob(f"*{PARQUET}"))) == 3)
    log.stop()
    assert written(tmp_path) == [f"r{i}" for i in range(6) for _ in range(2)]


def test_a_segment_becomes_a_file_when_it_is_old(tmp_path: Path, journal: Journal) -> None:
    log = ImpressionLog(tmp_path, journal, OFTEN)
    log.start()
    log.record(answer("r1"))
    assert within(5, lambda: [path.suffix for path in tmp_path.iterdir()] == [PARQUET])
    log.stop()


def test_files_are_named_by_the_logs_clock_though_it_stands(tmp_path: Path, journal: Journal) -> None:
    for name in ("r1", "r2"):
        log = ImpressionLog(tmp_path, journal, ImpressionSettings(), clock=lambda: 1_000)
        log.start()
        log.record(answer(name))
        log.stop()
    assert [path.stem for path in sorted(tmp_path.iterdir())] == [f"{1_000:015}", f"{1_001:015}"]
    assert written(tmp_path) == ["r1", "r1", "r2", "r2"]
    assert {record[1][:0] for record in journal.read("")} == {b""}


def test_files_that_were_not_finished_are_removed_at_the_start(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "torn.tmp").write_bytes(b"PAR1 half")
    logged(tmp_path, journal)
    assert list(tmp_path.iterdir()) == []


def test_workers_write_files_of_their_own_and_leave_each_other_alone(
    tmp_path: Path, journal: Journal
) -> None:
    soon = ImpressionSettings(flush_s=0.02)
    logs = [ImpressionLog(tmp_path, journal, soon, lambda: 1_000, worker=one, workers=2) for one in (0, 1)]
    for number, log in enumerate(logs):
        log.start()
        log.record(answer(f"r{number}"))
    assert within(5, lambda: len(list(tmp_path.glob("*.open"))) == 2)
    logs[0].stop()
    assert [path.name for path in tmp_path.glob("*.open")] == [f"{1_000:015}-1.open"]
    logs[1].stop()
    assert sorted(written(tmp_path)) == ["r0", "r0", "r1", "r1"]


def test_what_a_worker_left_that_is_no_more_is_finished_by_the_first(
    tmp_path: Path, journal: Journal
) -> None:
    (tmp_path / f"{1_000:015}-3.open").touch()
    (tmp_path / f"{1_000:015}-1.open").touch()
    log = ImpressionLog(tmp_path, journal, OFTEN, workers=2)
    log.start()
    log.stop()
    assert [path.name for path in tmp_path.iterdir()] == [f"{1_000:015}-1.open"]


@pytest.mark.parametrize(("days", "left"), [(29, 2), (31, 1)])
def test_files_are_kept_for_thirty_days(tmp_path: Path, journal: Journal, days: int, left: int) -> None:
    (tmp_path / f"{now_ms() - days * 86_400_000:015}.parquet").touch()
    logged(tmp_path, journal, answer("r1"))
    assert len(list(tmp_path.glob("*.parquet"))) == left


def test_the_oldest_files_go_when_all_take_too_much(tmp_path: Path, journal: Journal) -> None:
    for i in range(5):
        (tmp_path / f"{now_ms() - 1_000 + i:015}.parquet").write_bytes(bytes(100_000))
    logged(tmp_path, journal, answer("r1"), max_gib=300_000 / 2**30)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3
    assert written(tmp_path) == ["r1", "r1"]


WRITER = """
import itertools, logging, structlog, sys, time
from pathlib import Path
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from ranker.impressions import ImpressionLog, ImpressionSettings
from ranker.journal import Journal
from tests.ranker.test_impressions import answer
folder, settings = Path(sys.argv[1]), ImpressionSettings(file_rows=int(sys.argv[2]))
log = ImpressionLog(folder, Journal.at_socket(folder / "no.sock"), settings)
log.start()
for i in itertools.count():
    log.record(answer(str(i)))
    print(i, time.monotonic(), flush=True)
    time.sleep(0.002)
"""


def acknowledged_before_a_kill(folder: Path, file_rows: int) -> tuple[list[int], int]:
    """What a process had recorded a second before it was killed, and how much in all."""
    said = folder / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder / "log"), str(file_rows)],
            stdout=output,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert within(30, lambda: said.stat().st_size)
        time.sleep(2.3)
        process.kill()
        killed = time.monotonic()
        process.wait()
    told = [line.split() for line in said.read_text().splitlines() if line.count(".")]
    return [int(number) for number, moment in told if float(moment) < killed - 1], len(told)


@pytest.mark.parametrize("file_rows", [600, 1_000_000])
def test_what_was_recorded_a_second_before_a_kill_is_there(
    tmp_path: Path, journal: Journal, file_rows: int
) -> None:
    folder = tmp_path / "log"
    safe, recorded = acknowledged_before_a_kill(tmp_path, file_rows)
    before = written(folder)
    log = logged(folder, journal)
    kept = [int(name) for name in written(folder)]
    assert kept == [number for number in range(len(kept) // 2) for _ in range(2)]
    assert len(safe) > 50
    assert len(safe) <= len(kept) / 2 <= recorded
    assert [int(name) for name in before] == kept
    assert log.recovered == len(kept) or file_rows < len(kept)
    assert not list(folder.glob(f"*{OPEN}"))


def test_a_killed_server_has_logged_what_it_served_and_tells_what_it_recovered(launch: Launch) -> None:
    server = launch(EXPLORATION__SWAP_SHARE="1", EXPLORATION__FRESH_SHARE="0")
    server.client.put_posts([feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"{i}") for i in range(30)])
    pages = [server.client.timeline("ana", include_seen=True) for _ in range(3)]
    ranked = server.client.rank_posts("ana", [f"p{i}" for i in range(5)])
    time.sleep(1)
    server.kill()
    rows = [row for table in read_log(server.data / "impressions") for row in table.to_pylist()]
    served = [(page.request_id, post.post_id) for page in pages for post in page.posts]
    served += [(ranked.request_id, post.post_id) for post in ranked.posts]
    assert [(row["request_id"], row["post_id"]) for row in rows] == served
    assert [row["propensity"] for row in rows[:20]].count(2 / 90) == 2
    assert {row["source"] for row in rows[-5:]} == {"caller"}
    launch(server)
    assert within(5, lambda: f"impressions_recovered {len(rows)}.0" in server.metrics())


def test_a_log_that_can_not_be_read_at_the_start_does_not_keep_it_from_writing(
    tmp_path: Path, journal: Journal
) -> None:
    (tmp_path / f"{1:015}{OPEN}").mkdir()
    with capture_logs() as said:
        logged(tmp_path, journal, answer("r1"))
    assert {line["event"] for line in said} == {"impressions_not_finished"}
    (tmp_path / f"{1:015}{OPEN}").rmdir()
    assert written(tmp_path) == ["r1", "r1"]


def test_rows_are_arrow_of_the_schema() -> None:
    batch = rows_of([answer("r1")])
    batch.validate(full=True)
    assert isinstance(batch, pa.RecordBatch)
    assert batch.schema.equals(SCHEMA, check_metadata=True)


def test_a_file_that_can_not_be_removed_does_not_keep_what_was_served_from_the_journal(
    tmp_path: Path, journal: Journal
) -> None:
    (tmp_path / f"{1:015}{PARQUET}").mkdir()
    logged(tmp_path, journal, answer("r1"), file_rows=1, flush_s=0.001)
    assert len(journal.read("")) == 1


def test_the_logs_folder_is_on_disk_before_its_first_segment_is(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(monkeypatch) as on_disk:
        logged(tmp_path / "impressions", journal, answer("r1"))
    paths = [path for path, _ in on_disk]
    segment = next(path for path in paths if path.suffix == OPEN)
    assert on_disk[0] == (tmp_path, ["impressions"])
    named = next(i for i, (path, there) in enumerate(on_disk) if segment.name in there)
    assert paths[named] == tmp_path / "impressions"
    assert named < paths.index(segment)
