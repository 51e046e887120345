"""A mixed load at a fixed rate: all kinds of calls that a backend and its operators make, over real gRPC.

Twenty people read and write for ever; newcomers come, stay a few minutes and are forgotten, or are erased.
A call that is late because the one before it was slow is left out, so that a fault is not followed by a rush.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import feedrank
import numpy as np
from feedrank.v1 import types_pb2 as t

from benchmarks.calls import drawn_kinds
from tests.faults.outages import DEADLINE_S, FaultyServer
from training.playground import World

READ, LATER = "timeline", "later-page"
READS = READ, LATER
EVENTS_A_CALL, POSTS_A_CALL = 50, 4
ERASED_AFTER = 30
"""So many newcomers later one may be erased."""
_PRESENT = 60
"""Newcomers that are here at a time."""
_NEWCOMERS_SHARE = 0.2
_WRITE_S = 10.0
_SLOW_S = 60.0

TAKEN = {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "NOT_FOUND"}
"""Codes that a call may end with while parts fail. Not INTERNAL, nor what says that the load is wrong."""

Act = Callable[["Load", feedrank.Client, np.random.Generator], object]


@dataclass(frozen=True)
class Kind:
    """Calls of one kind: how many a second, and how one is made."""

    name: str
    rate: float
    act: Act


class Load:
    """Threads that make calls while the gate is open. Use it as a context manager."""

    def __init__(self, server: FaultyServer, world: World, lines: "tuple[Line, ...]", seed: int) -> None:
        """`world`: whose posts are sent, in their order, as new ones."""
        self.gate = threading.Event()
        self.codes = Counter[tuple[str, str]]()
        """Calls by kind and code."""
        self.late = 0
        """Timelines that came after their deadline."""
        self.slowest_ms = 0.0
        self.wrong: deque[str] = deque(maxlen=20)
        """What no call may end with, as sentences."""
        self.viewers = list(server.viewers)
        self._server = server
        self._world = world
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._posts = self._newcomers = self._erased = 0
        self._pages: deque[tuple[str, feedrank.GetTimelineResponse]] = deque(maxlen=40)
        self._threads = [
            threading.Thread(
                target=self._run, args=(line, (seed, number)), name=f"load-{line.name}", daemon=True
            )
            for number, line in enumerate(lines)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(2 * _SLOW_S)

    @property
    def calls(self) -> Counter[str]:
        """Calls by kind."""
        with self._lock:
            made = Counter[str]()
            for (kind, _), count in self.codes.items():
                made[kind] += count
            return made

    def _run(self, line: "Line", seed: tuple[int, int]) -> None:
        rng = np.random.default_rng(seed)
        pace = 1 / sum(kind.rate for kind in line.kinds)
        shares = [kind.rate * pace for kind in line.kinds]
        due = time.monotonic()
        with feedrank.Client(line.address or self._server.address) as client:
            while not self._enough.wait(max(due - time.monotonic(), 0.0)):
                if self.gate.wait(0.1):
                    self._call(line, line.kinds[int(rng.choice(len(shares), p=shares))], client, rng)
                due = max(due + pace, time.monotonic() - pace)

    def _call(self, line: "Line", kind: Kind, client: feedrank.Client, rng: np.random.Generator) -> None:
        began, code, said = time.monotonic(), "OK", ""
        try:
            kind.act(self, client, rng)
        except feedrank.Error as error:
            code, said = error.code.name, str(error)
        except Exception as error:
            code, said = type(error).__name__, str(error)
        spent = time.monotonic() - began
        with self._lock:
            self.codes[kind.name, code] += 1
            if code not in TAKEN | line.also:
                self.wrong.append(f"{kind.name}: {code}, {said[:300]}")
            if kind.name == READ:
                self.late += code == "OK" and spent > DEADLINE_S
                self.slowest_ms = max(self.slowest_ms, 1000 * spent)

    # who, and what

    def viewer(self, rng: np.random.Generator) -> str:
        """One of the twenty, or somebody who came lately."""
        if rng.random() > _NEWCOMERS_SHARE or not self._newcomers:
            return str(rng.choice(self.viewers))
        return self._newcomer(int(rng.integers(max(self._newcomers - _PRESENT, 0), self._newcomers)))

    def come(self) -> str:
        """Somebody new."""
        with self._lock:
            self._newcomers += 1
            return self._newcomer(self._newcomers - 1)

    def leaver(self) -> str:
        """A newcomer who has been here for a while, and whom nobody calls after this."""
        with self._lock:
            self._erased = max(self._erased + 1, self._newcomers - 2 * _PRESENT + ERASED_AFTER)
            return self._newcomer(self._erased)

    def posts(self, rng: np.random.Generator) -> list[feedrank.Post]:
        """The next posts of the world, some of them by newcomers."""
        with self._lock:
            first, self._posts = self._posts, self._posts + POSTS_A_CALL
        return [self._post(number, rng) for number in range(first, first + POSTS_A_CALL)]

    def post_id(self, rng: np.random.Generator) -> str:
        """One of the newest."""
        return _new(f"p{int(rng.integers(max(self._posts - 500, 0), self._posts + 1)):06d}")

    def page(self, rng: np.random.Generator) -> "tuple[str, feedrank.GetTimelineResponse] | None":
        """One that was served lately."""
        pages = list(self._pages)
        return pages[int(rng.integers(len(pages)))] if pages else None

    def served(self, viewer: str, page: feedrank.GetTimelineResponse) -> None:
        """Remember a page: what it showed is what viewers act on."""
        if page.posts:
            self._pages.append((viewer, page))

    def _post(self, number: int, rng: np.random.Generator) -> feedrank.Post:
        post = self._world.post(f"p{number % self._world.post_count:06d}")
        for name in ("id", "reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id"):
            if other := getattr(post, name):
                setattr(post, name, _new(other))
        post.created_ms = 0
        if self._newcomers and rng.random() < _NEWCOMERS_SHARE:
            post.author_id = self._newcomer(self._newcomers - 1)
        return post

    @staticmethod
    def _newcomer(number: int) -> str:
        return f"newcomer{number}"


def _new(post_id: str) -> str:
    """Ids that the first history did not have."""
    return f"s{post_id[1:]}"


@dataclass(frozen=True)
class Line:
    """A thread of the load, with a connection of its own."""

    name: str
    kinds: tuple[Kind, ...]
    address: str = ""
    """Empty: the server's."""
    also: frozenset[str] = frozenset()
    """Codes that its calls may end with beside those that all may."""


def _timeline(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    viewer = load.viewer(rng)
    surface = t.Surface.ValueType(int(rng.choice([0, 0, 0, t.SURFACE_FOLLOWING, t.SURFACE_DISCOVER])))
    page = client.timeline(viewer, surface=surface, with_probabilities=rng.random() < 0.1, timeout=DEADLINE_S)
    load.served(viewer, page)


def _later_page(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """A later page of a session that was begun just now, so that it has not been pushed out."""
    viewer = load.viewer(rng)
    first = client.timeline(viewer, timeout=DEADLINE_S)
    if first.cursor:
        load.served(viewer, client.timeline(viewer, cursor=first.cursor, timeout=DEADLINE_S))


def _events(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    if events := _acts(load, rng):
        client.record_events(events, timeout=_WRITE_S).raise_if_rejected()


def _stream(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    if events := _acts(load, rng):
        client.stream_events(events, timeout=_WRITE_S)


def _slow_stream(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """One that is open for a second: it is likely to be cut."""
    events = _acts(load, rng)[:5]

    def slowly() -> Iterator[feedrank.Event]:
        for event in events:
            yield event
            time.sleep(0.2)

    if events:
        client.stream_events(slowly(), timeout=_WRITE_S)


def _acts(load: Load, rng: np.random.Generator) -> list[feedrank.Event]:
    """What viewers did with what they were shown."""
    events = list[feedrank.Event]()
    while len(events) < EVENTS_A_CALL and (shown := load.page(rng)):
        viewer, page = shown
        for post, kind in zip(page.posts, drawn_kinds(rng, len(page.posts)).tolist(), strict=True):
            event = feedrank.Event(
                viewer_id=viewer,
                post_id=post.post_id,
                kind=kind,
                request_id=page.request_id,
                position=post.position,
            )
            event.dwell_ms = 12_000 if kind == t.EVENT_KIND_DWELL else 0
            events.append(event)
    return events


def _posts(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.put_posts(load.posts(rng), timeout=_WRITE_S).raise_if_rejected()


def _generated(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """A post with a picture that was made by a machine, and says so."""
    post = load.posts(rng)[0]
    post.provenance = t.PROVENANCE_AI_GENERATED
    post.ClearField("repost_of_id")
    post.media.append(
        t.Media(
            kind=t.MEDIA_KIND_IMAGE, alt_text="A fox on moss", prompt="a red fox on moss", generator="loom-2"
        )
    )
    client.put_posts([post], timeout=_WRITE_S).raise_if_rejected()


def _delete(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.delete_posts([load.post_id(rng)], timeout=_WRITE_S)


def _newcomer(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """Somebody comes, and follows three."""
    name = load.come()
    client.put_users([feedrank.User(id=name, languages=["en"])], timeout=_WRITE_S)
    targets = rng.choice(load.viewers, 3, replace=False)
    rows = [feedrank.Relation(user_id=name, target_id=one, kind=t.RELATION_KIND_FOLLOW) for one in targets]
    client.put_relations(rows, timeout=_WRITE_S).raise_if_rejected()


def _relation(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """A follow, a mute or a block comes or goes; more go than come of the last two."""
    user, target = (str(one) for one in rng.choice(load.viewers, 2, replace=False))
    kind = t.RelationKind.ValueType(int(rng.choice([1, 1, 1, 2, 3])))
    gone = rng.random() < (0.4 if kind == t.RELATION_KIND_FOLLOW else 0.8)
    row = feedrank.Relation(user_id=user, target_id=target, kind=kind, remove=gone)
    client.put_relations([row], timeout=_WRITE_S).raise_if_rejected()


def _preferences(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    viewer = load.viewer(rng)
    words = [str(one) for one in rng.choice(["spoiler", "derby", "airdrop", "moss"], 2, replace=False)]
    level = t.AiLevel.ValueType(int(rng.integers(0, 3)))
    client.set_preferences(viewer, feedrank.Preferences(muted_words=words, ai_level=level), timeout=_WRITE_S)
    client.get_preferences(viewer, timeout=_WRITE_S)


def _rank(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    if shown := load.page(rng):
        client.rank_posts(load.viewer(rng), [one.post_id for one in shown[1].posts])


def _similar(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.similar_posts(load.post_id(rng), viewer_id=load.viewer(rng))


def _explain(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.explain_post(load.viewer(rng), load.post_id(rng))


def _status(_load: Load, client: feedrank.Client, _rng: np.random.Generator) -> None:
    client.status()
    client.list_models()


def _activate(_load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.activate_model(str(rng.choice(["first", "second"])))


def _erase(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    client.erase_user(load.leaver(), now=rng.random() < 0.3, timeout=_SLOW_S)


def _export(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    viewer, token = load.viewer(rng), ""
    while True:
        page = client.export_user(viewer, page_token=token, timeout=_SLOW_S)
        token = page.next_page_token
        if not token:
            return


def _abandoned(load: Load, client: feedrank.Client, rng: np.random.Generator) -> None:
    """One that nobody waits for."""
    client.timeline(load.viewer(rng), timeout=float(rng.uniform(0.001, 0.02)))


def lines(cut: str) -> tuple[Line, ...]:
    """The load's threads. `cut`: an address of the server whose connections are cut now and then."""
    reads = (Kind(READ, 5.0, _timeline), Kind(LATER, 1.0, _later_page))
    small = (
        Kind("relation", 0.5, _relation),
        Kind("newcomer", 1.0, _newcomer),
        Kind("preferences", 0.3, _preferences),
        Kind("delete", 0.3, _delete),
        Kind("generated", 0.4, _generated),
    )
    looks = (
        Kind("rank", 0.5, _rank),
        Kind("similar", 0.5, _similar),
        Kind("explain", 0.3, _explain),
        Kind("status", 0.2, _status),
        Kind("abandoned", 0.5, _abandoned),
        Kind("activate", 0.1, _activate),
    )
    broken = (Kind("cut-timeline", 2.0, _timeline), Kind("cut-stream", 1.0, _slow_stream))
    return (
        Line("reads-0", reads),
        Line("reads-1", reads),
        Line("events", (Kind("events", 2.0, _events), Kind("stream", 0.5, _stream))),
        Line("posts", (Kind("posts", 1.0, _posts),)),
        Line("small", small),
        Line("looks", looks),
        Line("privacy", (Kind("erase", 0.05, _erase), Kind("export", 0.05, _export))),
        Line("cut", broken, cut, frozenset({"CANCELLED", "UNKNOWN"})),
    )
