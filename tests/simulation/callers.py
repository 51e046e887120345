"""What callers send: rows about few people and posts, so that they meet."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import admin_pb2, controls_pb2, ingest_pb2, types_pb2

from ranker import checks, entries
from ranker.event_columns import EventColumns
from ranker.events import NUMBERS
from ranker.journal import Entry
from tests.simulation.clock import NOW_MS

DIMENSION = 4
DAY_MS = 86_400_000
VIEWERS = [f"v{i}" for i in range(6)]
AUTHORS = [f"a{i}" for i in range(8)]
_TEXTS = ("", "Moss", "Fern and fir", "Das Café, spät.", "MOSS-green fern!", "A quiet kiln", "Fir")
MUTED = ("moss", "cafe", "fern and", "spat", "kiln", "green fern")
_VECTORS: tuple[list[float], ...] = ([0, 1, 0, 0], [0.6, 0, 0.8, 0], [-1, 0.5, 0, 2], [1, 1, 1, 1])
_ENGAGING = ("click", "dwell", "like", "reply", "repost", "share", "bookmark", "profile_click")
_RELATING = ("follow", "mute", "block")
POISON = (b"\xff\xffnot an entry", b"", Entry(time_ms=NOW_MS + 9).SerializeToString())


@dataclass
class Call:
    """One write of a caller, sent until it is answered, with the same ids each time."""

    number: int
    kind: str
    rows: Sequence[Any]
    tries: int = 0
    answered: bool = False
    due: int = 0
    """The step at which it arrives."""

    def entry(self, now_ms: int) -> Any:
        """What the edge makes of it: checked, and as an entry. All rows are good ones."""
        if self.kind == "events":
            columns = EventColumns.of_request(_request(self.rows))
            assert checks.sound(columns, now_ms).sum() + _doubtful(self.rows, now_ms) == len(self.rows)
            return entries.of_event_columns(columns, now_ms)
        if self.kind == "preferences":
            assert checks.problem_of(self.rows[0], now_ms=now_ms, dimension=DIMENSION) is None
            return entries.of_preferences(self.rows[0], now_ms)
        if self.kind == "deletions":
            return entries.of_deletions(self.rows, now_ms)
        if self.kind == "models":
            return _MODELS[self.rows[0]](now_ms)
        good, bad = checks.sift(self.rows, now_ms=now_ms, dimension=DIMENSION)
        assert not bad, bad
        return _OF[self.kind](good, now_ms)

    def is_in(self, payload: bytes) -> bool:
        """Whether an entry holds all of its rows, by the ids that were given to each."""
        entry = journal_pb2.Entry.FromString(payload)
        if self.kind == "posts":
            return [row.id for row in entry.posts.posts] == [row.id for row in self.rows]
        if self.kind == "events":
            return list(entry.events.event_ids) == [row.event_id for row in self.rows]
        if self.kind == "deletions":
            return list(entry.deleted_posts.post_ids) == list(self.rows)
        if self.kind == "relations":
            return list(entry.relations.relations) == list(self.rows)
        if self.kind == "users":
            return [row.id for row in entry.users.users] == [row.id for row in self.rows]
        if self.kind == "preferences":
            return bool(entry.preferences.preferences == self.rows[0].preferences)
        return entry.WhichOneof("change") is not None

    def __str__(self) -> str:
        return f"call {self.number}: {len(self.rows)} {self.kind}"


def _request(rows: Sequence[types_pb2.Event]) -> Any:
    return ingest_pb2.RecordEventsRequest(events=rows)


def _doubtful(rows: Sequence[types_pb2.Event], now_ms: int) -> int:
    """Events that the columns alone do not clear, and that are good."""
    columns = EventColumns.of_request(_request(rows))
    doubtful = [row for row, good in zip(rows, checks.sound(columns, now_ms), strict=True) if not good]
    return sum(checks.problem_of(row, now_ms=now_ms, dimension=None) is None for row in doubtful)


_OF: dict[str, Any] = {
    "posts": entries.of_posts,
    "users": entries.of_users,
    "relations": entries.of_relations,
}

_HALVES = [
    admin_pb2.ExperimentVariant(name=one, model_version="prior", share_basis_points=5_000) for one in "ab"
]
_MODELS: dict[str, Any] = {
    "activate": lambda now_ms: entries.of_active_model("prior", now_ms),
    "roll back": lambda now_ms: entries.of_rollback("prior", now_ms),
    "start": lambda now_ms: entries.of_experiment("halves", _HALVES, now_ms),
    "stop": lambda now_ms: entries.of_experiments_end("halves", now_ms),
}


@dataclass
class Callers:
    """Draws calls."""

    draw: random.Random
    post_ids: int
    """So many posts have ids of their own."""
    calls: int = 0
    events: int = 0
    waiting: list[Call] = field(default_factory=list)

    def next_call(self, now_ms: int) -> Call:
        """A new call."""
        self.calls += 1
        kind = self.draw.choices(
            ("posts", "events", "relations", "deletions", "preferences", "users", "models"),
            (8, 10, 4, 3, 2, 1, 0.5),
        )[0]
        rows = getattr(self, f"_{kind}")(now_ms)
        return Call(self.calls, kind, rows)

    def _person(self) -> str:
        return self.draw.choice(VIEWERS if self.draw.random() < 0.4 else AUTHORS)

    def post_id(self) -> str:
        return f"p{self.draw.randrange(self.post_ids)}"

    def _posts(self, now_ms: int) -> list[types_pb2.Post]:
        return [self._post(now_ms) for _ in range(self.draw.randint(1, 10))]

    def _post(self, now_ms: int) -> types_pb2.Post:
        draw = self.draw
        name = self.post_id()
        row = types_pb2.Post(id=name, author_id=self._person(), text=draw.choice(_TEXTS))
        row.created_ms = draw.choice(
            (0, now_ms - draw.randrange(3 * DAY_MS), now_ms + draw.randrange(60_000))
        )
        row.language = draw.choice(("", "en", "de"))
        row.community_id = draw.choice(("", "garden"))
        row.provenance = draw.choice((0, 0, 1, 2, 3))  # type: ignore[assignment]
        row.topics.extend(draw.sample(["moss", "fern", "fir"], draw.randrange(3)))
        if draw.random() < 0.1:
            row.safety_labels.append("gore")
        if draw.random() < 0.15:
            row.media.add(kind=1, alt_text=draw.choice(_TEXTS))
        if draw.random() < 0.5:
            row.vector.extend(draw.choice(_VECTORS))
        parent = self.post_id()
        if draw.random() < 0.3 and parent != name:
            form = draw.choice(("reply_to_id", "repost_of_id", "quote_of_id"))
            setattr(row, form, parent)
            if form == "repost_of_id":
                row.text = ""
        return row

    def _events(self, now_ms: int) -> list[types_pb2.Event]:
        few = [self._event(now_ms) for _ in range(self.draw.randint(1, 12))]
        if self.draw.random() < 0.2:
            few.append(self.draw.choice(few))  # twice in one batch
        return few

    def _event(self, now_ms: int) -> types_pb2.Event:
        draw = self.draw
        self.events += 1
        kinds = draw.choices((("impression",), _ENGAGING, _RELATING, ("hide", "report")), (4, 6, 1, 1))[0]
        kind = draw.choice(kinds)
        row = types_pb2.Event(viewer_id=draw.choice(VIEWERS), kind=NUMBERS[kind])  # type: ignore[arg-type]
        row.event_id = f"e{self.events}" if draw.random() < 0.9 else ""
        if kind in _RELATING and draw.random() < 0.5:
            row.author_id = draw.choice(AUTHORS)
        else:
            row.post_id = self.post_id()
        if kind == "dwell":
            row.dwell_ms = draw.choice((500, 20_000))
        row.undo = draw.random() < 0.25
        row.time_ms = draw.choice((0, now_ms - draw.randrange(DAY_MS), now_ms + draw.randrange(60_000)))
        return row

    def _relations(self, _: int) -> list[types_pb2.Relation]:
        rows = []
        for _ in range(self.draw.randint(1, 4)):
            user, target = self.draw.choice(VIEWERS), self.draw.choice(AUTHORS)
            if self.draw.random() < 0.2:
                user, target = target, user
            row = types_pb2.Relation(user_id=user, target_id=target, remove=self.draw.random() < 0.3)
            row.kind = self.draw.choice((1, 1, 2, 3))  # type: ignore[assignment]
            rows.append(row)
        return rows

    def _deletions(self, _: int) -> list[str]:
        return [self.post_id() for _ in range(self.draw.randint(1, 3))]

    def _users(self, _: int) -> list[types_pb2.User]:
        return [types_pb2.User(id=self._person(), languages=["en"], community_ids=["garden"])]

    def _preferences(self, _: int) -> list[controls_pb2.SetPreferencesRequest]:
        draw = self.draw
        chosen = types_pb2.Preferences(
            muted_words=draw.sample(MUTED, draw.randrange(3)),
            languages=draw.choice(([], [], ["en"])),
            ai_level=draw.choice((0, 0, 2, 4)),  # type: ignore[arg-type]
            hidden_safety_labels=draw.choice(([], ["gore"])),
            show_own_posts=draw.random() < 0.3,
            topics_less=draw.choice(([], ["fir"])),
        )
        return [controls_pb2.SetPreferencesRequest(viewer_id=draw.choice(VIEWERS), preferences=chosen)]

    def _models(self, _: int) -> list[str]:
        return [self.draw.choice(list(_MODELS))]
