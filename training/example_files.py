"""Examples as a folder of Parquet files: written whole or not at all, checked when read.

manifest.json             what the examples are, with the SHA-256 of each file
examples-00000.parquet …  a row an example; features, labels and probabilities are columns of their own
posts.parquet             a row a post; `post` in the examples is its row number
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from ranker import features, heads
from ranker.disk import sha256_of, sync
from ranker.errors import InvalidArgument, NotFound
from ranker.seen import PEOPLE, People, PeopleFacts
from training.examples import About, Examples, ExampleSet, Posts

_PART_ROWS = 250_000
_GROUP_ROWS = 50_000
_GROUP_POSTS = 5_000
"""Arrow takes some 20 bytes for each number of a vector while it reads."""

_MATRICES = {
    "features": [f"feature.{name}" for name in features.NAMES],
    "probabilities": [f"probability.{name}" for name in heads.NAMES],
    "labels": [f"label.{name}" for name in heads.NAMES],
}
"""Matrices of Examples, by the names of their columns in a file."""

_POSTS = "posts.parquet"
_MANIFEST = "manifest.json"


class File(BaseModel, frozen=True, extra="forbid"):
    """One file of the folder."""

    name: str
    rows: int
    sha256: str


class Manifest(BaseModel, frozen=True, extra="forbid"):
    """What a folder of examples holds."""

    format: int = 1
    about: About
    from_ms: int
    to_ms: int
    rows: int
    positives: dict[str, int]
    """Rows with the label, by head."""
    features: tuple[str, ...]
    heads: tuple[str, ...]
    languages: tuple[str, ...]
    sha256: str
    """ExampleSet.sha256."""
    parts: tuple[File, ...]
    posts: File
    people: PeopleFacts | None = None
    """Of the people whose rows these are; None where that was not noted."""


def write(folder: Path, examples: ExampleSet) -> Manifest:
    """Write examples as a new folder, whole or not at all; raises InvalidArgument where there is one."""
    refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    unfinished.mkdir()
    try:
        manifest = _write(unfinished, examples)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    sync(folder.parent)
    return manifest


def refuse_existing(folder: Path) -> None:
    """Raise InvalidArgument where there is something already."""
    if folder.exists():
        raise InvalidArgument("out", f"{folder} exists: name a new folder, or remove that one")


def _write(folder: Path, examples: ExampleSet) -> Manifest:
    rows, (from_ms, to_ms) = examples.examples, examples.window
    starts = range(0, max(len(rows), 1), _PART_ROWS)
    parts = [
        _file(folder / f"examples-{number:05}.parquet", _tables(rows[start : start + _PART_ROWS]))
        for number, start in enumerate(starts)
    ]
    manifest = Manifest(
        about=examples.about,
        from_ms=from_ms,
        to_ms=to_ms,
        rows=len(rows),
        positives=dict(zip(heads.NAMES, rows.labels.sum(0, dtype=np.int64).tolist(), strict=True)),
        features=features.NAMES,
        heads=heads.NAMES,
        languages=examples.posts.languages,
        sha256=examples.sha256,
        parts=tuple(parts),
        posts=_file(folder / _POSTS, _post_tables(examples.posts)),
        people=examples.people.facts if examples.people else None,
    )
    if examples.people is not None:
        (folder / PEOPLE).write_bytes(examples.people.content)
    (folder / _MANIFEST).write_text(manifest.model_dump_json(indent=2))
    return manifest


def read(folder: Path) -> ExampleSet:
    """The examples of a folder, each file checked against its hash.

    Raises NotFound where there is no such folder, and InvalidArgument where a file is damaged, or the
    features or heads are not those of this feedrank.
    """
    manifest = manifest_of(folder)
    for file in (*manifest.parts, manifest.posts):
        _check(folder / file.name, file)
    columns = _empty(pq.read_schema(folder / manifest.parts[0].name), manifest.rows)
    start = 0
    for part in manifest.parts:
        for table in _groups(folder / part.name):
            _fill(columns, slice(start, start + table.num_rows), table)
            start += table.num_rows
    posts = _posts(folder / manifest.posts.name, manifest.languages)
    people = People.read(folder, manifest.people)
    if manifest.people is not None and people is None:
        raise _unusable(folder, f"{PEOPLE} is damaged")
    return ExampleSet(Examples(**columns), posts, manifest.about, people)


def manifest_of(folder: Path) -> Manifest:
    """What a folder of examples says of itself; raises as `read` does."""
    try:
        text = (folder / _MANIFEST).read_text()
    except OSError as error:
        raise NotFound(f"{folder} holds no examples: make some with `feedrank examples`") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise _unusable(folder, "its manifest.json is not one of this version") from error
    for what, said, ours in (
        ("features", manifest.features, features.NAMES),
        ("heads", manifest.heads, heads.NAMES),
    ):
        if said != ours:
            raise _unusable(folder, f"its {what} are not those of this feedrank ({_difference(said, ours)})")
    return manifest


def _difference(said: Sequence[str], ours: Sequence[str]) -> str:
    """
    >>> _difference(["a", "b"], ["b", "c"])
    'without c, with a'
    """
    missing, strange = sorted({*ours} - {*said}), sorted({*said} - {*ours})
    parts = (("without", missing), ("with", strange))
    return ", ".join(f"{word} {' '.join(names)}" for word, names in parts if names) or "in another order"


def _unusable(folder: Path, reason: str) -> InvalidArgument:
    return InvalidArgument(
        "examples", f"{folder} can't be used: {reason}; make it again with `feedrank examples`"
    )


def _check(path: Path, file: File) -> None:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise _unusable(path.parent, f"{path.name} can't be read") from error
    if found != file.sha256:
        raise _unusable(path.parent, f"{path.name} does not have the hash that the manifest says")


def _file(path: Path, tables: Iterator[pa.Table]) -> File:
    """Write tables as the row groups of one file."""
    first = next(tables)
    rows = first.num_rows
    with pq.ParquetWriter(path, first.schema, compression="zstd", use_dictionary=False) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return File(name=path.name, rows=rows, sha256=sha256_of(path))


def _tables(examples: Examples) -> Iterator[pa.Table]:
    for start in range(0, max(len(examples), 1), _GROUP_ROWS):
        rows = examples[start : start + _GROUP_ROWS]
        columns: dict[str, NDArray[Any]] = {}
        for field in fields(rows):
            values = getattr(rows, field.name)
            names = _MATRICES.get(field.name)
            columns |= dict(zip(names, values.T, strict=True)) if names else {field.name: values}
        yield pa.table({name: np.ascontiguousarray(values) for name, values in columns.items()})


def _groups(path: Path) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        yield file.read_row_group(number)


def _empty(schema: pa.Schema, rows: int) -> dict[str, NDArray[Any]]:
    """Arrays for all columns of Examples, yet to be filled."""
    columns = {}
    for name in (field.name for field in fields(Examples)):
        names = _MATRICES.get(name, [name])
        shape = (rows, len(names)) if name in _MATRICES else rows
        columns[name] = np.empty(shape, schema.field(names[0]).type.to_pandas_dtype())
    return columns


def _fill(columns: dict[str, NDArray[Any]], rows: slice, table: pa.Table) -> None:
    for name, values in columns.items():
        if name in _MATRICES:
            parts = [table[one].to_numpy() for one in _MATRICES[name]]
            np.stack(parts, axis=1, out=values[rows])
        else:
            values[rows] = table[name].to_numpy()


def _post_tables(posts: Posts) -> Iterator[pa.Table]:
    names = np.array([*posts.languages, None], np.object_)
    for start in range(0, max(len(posts), 1), _GROUP_POSTS):
        rows = posts[start : start + _GROUP_POSTS]
        columns = {
            "id": pa.array(rows.ids, pa.string()),
            "author": pa.array(rows.author, mask=rows.author < 0),
            "language": pa.array(names[rows.language], pa.string()),
            "created_ms": pa.array(rows.created_ms, mask=rows.created_ms < 0),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.vector.ravel()), rows.vector.shape[1]),
        }
        yield pa.table(columns)


def _posts(path: Path, languages: tuple[str, ...]) -> Posts:
    file = pq.ParquetFile(path)
    numbers = {name: number for number, name in enumerate(languages)}
    width = file.schema_arrow.field("vector").type.list_size
    vector = np.empty((file.metadata.num_rows, width), np.float16)
    few: list[pa.Table] = []
    start = 0
    for table in _groups(path):
        vector[start : start + len(table)] = matrix_of(table["vector"], width)
        few.append(table.drop_columns("vector"))
        start += len(table)
    rest = pa.concat_tables(few)
    return Posts(
        ids=rest["id"].to_numpy(),
        author=rest["author"].fill_null(-1).to_numpy(),
        language=np.array([numbers.get(name, -1) for name in rest["language"].to_pylist()], np.int32),
        created_ms=rest["created_ms"].fill_null(-1).to_numpy(),
        vector=vector,
        languages=languages,
    )


def matrix_of(lists: pa.ChunkedArray, width: int) -> NDArray[Any]:
    """A column of lists of one length as an array (n, width)."""
    matrix: NDArray[Any] = lists.combine_chunks().flatten().to_numpy().reshape(-1, width)
    return matrix
