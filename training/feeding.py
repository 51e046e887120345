"""Feeding: rows into a live server, in full batches.

A history mixes kinds: a post, five events, a post again. Sent as it stands it would be thousands of small
batches. So each kind waits in a lane of its own, and the lanes go out in the order of `LANES`: users, posts,
relations, events, deletions. A row may overtake rows of later lanes that came before it, and no others:

- A post is there before its events, its author's account before the post, and a deletion comes after both.
- What one lane holds keeps its order: edits of a post, follows and unfollows, a viewer's events.
- An event that is overtaken loses nothing: counters, interests and rings go by events among themselves and by
  the posts they name.
- Two rows where the order matters are kept apart: a relation waits for a follow, mute or block event of the
  same user, and a post for its own deletion. Preferences stand alone and are sent at once.

At most `WINDOW` rows wait in a lane.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import feedrank
from feedrank.batches import MAX_ROWS
from feedrank.v1 import types_pb2 as t
from feedrank.v1.controls_pb2 import SetPreferencesRequest
from feedrank.v1.ingest_pb2 import DeletePostsRequest

from ranker.errors import FeedrankError
from training.rows import Row

WINDOW = 4_000
"""Rows that may wait in a lane: four messages, so that the few posts between events share one too."""
NAMED = 20
"""Rejected rows that are named; the others are counted."""

LANES: tuple[type[Row], ...] = (t.User, t.Post, t.Relation, t.Event, DeletePostsRequest)
_RELATES = (t.EVENT_KIND_FOLLOW, t.EVENT_KIND_MUTE, t.EVENT_KIND_BLOCK)

Progress = Callable[[int], object]
"""Called with the number of rows that were just sent."""


class FeedInterrupted(FeedrankError):
    """The server stopped answering; `fed` says how far it came."""

    status = "UNAVAILABLE"
    word = "feed_interrupted"

    def __init__(self, fed: "Fed", reason: Exception) -> None:
        super().__init__(
            f"the server took {fed.accepted:,} rows and then failed: {reason} "
            "Start again from the beginning when it is back: rows that it has are not counted twice"
        )
        self.fed = fed


@dataclass(frozen=True)
class Refusal:
    """A row that the server did not take: its number from 0, the field, a sentence."""

    row: int
    field: str
    message: str


@dataclass
class Fed:
    """What became of the rows; `refusals` names the first `NAMED` of those that were rejected."""

    accepted: int = 0
    rejected: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, written: feedrank.Written, numbers: list[int]) -> None:
        """Count one write; `numbers` are its rows' numbers."""
        self.accepted += written.accepted
        self.rejected += written.rejected_count
        room = NAMED - len(self.refusals)
        self.refusals += [Refusal(numbers[r.index], r.field, r.message) for r in written.rejected[:room]]


def feed(rows: Iterable[Row], client: feedrank.Client, progress: Progress | None = None) -> Fed:
    """Send the rows, oldest first; returns when the server has them all.

    Raises FeedInterrupted when the server goes away: what was sent before stays, and a second run is safe
    where events have ids (see `with_event_ids`).
    """
    lanes = _Lanes(client, progress or (lambda _: None))
    try:
        for number, row in enumerate(rows):
            lanes.put(number, row)
        lanes.flush()
    except feedrank.Error as error:
        if error.written is not None:
            lanes.fed.accepted += error.written.accepted
        raise FeedInterrupted(lanes.fed, error) from error
    return lanes.fed


def with_event_ids(rows: Iterable[Row], name: str) -> Iterator[Row]:
    """The rows, where events without an id get one from a name and their number, the same in every run.

    >>> [row.event_id for row in with_event_ids([t.Event(), t.Event(event_id="mine")], "monday.jsonl")]
    ['monday.jsonl#0', 'mine']
    """
    for number, row in enumerate(rows):
        if isinstance(row, t.Event) and not row.event_id:
            row.event_id = f"{name}#{number}"
        yield row


class _Lanes:
    """Rows that wait, by kind, each with its number."""

    def __init__(self, client: feedrank.Client, progress: Progress) -> None:
        self.client, self.progress = client, progress
        self.fed = Fed()
        self._waiting: dict[type[Row], list[tuple[int, Any]]] = {kind: [] for kind in LANES}
        self._relating: set[str] = set()
        self._leaving: set[str] = set()
        self._send: dict[type[Row], Callable[[list[Any]], feedrank.Written]] = {
            t.User: client.put_users,
            t.Post: client.put_posts,
            t.Relation: client.put_relations,
            t.Event: client.record_events,
            DeletePostsRequest: self._delete,
        }

    def put(self, number: int, row: Row) -> None:
        """Let a row wait, and send what must go before it or has waited long enough."""
        if isinstance(row, SetPreferencesRequest):
            return self._prefer(number, row)
        if self._must_wait(row):
            self.flush()
        self._note(row)
        lane = self._waiting[type(row)]
        lane.append((number, row))
        return self.flush(type(row)) if len(lane) >= WINDOW else None

    def flush(self, last: type[Row] = DeletePostsRequest) -> None:
        """Send the lanes up to one."""
        for kind in LANES[: LANES.index(last) + 1]:
            self._flush(kind)

    def _must_wait(self, row: Row) -> bool:
        """Whether a row must not overtake one that waits."""
        if isinstance(row, t.Relation):
            return row.user_id in self._relating
        return isinstance(row, t.Post) and row.id in self._leaving

    def _note(self, row: Row) -> None:
        if isinstance(row, t.Event) and row.kind in _RELATES:
            self._relating.add(row.viewer_id)
        elif isinstance(row, DeletePostsRequest):
            self._leaving.update(row.post_ids)

    def _flush(self, kind: type[Row]) -> None:
        waiting, self._waiting[kind] = self._waiting[kind], []
        if kind is t.Event:
            self._relating.clear()
        elif kind is DeletePostsRequest:
            self._leaving.clear()
        for start in range(0, len(waiting), MAX_ROWS):
            batch = waiting[start : start + MAX_ROWS]
            self.fed.add(self._send[kind]([row for _, row in batch]), [number for number, _ in batch])
            self.progress(len(batch))

    def _prefer(self, number: int, row: SetPreferencesRequest) -> None:
        try:
            self.client.set_preferences(row.viewer_id, row.preferences)
            self.fed.accepted += 1
        except feedrank.InvalidArgument as error:
            self.fed.rejected += 1
            self.fed.refusals += [Refusal(number, error.field, str(error))][: NAMED - len(self.fed.refusals)]
        self.progress(1)

    def _delete(self, rows: list[DeletePostsRequest]) -> feedrank.Written:
        return self.client.delete_posts([post_id for row in rows for post_id in row.post_ids])
