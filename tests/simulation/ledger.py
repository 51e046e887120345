"""What was served, page by page, against what the impressions log has on disk at the end."""

from collections import defaultdict
from pathlib import Path

from ranker.impression_files import read_log
from ranker.timelines import Page
from tests.simulation.invariants import equal, hold
from tests.simulation.worker import Worker

Rows = list[tuple[int, str]]
"""Places and posts of a page."""


class Ledger:
    """Each page is on disk whole; where a crash or a full disk came first, whole or not at all."""

    def __init__(self) -> None:
        self.pages: dict[str, Rows] = {}
        self.may_be_lost: set[str] = set()
        self._waiting: dict[int, list[str]] = defaultdict(list)
        """Pages of each worker that may not be on disk yet."""
        self._dropped: dict[int, int] = defaultdict(int)

    def served(self, worker: Worker, page: Page) -> None:
        """A page left."""
        if page.placed:
            rows = [(page.first_place + at, one.post_id) for at, one in enumerate(page.placed)]
            self.pages[page.request_id] = rows
            self._waiting[worker.number].append(page.request_id)

    def look(self, worker: Worker) -> None:
        """After a step: what waits no more is on disk, unless the log says that it dropped some."""
        log = worker.impressions
        held = {answer.request_id for answer in (*log._queue.queue, *log._waiting)}
        gone = [name for name in self._waiting[worker.number] if name not in held]
        self._waiting[worker.number] = [name for name in self._waiting[worker.number] if name in held]
        dropped = log.dropped - self._dropped[worker.number]
        self._dropped[worker.number] = log.dropped
        if dropped:
            hold(
                dropped <= sum(len(self.pages[name]) for name in gone),
                "the log counts more dropped than left",
            )
            self.may_be_lost.update(gone)

    def ended(self, number: int) -> None:
        """A worker was killed: what waited is lost, and so may be what it was writing."""
        self.may_be_lost.update(self._waiting.pop(number, ()))
        self._dropped.pop(number, None)

    def check(self, folder: Path) -> int:
        """Compare with the files; the rows there."""
        found: dict[str, Rows] = defaultdict(list)
        for table in read_log(folder):
            columns = (table.column(name).to_pylist() for name in ("request_id", "place", "post_id"))
            for request, place, post in zip(*columns, strict=True):
                found[request].append((place, post))
        for request, rows in found.items():
            hold(request in self.pages, f"the log has the answer {request}, and nobody was served it")
            equal(f"the log's rows of {request}", rows, self.pages[request])
        lost = self.pages.keys() - found.keys() - self.may_be_lost
        example = min(lost, default="")
        hold(not lost, f"the log lost {len(lost)} answers, such as {example}: nothing was in its way")
        return sum(map(len, found.values()))
