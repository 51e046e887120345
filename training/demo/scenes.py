"""Scenes: what the demo plays with, and the words for it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feedrank.v1 import types_pb2 as t

from ranker.errors import InvalidArgument
from ranker.heads import DAY_MS
from training import importers
from training.playground import World
from training.rows import Row, span, until

_FILMS = 600  # those shown most often
_LISTS = 4_000  # of films, the last ones
_DAYS = 7.0


@dataclass(frozen=True)
class Scene:
    """A history and how to speak of it."""

    about: str
    rows: list[Row]
    thing: str
    things: str
    liked: str  # what a viewer did in the past, as in "ada liked"
    by: str  # what stands before an author's name
    head: str = "like"  # the wanted action that is told of, as ranker.heads names it
    name_of: Callable[[str], str] = lambda user: user
    """What to call a user."""


def at(path: Path | None) -> Scene:
    """The scene of a data set, or the playground."""
    now_ms = int(time.time() * 1000)
    if path is None:
        return _playground(now_ms)
    kind = importers.detect(path)
    scene = {"polis": _polis, "ranklens": _ranklens}.get(kind, _yours)(path, now_ms)
    if not any(isinstance(row, t.Event) for row in scene.rows):
        raise InvalidArgument("path", f"{path} has posts but nobody who read them: the demo needs a viewer")
    return scene


def _playground(now_ms: int) -> Scene:
    world = World(authors=120, viewers=120, post_count=900, days=3, pages_a_day=2)
    return Scene(
        about="A small network, made up by a simulation: 120 people who write, follow and like in seven "
        "languages. The people and their posts are invented, the ranking is not.",
        rows=list(until(world.rows(), now_ms)),
        thing="post",
        things="posts",
        liked="liked",
        by="",
    )


def _polis(path: Path, now_ms: int) -> Scene:
    """The liveliest conversation alone: people vote within one, never across."""
    everything = list(importers.read(path))
    votes = Counter(row.post_id.partition("/")[0] for row in everything if isinstance(row, t.Event))
    chosen = votes.most_common(1)[0][0]
    rows = [row for row in everything if _conversation(row) == chosen]
    people = len({row.viewer_id for row in rows if isinstance(row, t.Event)})
    others = len(votes) - 1
    left_out = f" {others} other conversations of this data set are left out." if others else ""
    return Scene(
        about=f"A real public conversation on {chosen.replace('-', ' ')}: {people} people wrote statements "
        "and voted on each other's. To agree counts as a like, to disagree as “show less like this”. It "
        f"lasted for weeks; here its time is squeezed into {_DAYS:.0f} days that end now.{left_out}",
        rows=_squeezed(rows, now_ms),
        thing="statement",
        things="statements",
        liked="agreed with",
        by="",
        name_of=lambda user: f"participant {user.rpartition('/p')[2]}",
    )


def _conversation(row: Row) -> str:
    if isinstance(row, t.Event):
        return row.post_id.partition("/")[0]
    return row.community_id if isinstance(row, t.Post) else ""


def _ranklens(path: Path, now_ms: int) -> Scene:
    """All films, and the last lists that were shown to people."""
    everything = list(importers.read(path))
    events = [row for row in everything if isinstance(row, t.Event)]
    lists = list(dict.fromkeys(event.request_id for event in events))
    kept, known = set(lists[-_LISTS:]), _most_shown(events)
    films = [row for row in everything if isinstance(row, t.Post) and row.id in known]
    rows = films + [event for event in events if event.request_id in kept and event.post_id in known]
    return Scene(
        about="Real people's taste in films: they were shown lists of 24 and marked what they like. A film "
        "stands for a post, its director for the author, a mark for a click. To be quick, only the "
        f"{len(films):,} films shown most often and the last {len(kept):,} of {len(lists):,} lists are used.",
        rows=list(until(rows, now_ms)),
        thing="film",
        things="films",
        liked="marked",
        by="by ",
        head="click",
        name_of=lambda user: (
            user.removeprefix("director:").title() if user.startswith("director:") else f"viewer {user[:6]}"
        ),
    )


def _most_shown(events: list[t.Event]) -> set[str]:
    shown = Counter(event.post_id for event in events if event.kind == t.EVENT_KIND_IMPRESSION)
    return {film for film, _ in shown.most_common(_FILMS)}


def _yours(path: Path, now_ms: int) -> Scene:
    return Scene(
        about=f"Your data: {path}. All times are moved so that the newest is now.",
        rows=list(until(importers.read(path), now_ms)),
        thing="post",
        things="posts",
        liked="liked",
        by="",
    )


def _squeezed(rows: list[Row], now_ms: int) -> list[Row]:
    """The rows with their times brought into the last days, in their order."""
    first, last = span(rows)
    pace = min(1.0, _DAYS * DAY_MS / max(last - first, 1))
    for row in rows:
        if isinstance(row, t.Event):
            row.time_ms = now_ms - int((last - row.time_ms) * pace)
        elif isinstance(row, t.Post):
            row.created_ms = now_ms - int((last - row.created_ms) * pace)
    return rows
