"""Admission: which calls are answered, in which order, and which are refused at once.

Before any thread takes a call it is known how critical it is, and how long it would wait. Health, what
operators do, erasures, writes and reads have threads of their own, so that none takes another's; of reads,
first pages go before later ones. A read that would wait too long is refused in the thread that takes calls
in, which does no other work: RESOURCE_EXHAUSTED, a sentence, and in the trailer `retry-after-ms` when to come
again. What counts is time in the queue, not its length (CoDel, Nichols and Jacobson 2012). Long before, fewer
candidates are scored (`Pressure.quality`).

gRPC runs interceptors and `submit` one after the other in one thread. A unary call is taken as a stream here:
then its content is read when it was admitted, and a refusal reads nothing.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import structlog
from feedrank.v1 import feed_pb2
from google.protobuf.message import DecodeError

from ranker.metrics import Metrics
from ranker.settings import ServerSettings

log = structlog.get_logger()

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic only in its stubs

PAGE_KEY, LATER_PAGE = "feedrank-page", "later"
"""Metadata of a call for a later page, so that it is known as one before its content is read."""

RETRY_AFTER = "retry-after-ms"
"""The trailer of a refusal."""

_LOOK_S = 0.05
_WEIGHT = 0.05
"""Of the newest call, in the means of time and calls at a time."""
_EASE_S = 0.2
"""Quality follows the wait within about so long."""
_LATER_SHARE = 0.6
"""Of the longest wait: what would wait longer for a later page is refused."""
_FULL_UNTIL, _FLOOR_FROM = 0.15, 0.5
"""Shares of the longest wait, between which quality falls."""
_LEAST_HINT_MS = 50.0
_WRITES_WAIT = 10.0
"""Writes wait so many times as long as reads."""


class Criticality(IntEnum):
    """What goes first."""

    HEALTH = 0
    ADMIN = 1
    PRIVACY = 2
    """Erasures, some of which take minutes."""
    STREAM = 3
    """Reflection and the like, which hold a thread as long as they are open."""
    WRITE = 4
    PAGE = 5
    """First pages and other reads."""
    LATER = 6
    """Later pages."""


class Pressure:
    """How long a call that comes now would wait for one of `at_once`, and what that does to quality.

    By Little's law, of how many were being answered at a time and how long each took; the queue's length
    alone says nothing of time.
    """

    def __init__(self, at_once: int, most_wait_s: float, floor: float = 1.0) -> None:
        """`floor`: the least quality."""
        self.most_wait_s = most_wait_s
        self._at_once = at_once
        self._floor = floor
        self._present = self._running = 0
        self._time_s = self._together = 0.0
        self._eased = self._eased_at = 0.0
        self._lock = threading.Lock()

    def come(self) -> int:
        """A call was admitted; how many wait or are being answered."""
        with self._lock:
            self._present += 1
            return self._present

    def leave(self) -> None:
        """One that was admitted was refused after all."""
        with self._lock:
            self._present -= 1

    def begin(self) -> None:
        """A thread has a call."""
        with self._lock:
            self._running += 1

    def end(self, took_s: float | None) -> None:
        """It has answered it; None: refused it."""
        with self._lock:
            if took_s is not None:
                weight = _WEIGHT if self._time_s else 1.0
                self._time_s += weight * (took_s - self._time_s)
                self._together += weight * (self._running - self._together)
            self._running -= 1
            self._present -= 1

    @property
    def wait_s(self) -> float:
        """Of a call that comes now."""
        ahead = self._present - self._at_once + 1
        return max(ahead, 0) * self._time_s / max(self._together, 1.0)

    @property
    def answer_s(self) -> float:
        """From coming to the answer: the wait, and an answer made as fast as they come."""
        return self.wait_s + self._time_s * min(self._at_once / max(self._together, 1.0), 1.0)

    def quality(self) -> float:
        """The share of candidates that are scored: 1 where nothing waits, less where the wait grows."""
        now = time.monotonic()
        with self._lock:
            weight = min((now - self._eased_at) / _EASE_S, 1.0)
            self._eased += weight * (self.wait_s - self._eased)
            self._eased_at = now
            over = self._eased / self.most_wait_s - _FULL_UNTIL
        return 1.0 - (1.0 - self._floor) * min(max(over / (_FLOOR_FROM - _FULL_UNTIL), 0.0), 1.0)


class Refusal(NamedTuple):
    """Why a call is not answered, and when to come again."""

    sentence: str
    retry_ms: int


class _Waiting(NamedTuple):
    """A call in a queue: what gRPC wants to be run, and since when it waits."""

    run: Callable[[], object]
    since: float
    until: float


_here = threading.local()
"""`refusal`: why the call that a thread runs is not to be answered. `refused`: it refused one itself."""

_DONE: "Future[Any]" = Future()
_DONE.set_result(None)


class Admission(grpc.ServerInterceptor):
    """The first interceptor of a gRPC server, with its threads. `pool` is the server's own."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, reads: Pressure) -> None:
        """`reads`: the pressure of a worker's reads, also those that come by another server of it."""
        most, wait_s = settings.waiting_calls, settings.wait_ms / 1000
        writes = Pressure(settings.threads, _WRITES_WAIT * wait_s)
        self._metrics = metrics
        self._reads = reads
        self._groups = [
            _Group("health", 1, most),
            _Group("admin", 2, most),
            _Group("privacy", 2, most),
            _Group("stream", 4, most),
            _Group("write", settings.threads, most, writes),
            _Group("rpc", settings.threads, most, reads, queues=2),
        ]
        self._lanes = [
            _Lane(self._groups[min(kind, Criticality.PAGE)], kind, self._refused) for kind in Criticality
        ]
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, name="admission", daemon=True)
        self._watch.start()

    @property
    def pool(self) -> ThreadPoolExecutor:
        """For what passes by the interceptor: streams of answers."""
        return self._lanes[Criticality.STREAM]

    def close(self) -> None:
        """End the threads, each after its call."""
        self._stop.set()
        self._watch.join()
        for group in self._groups:
            group.close()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Send a call into its lane. Streams of answers pass as they are, and what has its own threads."""
        handler = continuation(details)
        if handler is None or handler.response_streaming or _has_threads(handler):
            return handler
        method = details.method
        lane = self._lanes[_criticality(method, details)]
        admitted = _Admitted(self, handler, lane, method.rpartition("/")[2])
        return grpc.stream_unary_rpc_method_handler(
            admitted, handler.request_deserializer, handler.response_serializer
        )

    def refuses_later_pages(self) -> bool:
        """Whether a later page that is known as one only now is refused."""
        return self._reads.wait_s > _LATER_SHARE * self._reads.most_wait_s

    def refuse(self, name: str, refusal: Refusal, context: grpc.ServicerContext) -> None:
        """End a call without an answer."""
        self._metrics.refused(name)
        context.set_trailing_metadata((("feedrank-error", "busy"), (RETRY_AFTER, str(refusal.retry_ms))))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, refusal.sentence)

    def _refused(self, took_s: float) -> None:
        self._metrics.refusal_seconds.observe(took_s)

    def _look(self) -> None:
        """Refuse what has waited too long all the same: threads may hang."""
        while not self._stop.wait(_LOOK_S):
            for group in self._groups:
                group.refuse_late(self._refused)


def _has_threads(handler: "Handler") -> bool:
    return hasattr(handler.stream_unary or handler.unary_unary, "experimental_thread_pool")


def _criticality(method: str, details: grpc.HandlerCallDetails) -> Criticality:
    known = _KINDS.get(method) or _KINDS.get(method.rpartition("/")[0], Criticality.PAGE)
    if known is Criticality.PAGE:
        for key, value in details.invocation_metadata or ():
            if key == PAGE_KEY and value == LATER_PAGE:
                return Criticality.LATER
    return known


_KINDS = {
    "/grpc.health.v1.Health": Criticality.HEALTH,
    "/feedrank.v1.Admin": Criticality.ADMIN,
    "/feedrank.v1.Privacy": Criticality.PRIVACY,
    "/feedrank.v1.Ingest": Criticality.WRITE,
    "/feedrank.v1.Controls": Criticality.WRITE,
    "/feedrank.v1.Controls/GetPreferences": Criticality.PAGE,
    "/feedrank.v1.Feed": Criticality.PAGE,
}
"""By service, or by method where it differs from its service; what is not named is a read."""


class _Admitted:
    """A method behind its lane, as gRPC calls it."""

    def __init__(self, admission: Admission, handler: "Handler", lane: "_Lane", name: str) -> None:
        self.experimental_thread_pool = lane  # gRPC's name for the pool of one method
        self._admission = admission
        self._name = name
        self._method = handler.stream_unary if handler.request_streaming else None
        self._unary = handler.unary_unary

    def __call__(self, contents: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        """Answer, or refuse."""
        if refusal := getattr(_here, "refusal", None):
            self._admission.refuse(self._name, refusal, context)
        if self._method is not None:
            return self._method(contents, context)
        content = next(contents, None)
        if content is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call needs one message: send the request")
        if self._name == "GetTimeline" and self._admission.refuses_later_pages() and _is_later(content):
            _here.refused = True
            self._admission.refuse(self._name, self.experimental_thread_pool.refusal(), context)
        assert self._unary is not None
        return self._unary(content, context)


def _is_later(content: bytes) -> bool:
    try:
        return bool(feed_pb2.GetTimelineRequest.FromString(content).cursor)
    except DecodeError:
        return False


class _Lane(ThreadPoolExecutor):
    """The way into a group's queue for calls of one criticality; gRPC takes nothing but this class."""

    def __init__(self, group: "_Group", kind: Criticality, refused: Callable[[float], None]) -> None:
        super().__init__(1)  # it starts no thread of its own
        self._group = group
        self._queue = int(kind is Criticality.LATER)
        self._share = _LATER_SHARE if kind is Criticality.LATER else 1.0
        self._refused = refused

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Take a call in, or refuse it here and now."""
        began = time.monotonic()
        left_s = _time_left(args)
        waiting = _Waiting(lambda: fn(*args, **kwargs), began, began + left_s)
        if self._group.takes(left_s, self._share):
            self._group.put(waiting, self._queue)
        else:
            _run_refused(waiting, self.refusal())
            self._refused(time.monotonic() - began)
        return _DONE

    def refusal(self) -> Refusal:
        """What a call is told that is refused now."""
        return self._group.refusal()


def _time_left(args: tuple[Any, ...]) -> float:
    """Seconds until the caller's deadline, where what gRPC gives tells it."""
    details = getattr(args[1], "call_details", None) if len(args) > 1 else None
    deadline = getattr(details, "deadline", None)
    return float("inf") if deadline is None else float(deadline) - time.time()


def _run_refused(waiting: _Waiting, refusal: Refusal) -> None:
    _here.refusal = refusal
    try:
        waiting.run()
    except Exception:
        log.exception("refusal_failed")
    finally:
        _here.refusal = None


class _Group:
    """Threads that answer, and the queues before them, bounded in time and number."""

    def __init__(
        self, name: str, threads: int, most: int, pressure: Pressure | None = None, queues: int = 1
    ) -> None:
        self._name = name
        self._most_threads = threads
        self._most = most
        self._pressure = pressure or Pressure(threads, float("inf"))
        self._queues = [deque[_Waiting]() for _ in range(queues)]
        self._tokens = SimpleQueue[bool]()
        """One for each call that waits; False ends a thread."""
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        """Of what leaves a queue."""

    def takes(self, left_s: float, share: float) -> bool:
        """Whether a call that comes now is answered in time. `share`: of the longest wait."""
        pressure, waiting = self._pressure, sum(map(len, self._queues))
        if not waiting:
            return True
        in_time = left_s > pressure.answer_s and pressure.wait_s <= share * pressure.most_wait_s
        return in_time and waiting < self._most

    def refusal(self) -> Refusal:
        """What a call is told that is refused now. The hint is spread, so that not all come again at once."""
        hint = max(1000 * self._pressure.wait_s, _LEAST_HINT_MS) * (0.5 + random.random())
        return Refusal(f"too much to do: ask again in {hint:.0f} ms, or ask for less", round(hint))

    def put(self, waiting: _Waiting, queue: int) -> None:
        """Take a call in."""
        present = self._pressure.come()
        self._queues[queue].append(waiting)
        self._tokens.put(True)
        if len(self._threads) < min(present, self._most_threads):
            name = f"{self._name}_{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def refuse_late(self, refused: Callable[[float], None]) -> None:
        """Refuse what has waited for twice the longest wait, or past its deadline."""
        while waiting := self._late(time.monotonic()):
            self._pressure.leave()
            _run_refused(waiting, self.refusal())
            refused(time.monotonic() - waiting.since)

    def close(self) -> None:
        """End the threads, each after its call."""
        for _ in self._threads:
            self._tokens.put(False)

    def _late(self, now: float) -> _Waiting | None:
        """A call at the head of a queue that waited too long, taken out."""
        with self._lock:
            for queue in self._queues:
                if queue and now > min(queue[0].since + 2 * self._pressure.most_wait_s, queue[0].until):
                    return queue.popleft()
        return None

    def _next(self) -> _Waiting | None:
        """The most critical call that waits, taken out; None where it was refused meanwhile."""
        with self._lock:
            return next((queue.popleft() for queue in self._queues if queue), None)

    def _run(self) -> None:
        while self._tokens.get():
            if waiting := self._next():
                self._answer(waiting)

    def _answer(self, waiting: _Waiting) -> None:
        began = time.monotonic()
        _here.refused = False
        self._pressure.begin()
        try:
            waiting.run()
        except Exception:
            log.exception("call_failed")
        finally:
            self._pressure.end(None if _here.refused else time.monotonic() - began)
