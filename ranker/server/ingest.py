"""The Ingest service: check, journal, acknowledge."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
from feedrank.v1 import ingest_pb2, ingest_pb2_grpc, types_pb2

from ranker import checks, entries
from ranker.checks import Problem
from ranker.errors import Busy, InvalidArgument
from ranker.event_columns import EventColumns
from ranker.journal import now_ms
from ranker.metrics import Metrics
from ranker.server import decode, encode
from ranker.writer import Writer

_MOST_NAMED = 1_000

_EventsMessage = ingest_pb2.RecordEventsRequest | ingest_pb2.StreamEventsRequest


class Ingest(ingest_pb2_grpc.IngestServicer):
    """What flows in. An open stream holds a thread of the server; half of them are kept for other calls."""

    def __init__(self, writer: Writer, metrics: Metrics, dimension: int, threads: int) -> None:
        """`dimension`: numbers in a post's vector. `threads`: those of the server."""
        self._writer = writer
        self._metrics = metrics
        self._dimension = dimension
        self._streams = threading.BoundedSemaphore(max(1, threads // 2))

    def PutPosts(
        self, request: ingest_pb2.PutPostsRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.PutPostsResponse:
        """Adds or replaces posts."""
        return ingest_pb2.PutPostsResponse(result=self._put("posts", request.posts, entries.of_posts))

    def DeletePosts(
        self, request: ingest_pb2.DeletePostsRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.DeletePostsResponse:
        """Deletes posts."""
        decode.batch("post_ids", request.post_ids)
        found = [next(checks.identifier("post_ids", post_id), None) for post_id in request.post_ids]
        bad = [(i, problem) for i, problem in enumerate(found) if problem]
        good = [post_id for post_id, problem in zip(request.post_ids, found, strict=True) if not problem]
        return ingest_pb2.DeletePostsResponse(
            result=self._write("deletions", good, bad, entries.of_deletions)
        )

    def PutUsers(
        self, request: ingest_pb2.PutUsersRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.PutUsersResponse:
        """Adds or replaces users."""
        return ingest_pb2.PutUsersResponse(result=self._put("users", request.users, entries.of_users))

    def PutRelations(
        self, request: ingest_pb2.PutRelationsRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.PutRelationsResponse:
        """Sets or removes relations."""
        result = self._put("relations", request.relations, entries.of_relations)
        return ingest_pb2.PutRelationsResponse(result=result)

    def RecordEvents(
        self, request: ingest_pb2.RecordEventsRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.RecordEventsResponse:
        """Records what viewers did."""
        return ingest_pb2.RecordEventsResponse(result=self._put_events(request))

    def StreamEvents(
        self, request_iterator: Iterator[ingest_pb2.StreamEventsRequest], context: grpc.ServicerContext
    ) -> ingest_pb2.StreamEventsResponse:
        """Records batches of a stream; the answer sums them up."""
        if not self._streams.acquire(blocking=False):
            raise Busy("too many streams are open: close one, or raise server.threads")
        try:
            return self._record(request_iterator)
        finally:
            self._streams.release()

    def _put_events(self, request: _EventsMessage) -> types_pb2.WriteResult:
        """As `_put`, by columns: only rows that may be wrong are looked at one by one."""
        decode.batch("events", request.events)
        now = now_ms()
        events = EventColumns.of_request(request)
        good = checks.sound(events, now)
        doubtful = np.flatnonzero(~good).tolist()
        rows = [(i, checks.problem_of(request.events[i], now_ms=now, dimension=None)) for i in doubtful]
        bad = [(i, problem) for i, problem in rows if problem]
        good[:] = True
        good[[i for i, _ in bad]] = False
        return self._write("events", events.where(good), bad, entries.of_event_columns)

    def _record(self, requests: Iterator[ingest_pb2.StreamEventsRequest]) -> ingest_pb2.StreamEventsResponse:
        total = types_pb2.WriteResult(visible=True)
        first, rejected = 0, 0
        for request in requests:
            result = self._put_events(request)
            for row in result.rejected[: _MOST_NAMED - len(total.rejected)]:
                row.index += first
                total.rejected.append(row)
            rejected += len(result.rejected)
            total.accepted += result.accepted
            total.entry_id, total.visible = result.entry_id or total.entry_id, result.visible
            first += len(request.events)
        if not first:
            raise InvalidArgument("events", "events is empty: the stream ended without a batch")
        return ingest_pb2.StreamEventsResponse(result=total, rejected_count=rejected)

    def _put(
        self, kind: str, rows: Sequence[Any], entry_of: Callable[[Any, int], entries.Entry | bytes]
    ) -> types_pb2.WriteResult:
        decode.batch(kind, rows)
        good, bad = checks.sift(rows, now_ms=now_ms(), dimension=self._dimension)
        return self._write(kind, good, bad, entry_of)

    def _write(
        self,
        kind: str,
        good: Sequence[Any] | EventColumns,
        bad: Sequence[tuple[int, Problem]],
        entry_of: Callable[[Any, int], entries.Entry | bytes],
    ) -> types_pb2.WriteResult:
        """Journal the good rows as one entry and name the bad ones."""
        position, visible = self._writer.write(entry_of(good, now_ms())) if good else ("", True)
        self._metrics.rows.labels(kind, "accepted").inc(len(good))
        self._metrics.rows.labels(kind, "rejected").inc(len(bad))
        return encode.written(len(good), bad, position, visible=visible)
