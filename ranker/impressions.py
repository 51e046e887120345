"""The impressions log: what was served, as it was served, off the request path.

One thread takes the answers that requests leave in a bounded queue. It appends their rows to a segment on
disk, at most twice a second, and makes Parquet files of full segments (`ranker.impression_files`); in small
batches, ids only, it puts what was served into the journal, where it is state like any other. A killed server
loses at most the last second, or as much as came while the journal did not answer. What can't be logged is
counted, and hurts no answer.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import structlog
from feedrank.journal.v1 import journal_pb2
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker import heads
from ranker.board import PRIMARY
from ranker.disk import sync
from ranker.errors import JournalUnavailable
from ranker.fold.erasure import Erased
from ranker.heads import DAY_MS
from ranker.impression_files import OPEN, SCHEMA, Segment, bound, finish, named, set_aside, worker_of
from ranker.journal import Journal, now_ms, order
from ranker.pipeline import Scorer
from ranker.surfaces import FACTORS

log = structlog.get_logger()

_ERASED = 100
"""The last people who were erased: answers that were made before wait for seconds."""


class ImpressionSettings(BaseModel, frozen=True, extra="forbid"):
    """How what was served is written down."""

    queue_answers: int = Field(10_000, ge=1, description="Answers that may wait to be logged.")
    flush_s: float = Field(0.5, gt=0, description="What was served is put on disk so often.")
    file_rows: int = Field(20_000, ge=1, description="Rows of a Parquet file.")
    file_age_s: float = Field(300, gt=0, description="A Parquet file is made at the latest after so long.")
    journal_interval_s: float = Field(0.2, gt=0, description="What was served is journaled so often.")
    keep_days: float = Field(30, gt=0, description="Older files are removed.")
    max_gib: float = Field(10, gt=0, description="When the files take more, the oldest are removed.")


@dataclass(frozen=True)
class Answer:
    """One page as it was served; arrays have one entry a post."""

    request_id: str
    session_id: str
    """Empty where an answer has no further pages."""
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
    sources: Sequence[str]
    """The first that brought each post."""
    brought: NDArray[np.uint32]
    score: NDArray[np.float64]
    propensity: NDArray[np.float64]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    factors: Mapping[str, NDArray[np.float64]]
    counts_as_served: bool = True
    """False where the caller decides what of it is shown: then the journal is not told."""

    @property
    def shadow_version(self) -> str:
        """Empty without a shadow."""
        return self.shadow.version if self.shadow else ""


class ImpressionLog:
    """Takes answers from requests; one thread writes them. Counts are of rows, one a post."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        settings: ImpressionSettings,
        clock: Callable[[], int] = now_ms,
        worker: int = PRIMARY,
        workers: int = 1,
    ) -> None:
        """`clock`: milliseconds UTC, by which files are named and removed, and entries are made.

        `worker` of `workers` that log into one folder: each writes files of its own; the primary also
        finishes those of workers that are no more, and removes what is old.
        """
        self.folder = folder
        self.settings = settings
        self.written = 0
        self.dropped = 0
        self.recovered = 0
        """Of those that a killed server left."""
        self._journal = journal
        self._clock = clock
        self._worker = worker
        self._workers = workers
        self._queue: queue.Queue[Answer] = queue.Queue(settings.queue_answers)
        self._waiting: list[Answer] = []
        self._segment: Segment | None = None
        self._newest_ms = 0
        self._flushed = -np.inf
        self._failing = False
        self._erased: deque[Erased] = deque(maxlen=_ERASED)
        self._must_finish = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)

    def start(self) -> None:
        """Begin to write. What a killed server did not finish is finished on the way."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def record(self, answer: Answer) -> None:
        """Log one answer; never waits. When the queue is full, the oldest answer in it is not logged."""
        while True:
            try:
                return self._queue.put_nowait(answer)
            except queue.Full:
                with suppress(queue.Empty):
                    self.dropped += len(self._queue.get_nowait().post_ids)

    def forget(self, erased: Erased) -> None:
        """Log nothing more that was made while somebody was here who is erased; make the open file whole."""
        self._erased.append(erased)
        self._must_finish = True

    def _run(self) -> None:
        self._safely(self._recover)
        while not self._stop.is_set() or not self._queue.empty():
            self._safely(self._turn)
        self._safely(self._flush)
        self._safely(self._finish)

    def _safely(self, step: Callable[[], object]) -> None:
        """The thread goes on, whatever happens."""
        try:
            step()
        except Exception:
            log.exception("impressions_failed")

    def _recover(self) -> None:
        for torn in self._own("*.tmp"):
            torn.unlink()
        self.recovered = self._finish()
        if self.recovered:
            log.info("impressions_recovered", rows=self.recovered)

    def _turn(self) -> None:
        answers = self._take()
        self._waiting += answers
        if time.monotonic() >= self._flushed + self.settings.flush_s:
            self._flush()
        if served := [answer for answer in answers if answer.counts_as_served]:
            self._enter(served)
        if self._must_finish:
            self._must_finish = False
            self._flush()
            self._finish()
        if self._segment is not None and self._is_due(self._segment):
            self._finish()  # last: it takes longest, and whatever stands in its way costs nothing else

    def _take(self) -> list[Answer]:
        """The answers that wait, after a moment in which more may come."""
        self._stop.wait(self.settings.journal_interval_s)
        answers: list[Answer] = []
        with suppress(queue.Empty):  # `record` takes some away when the queue is full
            answers.extend(self._queue.get_nowait() for _ in range(self._queue.qsize()))
        return [answer for answer in answers if not self._is_of_erased(answer)] if self._erased else answers

    def _is_of_erased(self, answer: Answer) -> bool:
        """Whether an answer names somebody who is erased since; the whole page goes, there are few."""
        return any(
            order(answer.entry_id) < order(one.entry_id)
            and (answer.viewer_id == one.user_id or not set(one.post_ids).isdisjoint(answer.post_ids))
            for one in self._erased
        )

    def _enter(self, answers: list[Answer]) -> None:
        pages = [
            journal_pb2.ServedPage(viewer_id=a.viewer_id, post_ids=a.post_ids, time_ms=a.time_ms)
            for a in answers
        ]
        entry = journal_pb2.Entry(time_ms=self._clock(), served=journal_pb2.Served(pages=pages))
        try:
            self._journal.append(entry)
        except JournalUnavailable as error:
            log.warning("served_not_journaled", answers=len(answers), reason=str(error))

    def _flush(self) -> None:
        """Put what waits on disk. What can't be is dropped: a full disk must not fill the memory too."""
        answers, self._waiting = self._waiting, []
        if not answers:
            return
        self._flushed = time.monotonic()
        count = sum(len(answer.post_ids) for answer in answers)
        try:
            self._segment = self._segment or self._begun()
            self._segment.append(rows_of(answers))
        except Exception as error:
            self.dropped += count
            if not self._failing:  # once, and not twice a second
                log.exception("impressions_not_written", folder=str(self.folder), reason=str(error))
            self._failing = True
        else:
            self.written += count
            self._failing = False

    def _begun(self) -> Segment:
        """A segment with a name that comes after all others, and that no file has."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            sync(self.folder.parent)
        taken = {path.stem for path in self.folder.iterdir()}
        self._newest_ms = max(self._clock(), self._newest_ms + 1)
        while (name := named(self._newest_ms, self._worker)) in taken:
            self._newest_ms += 1
        return Segment(self.folder / f"{name}{OPEN}")

    def _own(self, pattern: str) -> list[Path]:
        """The files of a pattern that this worker looks after, in the order of time."""
        paths = sorted(self.folder.glob(pattern))
        return [path for path in paths if self._looks_after(worker_of(path))]

    def _looks_after(self, worker: int) -> bool:
        return worker == self._worker or (self._worker == PRIMARY and worker >= self._workers)

    def _is_due(self, segment: Segment) -> bool:
        age = time.monotonic() - segment.since
        return segment.rows >= self.settings.file_rows or age >= self.settings.file_age_s

    def _finish(self) -> int:
        """Make segments Parquet files, and remove what is too old or too much; the rows of the segments.

        What can't be finished, for a full disk perhaps, is tried again the next time.
        """
        if self._segment is not None:
            self._segment.close()
            self._segment = None
        rows = sum(self._finished(path) for path in self._own(f"*{OPEN}"))
        if self._worker == PRIMARY and self.folder.is_dir():
            oldest_ms = self._clock() - int(self.settings.keep_days * DAY_MS)
            bound(self.folder, oldest_ms, int(self.settings.max_gib * 2**30))
        return rows

    def _finished(self, segment: Path) -> int:
        try:
            return finish(segment)
        except pa.ArrowInvalid as error:
            set_aside(segment, str(error))
        except OSError as error:
            log.error("impressions_not_finished", file=str(segment), reason=str(error))
        return 0


_OF_ANSWER = (
    "request_id",
    "session_id",
    "viewer_id",
    "surface",
    "time_ms",
    "entry_id",
    "model_version",
    "experiment",
    "variant",
    "shadow_version",
)
"""Columns that are the same for all posts of an answer."""


def rows_of(answers: Sequence[Answer]) -> pa.RecordBatch:
    """Answers, one at least, as rows of the log. Raises ValueError where arrays are not of one length."""
    counts = [len(answer.post_ids) for answer in answers]
    of = pa.array(np.repeat(np.arange(len(answers)), counts))
    columns = {
        name: pa.array([getattr(one, name) for one in answers], SCHEMA.field(name).type).take(of)
        for name in _OF_ANSWER
    }
    first = np.array([one.first_place for one in answers]) - np.cumsum(counts) + counts
    columns |= {
        "place": pa.array(np.arange(sum(counts)) + np.repeat(first, counts), pa.int32()),
        "post_id": pa.array([post_id for one in answers for post_id in one.post_ids], pa.string()),
        "source": pa.array([source for one in answers for source in one.sources], pa.string()),
        "features": _lists(np.concatenate([one.features for one in answers])),
        "probabilities": _lists(np.concatenate([one.probabilities for one in answers])),
        "factors": _lists(_factors(answers, counts)),
        "shadow_probabilities": _shadowed(answers, counts),
    }
    columns |= {
        name: pa.array(np.concatenate([getattr(one, name) for one in answers]))
        for name in ("brought", "score", "propensity")
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _factors(answers: Sequence[Answer], counts: Sequence[int]) -> NDArray[np.float32]:
    """Posts of all answers by factors, 1 where an answer has none of that name."""
    factors = np.ones((sum(counts), len(FACTORS)), np.float32)
    ends = np.cumsum(counts)
    for answer, start, end in zip(answers, ends - counts, ends, strict=True):
        for place, name in enumerate(FACTORS):
            if name in answer.factors:
                factors[start:end, place] = answer.factors[name]
    return factors


def _shadowed(answers: Sequence[Answer], counts: Sequence[int]) -> pa.FixedSizeListArray:
    """What each answer's shadow model says, asked once for all of its rows; null where it failed."""
    if not any(answer.shadow for answer in answers):
        return pa.nulls(sum(counts), SCHEMA.field("shadow_probabilities").type)
    of = np.repeat([id(answer.shadow) for answer in answers], counts)
    values = np.zeros((len(of), len(heads.NAMES)))
    unknown = np.ones(len(of), np.bool_)
    rows = np.concatenate([answer.features for answer in answers])
    for shadow in {id(answer.shadow): answer.shadow for answer in answers if answer.shadow}.values():
        try:
            values[of == id(shadow)] = shadow.predict(rows[of == id(shadow)]).probabilities
            unknown[of == id(shadow)] = False
        except Exception:
            log.exception("shadow_failed", version=shadow.version)
    return _lists(values, pa.array(unknown))


def _lists(rows: NDArray[np.floating], unknown: pa.BooleanArray | None = None) -> pa.FixedSizeListArray:
    values = pa.array(rows.astype(np.float32, copy=False).ravel())
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1], mask=unknown)
