"""Rows: what flows into feedrank, one message of the public contract each, in the order it happened.

An importer reads rows from a data set, the playground makes them up, the server takes them in.
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TextIO

from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from feedrank.v1.types_pb2 import Event, Post, Relation, User

Row = Post | User | Relation | Event | DeletePostsRequest | SetPreferencesRequest
"""One thing that happened. A DeletePostsRequest names one post."""


def time_of(row: Row) -> int:
    """When the row happened, in ms UTC; 0 where its message carries no time or none was given.

    A row without a time happens when the row before it did; see `timed`.

    >>> time_of(Post(id="p1", author_id="ines", created_ms=5)), time_of(Relation(user_id="ines"))
    (5, 0)
    """
    if isinstance(row, Event):
        return row.time_ms
    return row.created_ms if isinstance(row, Post | User) else 0


def timed(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """Each row with its time in ms; a row without one has that of the row before it (0 at the start).

    >>> [time for time, _ in timed([Post(created_ms=5), Relation(), Event(time_ms=9)])]
    [5, 5, 9]
    """
    time_ms = 0
    for row in rows:
        time_ms = time_of(row) or time_ms
        yield time_ms, row


def span(rows: Iterable[Row]) -> tuple[int, int]:
    """The earliest and the latest time in ms; (0, 0) where no row has a time."""
    times = [time for row in rows if (time := time_of(row))]
    return (min(times), max(times)) if times else (0, 0)


def moved(row: Row, by_ms: int) -> Row:
    """The row `by_ms` later, as a copy; a row without a time is returned as it is."""
    if not (time_ms := time_of(row)):
        return row
    later = deepcopy(row)
    if isinstance(later, Event):
        later.time_ms = time_ms + by_ms
    elif isinstance(later, Post | User):
        later.created_ms = time_ms + by_ms
    return later


def until(rows: Iterable[Row], end_ms: int) -> Iterator[Row]:
    """The rows with all times moved by one constant, so that the latest is `end_ms` (UTC).

    Old data sets must look recent to a live service: it forgets what is old. Reads all rows into memory
    first, to find the latest time.

    >>> [time_of(row) for row in until([Post(created_ms=5), Event(time_ms=9)], end_ms=109)]
    [105, 109]
    """
    kept: Sequence[Row] = list(rows)
    by_ms = end_ms - span(kept)[1]
    return (moved(row, by_ms) for row in kept)


def text_file(path: Path) -> TextIO:
    """The UTF-8 text of a file, unpacked when its name ends in .gz; the caller closes it."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
