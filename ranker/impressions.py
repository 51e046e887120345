"""The impressions log: what was served, as it was served, off the request path.

Rows go to Parquet files, written whole and renamed, and in small batches, ids only, into the journal: what
was served is state like any other. The queue is bounded: when it is full the oldest answer is not logged, and
that is counted.
"""

import os
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from feedrank.journal.v1 import journal_pb2
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker import features, heads
from ranker.errors import JournalUnavailable
from ranker.journal import Journal, now_ms
from ranker.pipeline import Scorer

log = structlog.get_logger()

_DAY_MS = 86_400_000


class ImpressionSettings(BaseModel, frozen=True, extra="forbid"):
    """How what was served is written down."""

    queue_answers: int = Field(10_000, ge=1, description="Answers that may wait to be logged.")
    file_rows: int = Field(20_000, ge=1, description="Rows of a Parquet file.")
    file_age_s: float = Field(10, gt=0, description="A file is written at the latest after so long.")
    journal_interval_s: float = Field(0.02, gt=0, description="What was served is journaled so often.")
    keep_days: float = Field(30, gt=0, description="Older files are removed.")


SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("viewer_id", pa.string()),
        ("surface", pa.int8()),
        ("time_ms", pa.int64()),
        ("entry_id", pa.string()),
        ("model_version", pa.string()),
        ("place", pa.int32()),
        ("post_id", pa.string()),
        ("brought", pa.uint32()),
        ("score", pa.float64()),
        ("propensity", pa.float64()),
        ("features", pa.list_(pa.float32(), len(features.NAMES))),
        ("probabilities", pa.list_(pa.float32(), len(heads.NAMES))),
    ],
    metadata={"features": ",".join(features.NAMES), "heads": ",".join(heads.NAMES)},
)
"""`entry_id` is the journal entry that the state was folded up to: replay to it gives the same features."""


@dataclass(frozen=True)
class Answer:
    """One page as it was served; arrays have one entry a post."""

    request_id: str
    viewer_id: str
    surface: int
    time_ms: int
    entry_id: str
    model_version: str
    experiment: str
    """Empty when the answer counts for none, as is the variant."""
    variant: str
    shadow: Scorer | None
    """What scores the rows for the log only."""
    first_place: int
    post_ids: Sequence[str]
    brought: NDArray[np.uint32]
    score: NDArray[np.float64]
    propensity: NDArray[np.float64]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float64]


class ImpressionLog:
    """Takes answers from requests; one thread writes them."""

    def __init__(self, folder: Path, journal: Journal, settings: ImpressionSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.dropped = 0
        self._journal = journal
        self._queue: queue.Queue[Answer] = queue.Queue(settings.queue_answers)
        self._rows: list[Answer] = []
        self._row_count = 0
        self._since = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)

    def start(self) -> None:
        """Begin to write. Files that a killed server did not finish are removed."""
        for torn in self.folder.glob("*.tmp"):
            torn.unlink()
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def record(self, answer: Answer) -> None:
        """Log one answer; never waits."""
        while True:
            try:
                return self._queue.put_nowait(answer)
            except queue.Full:
                self.dropped += 1
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue

    def _run(self) -> None:
        while not self._stop.is_set() or not self._queue.empty():
            try:
                self._turn()
            except Exception:
                log.exception("impressions_failed")
        self._write()

    def _turn(self) -> None:
        if self._due():
            self._write()
        answers = self._take()
        self._rows += answers
        self._row_count += sum(len(answer.post_ids) for answer in answers)
        if answers:
            self._enter(answers)

    def _take(self) -> list[Answer]:
        """The answers that wait, after a moment in which more may come."""
        self._stop.wait(self.settings.journal_interval_s)
        answers: list[Answer] = []
        with suppress(queue.Empty):  # `record` takes some away when the queue is full
            answers.extend(self._queue.get_nowait() for _ in range(self._queue.qsize()))
        return answers

    def _enter(self, answers: list[Answer]) -> None:
        pages = [
            journal_pb2.ServedPage(viewer_id=a.viewer_id, post_ids=a.post_ids, time_ms=a.time_ms)
            for a in answers
        ]
        entry = journal_pb2.Entry(time_ms=now_ms(), served=journal_pb2.Served(pages=pages))
        try:
            self._journal.append(entry)
        except JournalUnavailable as error:
            log.warning("served_not_journaled", answers=len(answers), reason=str(error))

    def _due(self) -> bool:
        age = time.monotonic() - self._since
        return self._row_count >= self.settings.file_rows or age >= self.settings.file_age_s

    def _write(self) -> None:
        self._since = time.monotonic()
        answers, self._rows, self._row_count = self._rows, [], 0
        if not answers:
            return
        try:
            self._write_file(answers)
        except Exception as error:
            self.dropped += len(answers)
            log.exception("impressions_not_written", folder=str(self.folder), reason=str(error))
        else:
            self._remove_old()

    def _write_file(self, answers: list[Answer]) -> None:
        path = self.folder / f"{now_ms():015}-{answers[0].request_id[:8]}.parquet"
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            pq.write_table(pa.concat_tables(map(_table, answers)), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)

    def _remove_old(self) -> None:
        oldest = f"{now_ms() - int(self.settings.keep_days * _DAY_MS):015}"
        for name in os.listdir(self.folder):
            if name < oldest and name.endswith(".parquet"):
                (self.folder / name).unlink(missing_ok=True)


def _table(answer: Answer) -> pa.Table:
    count = len(answer.post_ids)
    same = (
        answer.request_id,
        answer.viewer_id,
        answer.surface,
        answer.time_ms,
        answer.entry_id,
        answer.model_version,
    )
    columns = [pa.array([value] * count, SCHEMA.field(i).type) for i, value in enumerate(same)]
    columns += [
        pa.array(np.arange(count) + answer.first_place, pa.int32()),
        pa.array(answer.post_ids, pa.string()),
        pa.array(answer.brought),
        pa.array(answer.score),
        pa.array(answer.propensity),
        _fixed_lists(answer.features),
        _fixed_lists(answer.probabilities.astype(np.float32)),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _fixed_lists(rows: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
