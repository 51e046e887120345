"""Random histories: entries of all kinds about few posts and people, so that they meet."""

import random
from collections.abc import Iterator

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import controls_pb2, types_pb2
from feedrank.v1.admin_pb2 import ExperimentVariant
from structlog.testing import capture_logs

from ranker import entries
from ranker.events import KINDS
from ranker.fold import Fold
from ranker.follower import Follower
from ranker.journal import Entry, Journal, Record
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State, StateSettings
from ranker.state.departed import digest_of
from ranker.state.recent_ids import hash_of

NOW = 1_795_305_600_000
DAY_MS = 86_400_000
DIMENSION = 4
FEW = StateSettings(max_posts=20, max_users=16)
"""So few that posts and people leave in most histories."""
MANY = StateSettings()

_PEOPLE = [f"u{i}" for i in range(24)]
_POSTS = [f"p{i}" for i in range(30)]
_TEXTS = ["", "Moss", "Fern and fir", "Ein Pilz"]
_VECTORS: tuple[list[float], ...] = ([], [0, 1, 0, 0], [0.6, 0, 0.8, 0], [-1, 0.5, 0, 2])
_POISON = (
    b"\xff\xffnot an entry",
    b"",
    Entry(time_ms=NOW + 9).SerializeToString(),
    Entry(
        time_ms=NOW, vectors=journal_pb2.Vectors(post_ids=["p1"], text_hashes=[1], float16=b"123")
    ).SerializeToString(),
)


class Ear:
    """A follower whose records come by hand, with its state and index."""

    def __init__(self, settings: StateSettings = MANY) -> None:
        self.state = State(DIMENSION, settings)
        self.slices = Slices(DIMENSION, SliceSettings(), lambda: self.state.posts.vector)
        self._follower = Follower(Journal.connect("unix:///nowhere"), Fold(self.state, self.slices))

    def hear(self, records: list[Record]) -> "Ear":
        with capture_logs():  # what can't be read is logged at length
            for record in records:
                self._follower.apply(record)
        return self

    @property
    def poison(self) -> int:
        return self._follower.poison_count


def records(seed: int, count: int) -> list[Record]:
    """A history of `count` records; a shorter one is the beginning of a longer one."""
    draw = random.Random(seed)
    return [(f"{number + 1}-0", _payload(draw)) for number in range(count)]


def history(seed: int, count: int, *, erasing: bool = True) -> list[Entry]:
    """The same without what can't be read, and without erasures where a redacted archive would not do."""
    entries = [Entry.FromString(payload) for _, payload in records(seed, count) if payload not in _POISON]
    return [one for one in entries if erasing or not one.HasField("erased_user")]


def one_by_one(entry: Entry) -> Iterator[Entry]:
    """An entry's rows as entries of one row each, accepted at the same time."""
    change = entry.WhichOneof("change")
    assert change
    fields = [field.name for field in getattr(entry, change).DESCRIPTOR.fields]
    if change in ("posts", "deleted_posts", "users", "relations", "events", "served"):
        columns = {name: list(getattr(getattr(entry, change), name)) for name in fields}
        for row in range(len(next(iter(columns.values())))):
            one = Entry(time_ms=entry.time_ms)
            getattr(one, change).SetInParent()
            for name, values in columns.items():
                getattr(getattr(one, change), name).extend(values[row : row + 1])
            yield one
    else:
        yield entry


def _payload(draw: random.Random) -> bytes:
    if draw.random() < 0.04:
        return draw.choice(_POISON)
    often = (_posts, _relations, _events) * 3
    make = draw.choice((*often, _deletions, _users, _preferences, _vectors, _served, _models, _erasures))
    # The clock that accepts writes may be set back.
    return make(draw, NOW + draw.randrange(-DAY_MS, DAY_MS)).SerializeToString()


def _posts(draw: random.Random, time_ms: int) -> Entry:
    rows = [
        types_pb2.Post(
            id=draw.choice(_POSTS),
            author_id=draw.choice(_PEOPLE),
            text=draw.choice(_TEXTS),
            language=draw.choice(["", "en", "de-AT"]),
            created_ms=draw.choice([0, NOW - draw.randrange(DAY_MS)]),
            community_id=draw.choice(["", "garden", "forest"]),
            topics=draw.sample(["moss", "Fern", "fir"], draw.randrange(3)),
            vector=draw.choice(_VECTORS),
            **{draw.choice(["reply_to_id", "repost_of_id", "quote_of_id"]): draw.choice(["", *_POSTS])},  # type: ignore[arg-type]
        )
        for _ in range(draw.randrange(1, 6))
    ]
    return entries.of_posts(rows, time_ms)


def _deletions(draw: random.Random, time_ms: int) -> Entry:
    return entries.of_deletions(draw.choices(_POSTS, k=draw.randrange(1, 4)), time_ms)


def _users(draw: random.Random, time_ms: int) -> Entry:
    rows = [
        types_pb2.User(
            id=draw.choice(_PEOPLE), languages=draw.choice([[], ["en", "fr"]]), community_ids=["garden"]
        )
        for _ in range(draw.randrange(1, 4))
    ]
    return entries.of_users(rows, time_ms)


def _relations(draw: random.Random, time_ms: int) -> Entry:
    rows = []
    for _ in range(draw.randrange(1, 6)):
        user, target = draw.sample(_PEOPLE, 2)
        kind, remove = draw.randrange(1, 4), draw.random() < 0.3
        rows.append(types_pb2.Relation(user_id=user, target_id=target, kind=kind, remove=remove))  # type: ignore[arg-type]
    return entries.of_relations(rows, time_ms)


def _events(draw: random.Random, time_ms: int) -> Entry:
    rows = []
    for _ in range(draw.randrange(1, 12)):
        kind = draw.choice(list(KINDS))
        rows.append(
            types_pb2.Event(
                event_id=draw.choice(["", f"e{draw.randrange(200)}"]),
                viewer_id=draw.choice(_PEOPLE[:8]),
                kind=kind,  # type: ignore[arg-type]
                post_id=draw.choice(["", *_POSTS]),
                author_id=draw.choice(["", *_PEOPLE]),
                time_ms=draw.choice([0, time_ms - draw.randrange(9 * DAY_MS), time_ms + DAY_MS]),
                dwell_ms=draw.choice([5_000, 20_000]) if kind == types_pb2.EVENT_KIND_DWELL else 0,
                undo=draw.random() < 0.3,
            )
        )
    return entries.of_events(rows, time_ms)


def _preferences(draw: random.Random, time_ms: int) -> Entry:
    chosen = types_pb2.Preferences(topics_more=draw.choice([[], ["Moss", "lichen"]]))
    request = controls_pb2.SetPreferencesRequest(viewer_id=draw.choice(_PEOPLE), preferences=chosen)
    return entries.of_preferences(request, time_ms)


def _vectors(draw: random.Random, time_ms: int) -> Entry:
    """Each post once, as the vectorizer asks for them; some texts are not theirs any more."""
    posts = draw.sample(_POSTS, 12)
    rows = np.array([_VECTORS[draw.randrange(1, 4)] for _ in posts])
    made = journal_pb2.Vectors(
        post_ids=posts,
        text_hashes=[hash_of(draw.choice(_TEXTS[1:])) for _ in posts],
        float16=(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f2").tobytes(),
    )
    return Entry(time_ms=time_ms, vectors=made)


def _served(draw: random.Random, time_ms: int) -> Entry:
    pages = [
        journal_pb2.ServedPage(
            viewer_id=draw.choice(_PEOPLE), post_ids=draw.sample(_POSTS, 5), time_ms=time_ms
        )
        for _ in range(draw.randrange(1, 3))
    ]
    return Entry(time_ms=time_ms, served=journal_pb2.Served(pages=pages))


def _erasures(draw: random.Random, time_ms: int) -> Entry:
    """The key is drawn too: equal histories are equal bit for bit."""
    name, key = draw.choice(_PEOPLE), draw.randbytes(8)
    erased = journal_pb2.ErasedUser(user_id=name, key=key, digest=digest_of(name, key))
    return Entry(time_ms=time_ms, erased_user=erased)


def _models(draw: random.Random, time_ms: int) -> Entry:
    version = draw.choice(["prior", "m1", "m2"])
    halves = [
        ExperimentVariant(name=one, model_version=one, share_basis_points=5_000) for one in ("m1", "m2")
    ]
    return draw.choice(
        (
            entries.of_active_model(version, time_ms),
            entries.of_rollback(version, time_ms),
            entries.of_shadow_model(draw.choice(["", version]), time_ms),
            entries.of_experiment(version, halves, time_ms),
            entries.of_experiments_end(version, time_ms),
        )
    )
