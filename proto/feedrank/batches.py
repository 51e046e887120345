"""Rows of any number, cut into messages that the contract allows, and what became of them all together."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from google.protobuf.message import Message

from feedrank.errors import Rejected
from feedrank.v1.types_pb2 import RejectedRow, WriteResult

MAX_ROWS = 1_000
MAX_BYTES = 4 * 2**20

# A repeated field costs a row its tag and its length: 1 + 4 bytes for rows below 256 MiB.
_ROW_FRAME_BYTES = 5

Row = TypeVar("Row", bound=Message | str)


@dataclass(frozen=True)
class Written:
    """What became of a write, summed over all messages it took.

    `rows` were sent; `accepted` of them are in the journal, in the entries `entry_ids`. `rejected` names
    the bad rows by their index in what the caller gave. `rejected_count` is their number: a stream names
    only the first 1,000. `visible`: the next read from this server sees all accepted rows.
    """

    rows: int = 0
    accepted: int = 0
    rejected: tuple[RejectedRow, ...] = ()
    rejected_count: int = 0
    entry_ids: tuple[str, ...] = ()
    visible: bool = True

    @property
    def entry_id(self) -> str:
        """The last journal entry; empty when no row was accepted."""
        return self.entry_ids[-1] if self.entry_ids else ""

    def raise_if_rejected(self) -> Self:
        """Itself when every row was accepted; otherwise raises Rejected."""
        if self.rejected_count:
            raise Rejected(self)
        return self

    def then(self, result: WriteResult, rows: int) -> Written:
        """With the result of the next message, which held so many rows."""
        rejected = tuple(_moved(row, self.rows) for row in result.rejected)
        return Written(
            rows=self.rows + rows,
            accepted=self.accepted + result.accepted,
            rejected=self.rejected + rejected,
            rejected_count=self.rejected_count + len(rejected),
            entry_ids=(*self.entry_ids, result.entry_id) if result.entry_id else self.entry_ids,
            # A message without accepted rows has nothing that could be visible.
            visible=self.visible and (result.visible or not result.accepted),
        )


@dataclass
class Cutter(Generic[Row]):
    """Collects rows, and hands them out as soon as no more fit into one message.

    A single row above the byte limit goes alone: the server says what is wrong with it.
    """

    max_rows: int = MAX_ROWS
    max_bytes: int = MAX_BYTES
    rows: list[Row] = field(default_factory=list)
    bytes: int = 0

    def add(self, row: Row) -> list[Row]:
        """Takes a row; the batch that had no room for it, or an empty list."""
        size, full = _bytes_of(row), []
        if self.rows and (len(self.rows) == self.max_rows or self.bytes + size > self.max_bytes):
            full = self.rest()
        self.rows.append(row)
        self.bytes += size
        return full

    def rest(self) -> list[Row]:
        """The rows since the last batch."""
        rows, self.rows, self.bytes = self.rows, [], 0
        return rows


def cut(rows: Iterable[Row], cutter: Callable[[], Cutter[Row]] = Cutter) -> Iterator[list[Row]]:
    """The rows in their order, in batches that are as large as one message may be.

    >>> [len(batch) for batch in cut(["id"] * 2_500)]
    [1000, 1000, 500]
    """
    if isinstance(rows, str):
        raise TypeError("A single id was given where several are expected: put it into a list.")
    kept = cutter()
    for row in rows:
        if batch := kept.add(row):
            yield batch
    if batch := kept.rest():
        yield batch


async def cut_async(rows: AsyncIterable[Row]) -> AsyncIterator[list[Row]]:
    """The same for rows that arrive over time."""
    kept: Cutter[Row] = Cutter()
    async for row in rows:
        if batch := kept.add(row):
            yield batch
    if batch := kept.rest():
        yield batch


def _bytes_of(row: Message | str) -> int:
    return _ROW_FRAME_BYTES + (len(row.encode()) if isinstance(row, str) else row.ByteSize())


def _moved(row: RejectedRow, by: int) -> RejectedRow:
    return RejectedRow(index=row.index + by, code=row.code, field=row.field, message=row.message)
