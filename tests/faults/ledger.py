"""What writers were promised, and whether a server kept it.

A writer sends calls one after the other and writes down what came back. A call whose answer never came may
have been written or not; most are sent again, with the same ids, until they are acknowledged. Those without
event ids are not: they count once or not at all.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import feedrank
import grpc
from feedrank.v1 import feed_pb2, feed_pb2_grpc, ingest_pb2, ingest_pb2_grpc

from ranker import snapshot
from ranker.archive import Archive, history
from ranker.events import COUNTERS
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.impression_files import read_log
from ranker.journal import Journal, order
from ranker.state import NONE, State

CLICK = COUNTERS.index("click")
IMPRESSIONS_BOUND_S = 1.0
"""What was served so long before a kill is on disk."""
_CALL_S = 5.0
_PAUSE_S = 0.04


@dataclass
class Told:
    """What one writer was told, and what it can't know."""

    alive: dict[str, bool] = field(default_factory=dict)
    """Posts, and whether they are to be there; what is not acknowledged is not in it."""
    clicks: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """By post, each with a viewer of its own: the least and the most."""
    follows: dict[str, str] = field(default_factory=dict)
    positions: list[str] = field(default_factory=list)
    """Of the entries that were acknowledged."""
    repeated: int = 0
    refused: list[str] = field(default_factory=list)
    """Calls that came back with an error that says that something is broken."""


def viewer_of(post: str) -> str:
    """Who clicks on a post."""
    return f"{post}-vic"


class Line:
    """A caller's connection to wherever the server listens; one that failed is made anew."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._to = ""
        self._open: grpc.Channel | None = None

    def __enter__(self) -> grpc.Channel:
        if self._open is None or self._to != self._address():
            self.close()
            self._to = self._address()
            self._open = grpc.insecure_channel(self._to)
        return self._open

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None


class Writer(threading.Thread):
    """Writes without a pause while its gate is open."""

    def __init__(self, name: str, seed: int, address: Callable[[], str]) -> None:
        """`address`: where the server listens at the moment; it changes with each start."""
        super().__init__(name=name, daemon=True)
        self.told = Told()
        self.calls = 0
        self.gate, self.idle, self.enough = threading.Event(), threading.Event(), threading.Event()
        self._line = Line(address)
        self._random = random.Random(f"{name} {seed}")
        self._newest = ""

    def run(self) -> None:
        """Until it is enough."""
        while not self.enough.is_set():
            if not self.gate.is_set():
                self.idle.set()
                self.gate.wait(0.05)
                continue
            self.idle.clear()
            kinds = (self._posts, self._clicks, self._clicks, self._once, self._relation, self._deletion)
            self._random.choice(kinds if self._newest else kinds[:1])()
            self.calls += 1
        self.idle.set()
        self._line.close()

    def _posts(self) -> None:
        ids = [f"{self.name}-{self.calls}-{i}" for i in range(3)]
        posts = [feedrank.Post(id=one, author_id=f"{self.name}-ana", text=f"Moss {one}") for one in ids]
        if self._until_acknowledged("PutPosts", ingest_pb2.PutPostsRequest(posts=posts)):
            self.told.alive |= dict.fromkeys(ids, True)
            self._newest = ids[0]

    def _clicks(self) -> None:
        events = [self._click(f"{self.name}/{self.calls}/{i}") for i in range(5)]
        if self._until_acknowledged("RecordEvents", ingest_pb2.RecordEventsRequest(events=events)):
            self._count(least=5, most=5)

    def _once(self) -> None:
        """Events that nothing makes idempotent."""
        request = ingest_pb2.RecordEventsRequest(events=[self._click("") for _ in range(2)])
        self._count(least=2 if self._sent("RecordEvents", request) else 0, most=2)

    def _relation(self) -> None:
        viewer, target = f"{self.name}-v{self.calls}", f"{self.name}-ana"
        row = feedrank.Relation(
            user_id=viewer, target_id=target, kind=feedrank.RelationKind.RELATION_KIND_FOLLOW
        )
        if self._until_acknowledged("PutRelations", ingest_pb2.PutRelationsRequest(relations=[row])):
            self.told.follows[viewer] = target

    def _deletion(self) -> None:
        old = [one for one in list(self.told.alive)[-30:] if self.told.alive[one] and one != self._newest]
        if old:
            request = ingest_pb2.DeletePostsRequest(post_ids=[old[0]])
            if self._until_acknowledged("DeletePosts", request):
                self.told.alive[old[0]] = False

    def _click(self, event_id: str) -> feedrank.Event:
        return feedrank.Event(
            event_id=event_id,
            viewer_id=viewer_of(self._newest),
            post_id=self._newest,
            kind=feedrank.EventKind.EVENT_KIND_CLICK,
        )

    def _count(self, least: int, most: int) -> None:
        bounds = self.told.clicks[self._newest]
        bounds[0] += least
        bounds[1] += most

    def _until_acknowledged(self, rpc: str, request: Any) -> bool:
        while not self._sent(rpc, request):
            self.told.repeated += 1
            if self.enough.wait(_PAUSE_S):
                return False
        return True

    def _sent(self, rpc: str, request: Any) -> bool:
        try:
            with self._line as channel:
                answer = getattr(ingest_pb2_grpc.IngestStub(channel), rpc)(request, timeout=_CALL_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS):
                self.told.refused.append(f"{rpc}: {error.code()} {error.details()}")
            return False
        self.told.positions.append(answer.result.entry_id)
        return not answer.result.rejected


class Reader(threading.Thread):
    """Asks for timelines, and remembers which answers came when."""

    def __init__(self, address: Callable[[], str], viewer: str) -> None:
        super().__init__(name="reader", daemon=True)
        self.answers: dict[str, float] = {}
        """When each answer came, by its request_id: seconds of the monotonic clock."""
        self.gate, self.enough = threading.Event(), threading.Event()
        self._line = Line(address)
        self._viewer = viewer

    def run(self) -> None:
        """Until it is enough."""
        while not self.enough.wait(0.03):
            if self.gate.is_set():
                self._ask()
        self._line.close()

    def _ask(self) -> None:
        request = feed_pb2.GetTimelineRequest(viewer_id=self._viewer, size=5, include_seen=True)
        try:
            with self._line as channel:
                page = feed_pb2_grpc.FeedStub(channel).GetTimeline(request, timeout=_CALL_S)
        except grpc.RpcError:
            return
        if page.posts:
            self.answers[page.request_id] = time.monotonic()


class Witness:
    """A fold of the journal that nobody kills: what every server must have come to."""

    def __init__(self, data: Path, dimension: int, journal: Journal) -> None:
        self.data = data
        self.journal = journal
        self.state = State(dimension)
        self.positions: set[str] = set()
        self._follower = Follower(journal, Fold(self.state))

    def hear(self, upto: str) -> None:
        """Fold up to a position, from the archive and the journal."""
        for record in history(Archive(self.data / "archive"), self.journal, self.state.position):
            if order(record[0]) > order(upto):
                return
            self.positions.add(record[0])
            self._follower.apply(record)

    @property
    def poison(self) -> int:
        """Entries that could not be folded."""
        return self._follower.poison_count


def broken(told: Told, witness: Witness) -> Iterator[str]:
    """What of that which a writer was told is not so, as sentences."""
    state = witness.state
    yield from told.refused
    for position in told.positions:
        if position not in witness.positions:
            yield f"the acknowledged entry {position} is lost"
    told.positions.clear()  # the witness has them, and what it has it keeps
    yield from _wrong_posts(told, state)
    yield from _wrong_counts(told, state)
    for viewer, target in told.follows.items():
        followed = state.users.follows[state.user_ids.slots([viewer])[0]].tolist()
        if state.user_ids.slots([target])[0] not in followed:
            yield f"{viewer} does not follow {target}"


def _wrong_posts(told: Told, state: State) -> Iterator[str]:
    slots = state.post_ids.slots(list(told.alive))
    for (name, alive), slot in zip(told.alive.items(), slots.tolist(), strict=True):
        if slot == NONE:
            yield f"the post {name} is lost"
        elif bool(state.posts.deleted[slot]) == alive:
            yield f"the post {name} should be {'there' if alive else 'deleted'}"


def _wrong_counts(told: Told, state: State) -> Iterator[str]:
    """A post's clicks may be fewer than were given: what accounts without standing do is their own."""
    names = list(told.clicks)
    counted = state.posts.counter[state.post_ids.slots(names), CLICK, -1].tolist()
    given = state.users.given[state.user_ids.slots(list(map(viewer_of, names))), CLICK, -1].tolist()
    for name, count, gave in zip(names, counted, given, strict=True):
        least, most = told.clicks[name]
        if not (least <= gave <= most and count <= most):
            yield f"the post {name} has {count:.0f} of {gave:.0f} clicks, not {least} to {most}"


def restored(dimension: int, folder: Path) -> State:
    """What the newest snapshot of a server holds."""
    state = State(dimension)
    snapshot.restore(state, folder)
    return state


def differs(witness: Witness, state: State) -> Iterator[str]:
    """A server's state that is not what the journal says, bit for bit."""
    if state.fingerprint() != witness.state.fingerprint():
        mine = dict(witness.state.arrays())
        names = [name for name, array in state.arrays() if array.tobytes() != mine[name].tobytes()]
        where = ", ".join(names) or "facts"
        yield f"at {state.position} the server's state is not the fold of the journal: {where}"


def lost_impressions(answers: dict[str, float], folder: Path, killed: float) -> tuple[int, float]:
    """Answers of which no row is on disk, and the seconds before the kill when the oldest of them came."""
    kept = {one for table in read_log(folder) for one in table["request_id"].unique().to_pylist()}
    ages = [killed - came for name, came in answers.items() if name not in kept]
    return len(ages), max(ages, default=0.0)
