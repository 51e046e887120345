"""Batches of events as columns, in and out of their messages, without a Python object an event.

Messages are read and written as the protobuf wire format (https://protobuf.dev/programming-guides/encoding):
what comes in was parsed and serialised by protobuf before, so its strings are UTF-8 and its fields are whole.
Protobuf keeps what it does not know, also our fields' numbers with foreign wire types: these are passed over.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numba
import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import ingest_pb2, types_pb2
from numpy.typing import NDArray

from ranker.errors import JournalError
from ranker.state.strings import Bytes, Int64s, Strings

_STRINGS = {
    "event_id": "event_ids",
    "viewer_id": "viewer_ids",
    "post_id": "post_ids",
    "author_id": "author_ids",
    "request_id": "request_ids",
}
_NUMBERS = {
    "kind": "kinds",
    "time_ms": "time_ms",
    "dwell_ms": "dwell_ms",
    "undo": "undo",
    "position": "positions",
    "surface": "surfaces",
}
_RARE = {"no_training": "no_training", "no_export": "no_export"}
"""The fields of an event, each with that of the journal's columns; rare ones have none where all are 0."""

_VARINT, _FIXED64, _BYTES, _GROUP, _END = range(5)
_LONGEST_VARINT = 10
_HEAD = 4 * _LONGEST_VARINT
"""Bytes that are enough for all of an entry before its events."""


def _numbered(message: Any, names: Any) -> Int64s:
    return np.array([message.DESCRIPTOR.fields_by_name[name].number for name in names])


_OF_ROW = _numbered(types_pb2.Event, [*_STRINGS, *_NUMBERS, *_RARE])
_OF_COLUMNS = _numbered(journal_pb2.Events, [*_STRINGS.values(), *_NUMBERS.values(), *_RARE.values()])
_USUAL = len(_STRINGS) + len(_NUMBERS)
_IN_ORDER = np.argsort(_OF_COLUMNS)
_OF_ENTRY = _numbered(journal_pb2.Entry, ["time_ms", "events"])


@dataclass(frozen=True)
class EventColumns:
    """n events, field by field as in the contract's Event. Numbers are int64 (n,); flags are 0 or 1."""

    event_id: Strings
    viewer_id: Strings
    post_id: Strings
    author_id: Strings
    request_id: Strings
    kind: Int64s
    time_ms: Int64s
    dwell_ms: Int64s
    undo: Int64s
    position: Int64s
    surface: Int64s
    no_training: Int64s
    no_export: Int64s

    @classmethod
    def of_request(cls, request: ingest_pb2.RecordEventsRequest | ingest_pb2.StreamEventsRequest) -> Self:
        """The events of a call."""
        buffer, *columns = _empty(request.SerializeToString(), len(request.events))
        _read_rows(buffer, _OF_ROW, *columns)
        return cls._of(buffer, *columns)

    @classmethod
    def of_change(cls, change: journal_pb2.Events) -> Self:
        """The events of a journal entry. JournalError when its columns are not of one length."""
        buffer, *columns = _empty(change.SerializeToString(), len(change.viewer_ids))
        if not _read_columns(buffer, _OF_COLUMNS, _USUAL, *columns):
            raise JournalError("the columns of an entry's events are not of one length")
        return cls._of(buffer, *columns)

    @classmethod
    def _of(cls, buffer: Bytes, start: Int64s, length: Int64s, numbers: Int64s) -> Self:
        strings: list[Any] = [Strings(buffer, *one) for one in zip(start, length, strict=True)]
        return cls(*strings, *numbers)

    def __len__(self) -> int:
        return len(self.kind)

    def only(self, rows: NDArray[np.intp]) -> Self:
        """Some of them, in this order."""
        values: list[Any] = [getattr(self, one.name) for one in fields(self)]
        chosen: list[Any] = [v.only(rows) if isinstance(v, Strings) else v[rows] for v in values]
        return type(self)(*chosen)

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Those that are chosen; the events themselves where all are."""
        return self if chosen.all() else self.only(np.flatnonzero(chosen))

    def entry(self, time_ms: int) -> bytes:
        """A serialised journal entry of that time, byte for byte as protobuf writes it."""
        names = [getattr(self, name) for name in _STRINGS]
        start, length = np.stack([one.start for one in names]), np.stack([one.length for one in names])
        numbers = np.stack([getattr(self, name) for name in (*_NUMBERS, *_RARE)])
        most = int(length.sum()) + (length.size + numbers.size + len(_OF_COLUMNS)) * (1 + _LONGEST_VARINT)
        out, buffer = np.empty(_HEAD + most, np.uint8), self.event_id.buffer
        end = _write_columns(out, _HEAD, _OF_COLUMNS, _IN_ORDER, _USUAL, buffer, start, length, numbers)
        first = _write_head(out, end, _OF_ENTRY, time_ms)
        return out[first:end].tobytes()


def _empty(content: bytes, rows: int) -> tuple[Bytes, Int64s, Int64s, Int64s]:
    start, length = np.zeros((2, len(_STRINGS), rows), np.int64)
    numbers = np.zeros((len(_NUMBERS) + len(_RARE), rows), np.int64)
    return np.frombuffer(content, np.uint8), start, length, numbers


@numba.njit(cache=True, nogil=True)
def _varint(buffer: Bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value, shift = np.uint64(0), np.uint64(0)
    while buffer[at] >= 128:
        value |= np.uint64(buffer[at] & 127) << shift
        shift += np.uint64(7)
        at += 1
    return int(np.int64(value | np.uint64(buffer[at]) << shift)), at + 1


@numba.njit(cache=True, nogil=True)
def _after(buffer: Bytes, at: int, wire_type: int) -> int:
    """Where a field that nobody knows ends."""
    depth = 0
    while True:
        if wire_type == _VARINT:
            at = _varint(buffer, at)[1]
        elif wire_type == _BYTES:
            size, at = _varint(buffer, at)
            at += size
        elif wire_type in (_GROUP, _END):
            depth += 1 if wire_type == _GROUP else -1
        else:
            at += 8 if wire_type == _FIXED64 else 4
        if depth == 0:
            return at
        tag, at = _varint(buffer, at)
        wire_type = tag & 7


@numba.njit(cache=True, nogil=True)
def _place(numbers: Int64s, wanted: int) -> int:
    for place in range(len(numbers)):
        if numbers[place] == wanted:
            return place
    return -1


@numba.njit(cache=True, nogil=True)
def _read_rows(buffer: Bytes, numbered: Int64s, start: Int64s, length: Int64s, numbers: Int64s) -> None:
    """Read a message whose field 1 is a list of events; columns are (fields, n), in place."""
    at, row, strings = 0, 0, len(start)
    while at < len(buffer):
        tag, at = _varint(buffer, at)
        if tag != 1 << 3 | _BYTES:
            at = _after(buffer, at, tag & 7)
            continue
        size, at = _varint(buffer, at)
        end = at + size
        while at < end:
            tag, at = _varint(buffer, at)
            place = _place(numbered, tag >> 3)
            if place < 0 or tag & 7 != (_BYTES if place < strings else _VARINT):
                at = _after(buffer, at, tag & 7)
            elif place < strings:
                length[place, row], at = _varint(buffer, at)
                start[place, row] = at
                at += length[place, row]
            else:
                numbers[place - strings, row], at = _varint(buffer, at)
        row += 1


@numba.njit(cache=True, nogil=True)
def _read_columns(
    buffer: Bytes, numbered: Int64s, usual: int, start: Int64s, length: Int64s, numbers: Int64s
) -> bool:
    """Read a message of columns, packed as proto3 does; False when one has not n values.

    Those past the `usual` ones may have none: all are 0 then.
    """
    strings, rows = start.shape
    read = np.zeros(len(numbered), np.int64)
    at = 0
    while at < len(buffer):
        tag, at = _varint(buffer, at)
        place = _place(numbered, tag >> 3)
        if place < 0 or tag & 7 != _BYTES:
            at = _after(buffer, at, tag & 7)
            continue
        size, at = _varint(buffer, at)
        end = at + size
        if place < strings:
            if read[place] < rows:
                start[place, read[place]], length[place, read[place]] = at, size
            read[place] += 1
            at = end
        while at < end:
            value, at = _varint(buffer, at)
            if read[place] < rows:
                numbers[place - strings, read[place]] = value
            read[place] += 1
    absent = (read == 0) & (np.arange(len(read)) >= usual)
    return not np.any((read != rows) & ~absent)


@numba.njit(cache=True, nogil=True)
def _put_varint(out: Bytes, at: int, value: int) -> int:
    left = np.uint64(value)
    while left >= 128:
        out[at] = np.uint8(left & np.uint64(127) | np.uint64(128))
        left >>= np.uint64(7)
        at += 1
    out[at] = left
    return at + 1


@numba.njit(cache=True, nogil=True)
def _write_head(out: Bytes, end: int, entry: Int64s, time_ms: int) -> int:
    """Write before an entry's columns, which lie from _HEAD to `end`, what precedes them; where it begins."""
    head, size = np.empty(_HEAD, np.uint8), 0
    if time_ms:
        size = _put_varint(head, size, entry[0] << 3 | _VARINT)
        size = _put_varint(head, size, time_ms)
    size = _put_varint(head, size, entry[1] << 3 | _BYTES)
    size = _put_varint(head, size, end - _HEAD)
    out[_HEAD - size : _HEAD] = head[:size]
    return _HEAD - size


@numba.njit(cache=True, nogil=True)
def _write_columns(
    out: Bytes,
    at: int,
    numbered: Int64s,
    in_order: Int64s,
    usual: int,
    buffer: Bytes,
    start: Int64s,
    length: Int64s,
    numbers: Int64s,
) -> int:
    """Write a message of columns from a place on; where it ends."""
    strings, rows = start.shape
    if rows == 0:
        return at
    packed = np.empty(rows * _LONGEST_VARINT, np.uint8)
    for place in in_order:
        if place < strings:
            for row in range(rows):
                at = _put_varint(out, at, numbered[place] << 3 | _BYTES)
                at = _put_varint(out, at, length[place, row])
                for i in range(length[place, row]):
                    out[at + i] = buffer[start[place, row] + i]
                at += length[place, row]
        elif place < usual or numbers[place - strings].any():
            size = 0
            for row in range(rows):
                size = _put_varint(packed, size, numbers[place - strings, row])
            at = _put_varint(out, at, numbered[place] << 3 | _BYTES)
            at = _put_varint(out, at, size)
            out[at : at + size] = packed[:size]
            at += size
    return at
