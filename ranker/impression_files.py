"""The impressions log's files: a segment that grows, and the Parquet files that segments become.

A segment (`*.open`) is a row of frames: a mark, the length and the CRC-32 of what follows, then an Arrow IPC
stream. What `Segment.append` has taken is on disk. A segment that is full or old is written again as Parquet
and renamed; one that a killed server left is so at the next start, up to its first torn frame. Files have the
moment of their first row as name, and so sort by time; workers after the first add their number to it.
"""

import os
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from ranker import features, heads
from ranker.disk import sync
from ranker.fold.erasure import Erased
from ranker.journal import order
from ranker.surfaces import FACTORS

log = structlog.get_logger()

OPEN, PARQUET, DAMAGED = ".open", ".parquet", ".damaged"

_MARK = b"rows"
_HEADER = struct.Struct("<4sII")

SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("session_id", pa.string()),
        ("viewer_id", pa.string()),
        ("surface", pa.int8()),
        ("time_ms", pa.int64()),
        ("entry_id", pa.string()),
        ("model_version", pa.string()),
        ("experiment", pa.string()),
        ("variant", pa.string()),
        ("place", pa.int32()),
        ("post_id", pa.string()),
        ("source", pa.string()),
        ("brought", pa.uint32()),
        ("score", pa.float64()),
        ("propensity", pa.float64()),
        ("features", pa.list_(pa.float32(), len(features.NAMES))),
        ("probabilities", pa.list_(pa.float32(), len(heads.NAMES))),
        ("factors", pa.list_(pa.float32(), len(FACTORS))),
        ("shadow_version", pa.string()),
        ("shadow_probabilities", pa.list_(pa.float32(), len(heads.NAMES))),
    ],
    metadata={
        "features": ",".join(features.NAMES),
        "heads": ",".join(heads.NAMES),
        "factors": ",".join(FACTORS),
    },
)
"""One row a served post, and a row's place in the answer is that in its session, from 0.

entry_id: the journal entry that the state was folded up to; a replay to it gives the same features.
source: the first that brought the post; "caller" in answers of RankPosts. brought: the bits of all sources.
propensity: as ranker.exploration tells. factors: 1 where the surface has none of that name. experiment,
variant and shadow_version are empty where there was none; shadow_probabilities are null then, and where the
shadow model failed.
"""


_REPEATED = [field.name for field in SCHEMA if field.type == pa.string()]
"""Columns that are written as a dictionary; of numbers that are hardly two alike it costs time and room."""


def named(begun_ms: int, worker: int) -> str:
    """The name of a worker's file, without its suffix.

    >>> named(1763800000000, 0), named(1763800000000, 2)
    ('001763800000000', '001763800000000-2')
    """
    return f"{begun_ms:015}-{worker}" if worker else f"{begun_ms:015}"


def worker_of(path: Path) -> int:
    """The worker whose file it is."""
    number = path.stem.partition("-")[2]
    return int(number) if number.isdigit() else 0


class Segment:
    """Rows on their way to a Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.since = time.monotonic()
        self._size = 0
        self._file = path.open("xb", buffering=0)
        sync(path.parent)

    def append(self, rows: pa.RecordBatch) -> None:
        """Rows are on disk when this returns. Raises OSError, and then the segment is as it was."""
        frame = memoryview(_frame(rows))
        try:
            written = 0
            while written < len(frame):
                written += self._file.write(frame[written:])
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += len(frame)
        self.rows += rows.num_rows

    def close(self) -> None:
        """Take no more."""
        self._file.close()


def _frame(rows: pa.RecordBatch) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_batch(rows)
    content: bytes = stream.getvalue().to_pybytes()
    return _HEADER.pack(_MARK, len(content), zlib.crc32(content)) + content


def _sound(content: bytes) -> tuple[list[pa.RecordBatch], int]:
    """The rows of a segment's frames up to the first torn one, and the bytes that those frames take."""
    batches: list[pa.RecordBatch] = []
    end = 0
    while end + _HEADER.size <= len(content):
        mark, length, checksum = _HEADER.unpack_from(content, end)
        frame = content[end + _HEADER.size : end + _HEADER.size + length]
        if mark != _MARK or len(frame) < length or zlib.crc32(frame) != checksum:
            break
        try:
            found = list(pa.ipc.open_stream(frame))
            for batch in found:
                batch.validate(full=True)
        except (pa.ArrowException, OSError):  # whole by its checksum, and yet none of ours
            break
        if any(batch.schema != (batches or found)[0].schema for batch in found):
            break
        batches += found
        end += _HEADER.size + length
    return batches, end


def sound_rows(content: bytes) -> int:
    """Rows of a segment's content, up to its first torn frame: where a server writes, or was killed."""
    return sum(batch.num_rows for batch in _sound(content)[0])


def finish(segment: Path) -> int:
    """Make a segment a Parquet file, up to its first torn frame; the rows.

    Raises OSError when it can't be written, and then the segment is still there.
    """
    content, path = segment.read_bytes(), segment.with_suffix(PARQUET)
    batches, end = _sound(content)
    if end < len(content):
        log.warning("impressions_torn", file=segment.name, lost_bytes=len(content) - end)
    if batches and not path.exists():  # else the server was killed between the rename and the removal
        _write(pa.Table.from_batches(batches), path)
    segment.unlink()
    return sum(batch.num_rows for batch in batches)


def _write(table: pa.Table, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True, use_dictionary=_REPEATED)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync(path.parent)


def take_out(path: Path, erased: Iterable[Erased], posts: Mapping[str, str]) -> Counter[str]:
    """Write a file again without the rows of erased people; how many went, by person.

    Those are rows that were served to them, and rows of their posts, which `posts` gives with their authors:
    a row without its post and features would be of no use. The place of a row says where it stood, so those
    that stay mean what they meant.
    """
    few = _read_columns(path)
    if few is None:
        return Counter()
    kept, whose = kept_of(few, erased, posts)
    if whose:
        table = _parquet(path)
        left = table.filter(kept) if table is not None else None
        if left is not None and left.num_rows:
            _write(left, path)
        else:
            path.unlink(missing_ok=True)
            sync(path.parent)
    return whose


def read_open(path: Path) -> pa.Table | None:
    """The rows of a segment; None when it became a Parquet file meanwhile."""
    try:
        return _segment(path)
    except FileNotFoundError:
        return None


def kept_of(
    table: pa.Table, erased: Iterable[Erased], posts: Mapping[str, str]
) -> tuple[pa.BooleanArray, Counter[str]]:
    """Which rows name no erased person, and how many name whom. What came after an erasure is another's."""
    places = {one.user_id: order(one.entry_id) for one in erased}
    names = [table[name].to_pylist() for name in ("viewer_id", "post_id", "entry_id")]
    kept, whose = [], Counter[str]()
    for viewer, post, entry_id in zip(*names, strict=True):
        author = posts.get(post, "")
        at = order(entry_id) if viewer in places or author in places else (0, 0)
        gone = {name for name in (viewer, author) if name in places and at < places[name]}
        whose.update(gone)
        kept.append(not gone)
    return pa.array(kept, pa.bool_()), whose


def _read_columns(path: Path) -> pa.Table | None:
    try:
        return pq.read_table(pa.BufferReader(path.read_bytes()), columns=["viewer_id", "post_id", "entry_id"])
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, ValueError) as error:
        set_aside(path, str(error))
        path.with_suffix(DAMAGED).unlink(missing_ok=True)
        return None


def bound(folder: Path, oldest_ms: int, most_bytes: int) -> None:
    """Remove files from before a moment, and the oldest while all take too many bytes; the newest stays."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (PARQUET, DAMAGED))
    sizes = [path.stat().st_size for path in files]
    total = sum(sizes)
    for path, size in zip(files[:-1], sizes, strict=False):
        if path.name < f"{oldest_ms:015}" or total > most_bytes:
            path.unlink(missing_ok=True)
            total -= size


def read_log(folder: Path) -> Iterator[pa.Table]:
    """What was served, in the order of the log: tables of SCHEMA, one a file, at most `file_rows` rows each.

    A server may write meanwhile, and one that was killed need not have started again: what its segment holds
    is read too. A damaged file is named in the log, set aside as `*.damaged`, and costs its own rows only; a
    file of other features, heads or factors than ours is named and left out.
    """
    for _, table in read_named(folder):
        yield table


def read_named(folder: Path, since: str = "") -> Iterator[tuple[str, pa.Table]]:
    """The same, from the file named `since` on, each with the name of its file, without suffix."""
    names = {path.stem for path in folder.glob("*") if path.suffix in (OPEN, PARQUET)}
    for name in sorted(one for one in names if one >= since):
        path = folder / name
        # A segment may become a Parquet file at any moment.
        for read in (_parquet, _segment, _parquet):
            with suppress(FileNotFoundError):
                table = read(path)
                break
        else:
            continue  # removed meanwhile, for its age
        if table is not None and _is_ours(table, path):
            yield name, table


def _segment(path: Path) -> pa.Table:
    batches, _ = _sound(path.with_suffix(OPEN).read_bytes())
    return pa.Table.from_batches(batches, batches[0].schema if batches else SCHEMA)


def _parquet(path: Path) -> pa.Table | None:
    """A whole file; None when it is damaged."""
    path = path.with_suffix(PARQUET)
    content = path.read_bytes()
    try:
        return pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        set_aside(path, str(error))
        return None


def set_aside(path: Path, reason: str) -> None:
    """Rename a damaged file, and say so."""
    aside = path.with_suffix(DAMAGED)
    log.error("impressions_damaged", file=str(path), set_aside_as=aside.name, reason=reason)
    with suppress(OSError):  # one who reads may not be allowed to
        path.rename(aside)


def _is_ours(table: pa.Table, path: Path) -> bool:
    ours: bool = table.schema.equals(SCHEMA) and table.schema.metadata == SCHEMA.metadata
    if not ours:
        log.warning(
            "impressions_of_another_version",
            file=str(path),
            reason="its features, heads or factors are not those of this feedrank: it is left out",
        )
    return ours
