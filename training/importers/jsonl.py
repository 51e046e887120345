"""Rows as JSON lines, one a line: the format of docs/import.md, read, checked and written.

A line is an object with one key that names the row. Inside stands the contract's message in protobuf's
JSON mapping; field names may be snake_case or camelCase, enum values "like" or "EVENT_KIND_LIKE".
"""

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from feedrank.v1.types_pb2 import Event, Post, Preferences, Relation, User
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from ranker import checks
from ranker.errors import InvalidArgument
from training.rows import Row, time_of

_MESSAGES: dict[str, type[Post] | type[User] | type[Relation] | type[Event]] = {
    "post": Post,
    "user": User,
    "relation": Relation,
    "event": Event,
}
_KEYS = (*_MESSAGES, "delete_post", "preferences")
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: 2**31,
    FieldDescriptor.CPPTYPE_INT64: 2**63,
}


@dataclass(frozen=True)
class BadRow:
    """What is wrong with a line: its number from 1, the field as written in the contract, a sentence."""

    line: int
    field: str
    message: str


class _Malformed(Exception):
    """JSON that is no row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def recognises(path: Path) -> bool:
    """Whether a file is named as JSON lines: .jsonl or .ndjson, packed (.gz) or not."""
    return path.is_file() and path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def read(path: Path) -> Iterator[Row]:
    """The rows of a file, lazily; raises InvalidArgument at the first line that is wrong."""
    for line, row in _lines(path):
        if isinstance(row, BadRow):
            raise InvalidArgument(row.field or "line", f"line {line} of {path} is wrong: {row.message}")
        yield row


def validate(path: Path) -> Iterator[BadRow]:
    """Every line that is wrong, each with the first thing that is wrong with it, lazily.

    Wrong is: not JSON, an unknown field, a value of the wrong type, what the contract refuses, and a post
    or event that is earlier than the one before it (rows are read in the order they happened).
    """
    return (row for _, row in _lines(path) if isinstance(row, BadRow))


def write_jsonl(rows: Iterable[Row], path: Path) -> int:
    """Writes rows, one a line, packed when the path ends in .gz; returns how many."""
    count = 0
    with _opened(path, "wb") as file:
        for row in rows:
            file.write(json.dumps(_object(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            count += 1
    return count


def row_of(line: str) -> Row:
    """The row that a line holds; raises InvalidArgument when it holds none. The contract is not checked.

    >>> row_of('{"event": {"viewer_id": "ines", "kind": "like", "post_id": "p1"}}').kind
    4
    """
    try:
        return _row(line)
    except _Malformed as problem:
        raise InvalidArgument(problem.field or "line", str(problem)) from problem


def _opened(path: Path, mode: str) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode))


def _lines(path: Path) -> Iterator[tuple[int, Row | BadRow]]:
    now_ms, latest = int(time.time() * 1000), 0
    number = 0
    try:
        with _opened(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = _checked(line, number, now_ms, latest)
                if isinstance(row, Post | Event):
                    latest = max(latest, time_of(row))
                yield number, row
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield number + 1, BadRow(number + 1, "", f"the file is damaged from here on ({error}): pack it again")


def _checked(line: bytes, number: int, now_ms: int, latest: int) -> Row | BadRow:
    try:
        row = _row(line.decode())
    except UnicodeDecodeError as error:
        return BadRow(number, "", f"the line is not UTF-8: {error.reason} at byte {error.start}")
    except _Malformed as error:
        return BadRow(number, error.field, str(error))
    if problem := checks.problem_of(row, now_ms=now_ms, dimension=None):
        return BadRow(number, problem.field, problem.message)
    if isinstance(row, Post | Event) and 0 < time_of(row) < latest:
        field = "time_ms" if isinstance(row, Event) else "created_ms"
        return BadRow(
            number, field, f"{field} is earlier than {latest} in a line above; sort the lines by time"
        )
    return row


def _row(line: str) -> Row:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise _Malformed("", f"the line is not JSON: {problem}") from problem
    if not isinstance(parsed, dict) or len(parsed) != 1:
        raise _Malformed("", f"a line is an object with one key, one of {', '.join(_KEYS)}")
    ((key, content),) = parsed.items()
    if key in _MESSAGES:
        return _MESSAGES[key](**_fields(content, _MESSAGES[key].DESCRIPTOR, ""))
    if key == "delete_post":
        return DeletePostsRequest(post_ids=[_string(content, "delete_post")])
    if key == "preferences":
        return _preferences(content)
    raise _Malformed("", f"{key!r} is no kind of row; the kinds are {', '.join(_KEYS)}")


def _preferences(content: Any) -> SetPreferencesRequest:
    if not isinstance(content, dict):
        raise _Malformed("preferences", f"preferences must be an object, not {_kind(content)}")
    rest = {name: value for name, value in content.items() if name not in ("viewer_id", "viewerId")}
    viewer = content.get("viewer_id", content.get("viewerId", ""))
    chosen = Preferences(**_fields(rest, Preferences.DESCRIPTOR, "preferences."))
    return SetPreferencesRequest(viewer_id=_string(viewer, "viewer_id"), preferences=chosen)


def _fields(content: Any, message: Descriptor, prefix: str) -> dict[str, Any]:
    """The fields of a message as its constructor takes them; null is "not given"."""
    if not isinstance(content, dict):
        raise _Malformed(prefix.rstrip("."), f"{message.name} must be an object, not {_kind(content)}")
    values = {}
    for name, value in content.items():
        field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
        if field is None:
            allowed = ", ".join(message.fields_by_name)
            raise _Malformed(f"{prefix}{name}", f"{message.name} has no field {name!r}; it has {allowed}")
        if value is not None:
            values[field.name] = _value(value, field, prefix + field.name)
    return values


def _value(value: Any, field: FieldDescriptor, path: str) -> Any:
    if not field.is_repeated:
        return _single(value, field, path)
    if not isinstance(value, list):
        raise _Malformed(path, f"{path} must be a list, not {_kind(value)}")
    return [_single(entry, field, f"{path}[{i}]") for i, entry in enumerate(value)]


def _single(value: Any, field: FieldDescriptor, path: str) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return _fields(value, cast(Descriptor, field.message_type), f"{path}.")
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(value, cast(EnumDescriptor, field.enum_type), path)
    if kind in _INTEGERS:
        return _integer(value, _INTEGERS[kind], path)
    return _SCALARS[kind](value, path)


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _Malformed(path, f"{path} must be a string, not {_kind(value)}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _Malformed(path, f"{path} holds half of a surrogate pair; write the whole character")
    return value


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _Malformed(path, f"{path} must be true or false, not {_kind(value)}")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Malformed(path, f"{path} must be a number, not {_kind(value)}")
    return float(value) if abs(value) < 3.4e38 else float("inf")


def _integer(value: Any, limit: int, path: str) -> int:
    """A whole number, also as a string or as 1.0 or 1e3: protobuf's mapping writes int64 as a string."""
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Malformed(path, f"{path} must be a whole number, not {_kind(value)}")
    if not -limit <= value < limit:
        raise _Malformed(path, f"{path} is out of range: {value}")
    return value


def _enum(value: Any, enum: EnumDescriptor, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(value, 2**31, path)
    numbers = _numbers(enum)
    name = _string(value, path).upper().removeprefix(_prefix(enum)).lower()
    if name not in numbers:
        raise _Malformed(path, f"{path} must be one of {', '.join(numbers)}, not {value!r}")
    return numbers[name]


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.removesuffix("UNSPECIFIED")


@cache
def _numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Such as EVENT_KIND_LIKE's for "like"."""
    return {name: number for number, name in _short_names(enum).items()}


@cache
def _short_names(enum: EnumDescriptor) -> dict[int, str]:
    """Such as "like" for EVENT_KIND_LIKE, by number."""
    return {value.number: value.name.removeprefix(_prefix(enum)).lower() for value in enum.values}


_SCALARS: dict[int, Callable[[Any, str], Any]] = {
    FieldDescriptor.CPPTYPE_STRING: _string,
    FieldDescriptor.CPPTYPE_BOOL: _boolean,
    FieldDescriptor.CPPTYPE_FLOAT: _number,
}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _object(row: Row) -> dict[str, Any]:
    """The JSON object of a row, as `_row` reads it."""
    if isinstance(row, DeletePostsRequest):
        return {"delete_post": row.post_ids[0]}
    if isinstance(row, SetPreferencesRequest):
        return {"preferences": {"viewer_id": row.viewer_id, **_content(row.preferences)}}
    return {type(row).__name__.lower(): _content(row)}


def _content(message: Message) -> dict[str, Any]:
    return {
        field.name: [_json(entry, field) for entry in value] if field.is_repeated else _json(value, field)
        for field, value in message.ListFields()
    }


def _json(value: Any, field: FieldDescriptor) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return _content(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return _short_names(cast(EnumDescriptor, field.enum_type)).get(value, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return float(f"{value:.9g}")  # nine digits name a float32 exactly
    return value
