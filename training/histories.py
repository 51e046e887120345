"""Histories: where the entries that training replays come from, oldest first.

A live server's data folder holds its journal and archive; an imported data set is turned into entries that
bear its own times.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

from feedrank.journal.v1 import journal_pb2
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest
from feedrank.v1.types_pb2 import Event, Post

from embeddings.encoder import Encoder, load_encoder
from ranker import consent, entries, seen
from ranker.archive import Archive, history
from ranker.errors import InvalidArgument, NotFound
from ranker.impression_files import OPEN, PARQUET
from ranker.journal import Journal
from ranker.state import State
from ranker.valkey import EmbeddedValkey
from training import importers
from training.examples import Choices, ExampleSet
from training.join import join
from training.replay import Record, Replay
from training.rows import Row, timed

_BATCH_ROWS = 1_000
_BATCH_MS = 60_000


def example_set(
    *,
    data: Path | None = None,
    source: Path | None = None,
    journal_url: str = "",
    choices: Choices | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> ExampleSet:
    """The examples of a server's data folder, whether the server runs or not, or of a data set.

    `data`: the folder. Its impressions log is joined with its journal; where nothing that it logs has become
    an example yet, the journal is replayed. Events are known up to now, unless the choices say until when.
    `made_by` of what the set is about says which of both it was. `journal_url`: where
    the server's journal is not in the folder. `source`: a data set that an importer reads; it is replayed and
    taken as complete. Raises InvalidArgument where not exactly one of both is given, and NotFound where there
    is no such folder.
    """
    choices = choices or Choices()
    if data is not None and source is None:
        if choices.until_ms is None:
            choices = choices.model_copy(update={"until_ms": time.time_ns() // 1_000_000})
        if choices.consent is None:
            choices = choices.model_copy(update={"consent": consent.of(data)})
        return _of_data_folder(data, journal_url, choices, tell)
    if source is not None and data is None:
        return _of_data_set(source, choices, tell)
    raise InvalidArgument("data", "give either a server's data folder or a data set")


def _of_data_folder(
    data: Path, journal_url: str, choices: Choices, tell: Callable[[str], None]
) -> ExampleSet:
    log = data / "impressions"
    with _journal(data, journal_url) as journal:
        archive = Archive(data / "archive")
        if any(path.suffix in (OPEN, PARQUET) for path in log.glob("*")):
            entries_read = _counted(_records(archive, journal), "joining the impressions log", tell)
            joined = join(log, (entry for _, entry in entries_read), choices, seen.key_of(data))
            if len(joined.examples):
                return joined
        replay = Replay(State(_dimension(_records(archive, journal))), choices.consent)
        replay.run(_counted(_records(archive, journal), "replaying the journal", tell))
    return replay.example_set(choices, seen.key_of(data))


def _of_data_set(path: Path, choices: Choices, tell: Callable[[str], None]) -> ExampleSet:
    tell("reading the data set and making vectors of its texts")
    rows: Sequence[Row] = list(importers.read(path))
    if any(map(_lacks_vector, rows)):  # the model takes seconds to load
        rows = with_vectors(rows, load_encoder())
    replay = Replay(State(dimension_of(rows)), choices.consent)
    replay.run(_counted(of_rows(rows), "replaying the data set", tell))
    return replay.example_set(choices)


def _counted(records: Iterable[Record], doing: str, tell: Callable[[str], None]) -> Iterator[Record]:
    for number, record in enumerate(records):
        if number % 1_000 == 0:
            tell(f"{doing}: {number:,} entries")
        yield record


def entries_of(data: Path, journal_url: str = "") -> Iterator[Record]:
    """All entries of a server's data folder, whether the server runs or not; raises as `example_set` does."""
    with _journal(data, journal_url) as journal:
        yield from _records(Archive(data / "archive"), journal)


def of_rows(rows: Iterable[Row]) -> Iterator[Record]:
    """Rows in time order as entries: neighbours of one kind and one minute share one, timed by the last."""
    number = count(1)
    batch: list[Row] = []
    begin = latest = 0
    for time_ms, row in timed(rows):
        full = len(batch) >= _BATCH_ROWS or time_ms - begin > _BATCH_MS
        if batch and ((full and not _one_answer(batch[-1], row)) or not _batch_together(batch[-1], row)):
            yield f"{next(number)}-0", _entry(batch, latest)
            batch = []
        begin = begin if batch else time_ms
        batch.append(row)
        latest = max(latest, time_ms)
    if batch:
        yield f"{next(number)}-0", _entry(batch, latest)


def with_vectors(rows: Iterable[Row], encoder: Encoder) -> list[Row]:
    """The same rows; posts with words and without a vector have been given one, in place."""
    kept = list(rows)
    posts = [row for row in kept if isinstance(row, Post) and _lacks_vector(row)]
    for post, vector in zip(posts, encoder.encode([_words(post) for post in posts]), strict=True):
        post.vector.extend(vector.tolist())
    return kept


def dimension_of(rows: Iterable[Row]) -> int:
    """Numbers in a vector of these rows; 1 where none has one."""
    return next((len(row.vector) for row in rows if isinstance(row, Post) and row.vector), 1)


@contextmanager
def _journal(data: Path, url: str) -> Iterator[Journal]:
    """The journal of a data folder. A Valkey that runs there is left running, else one runs meanwhile."""
    if not (data / "journal").is_dir() and not url:
        raise NotFound(f"{data} holds no journal: name the data folder of a server, or its journal")
    with ExitStack() as opening:
        valkey = EmbeddedValkey(data / "journal")
        journal = Journal.connect(url) if url else Journal.at_socket(valkey.socket)
        opening.enter_context(closing(journal))
        if not url and not journal.ping():
            valkey.start()
            opening.callback(valkey.stop)
        yield journal


def _records(archive: Archive, journal: Journal) -> Iterator[Record]:
    for position, payload in history(archive, journal):
        yield position, journal_pb2.Entry.FromString(payload)


def _dimension(records: Iterable[Record]) -> int:
    """Numbers in a post's vector, by the first that the history holds; 1 where it holds none."""
    for _, entry in records:
        if entry.vectors.post_ids:
            return len(entry.vectors.float16) // 2 // len(entry.vectors.post_ids)
        if found := next((len(post.vector) for post in entry.posts.posts if post.vector), 0):
            return found
    return 1


def _batch_together(row: Row, other: Row) -> bool:
    return type(row) is type(other) and not isinstance(row, SetPreferencesRequest)


def _one_answer(row: Row, other: Row) -> bool:
    """Whether both events belong to one answer, whose impressions are to be replayed at one moment."""
    if not (isinstance(row, Event) and isinstance(other, Event)):
        return False
    return bool(row.request_id) and row.request_id == other.request_id


def _entry(batch: Sequence[Row], time_ms: int) -> journal_pb2.Entry:
    first = batch[0]
    if isinstance(first, SetPreferencesRequest):
        return entries.of_preferences(first, time_ms)
    if isinstance(first, DeletePostsRequest):
        deleted = [row for row in batch if isinstance(row, DeletePostsRequest)]
        return entries.of_deletions([post_id for row in deleted for post_id in row.post_ids], time_ms)
    return entries.OF[type(first).DESCRIPTOR.name](batch, time_ms)


def _lacks_vector(row: Row) -> bool:
    return isinstance(row, Post) and not row.vector and bool(_words(row).strip())


def _words(post: Post) -> str:
    """What a post's vector is made from, as the fold puts it together."""
    return "\n".join(
        part for part in (post.text, *(t for m in post.media for t in (m.prompt, m.alt_text))) if part
    )
