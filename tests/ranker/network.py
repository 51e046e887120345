"""Networks without a server: made by hand, row by row, or drawn by the playground."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import controls_pb2, types_pb2
from numpy.typing import NDArray

from ranker import entries, features, query
from ranker.candidates import Candidates, View
from ranker.events import NUMBERS
from ranker.fold import Fold
from ranker.query import Ask, Query
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import State
from training.playground import World
from training.rows import Row

NOW = 1_795_305_600_000
HOUR = 3_600_000
DIMENSION = 8


def toward(axis: int, other: int = 0, share: float = 0.0) -> NDArray[np.float64]:
    """The unit vector of an axis, turned toward another by a share of the way: the cosine is 1 - share."""
    vector = np.zeros(DIMENSION)
    vector[axis] = 1 - share
    vector[other] += np.sqrt(1 - (1 - share) ** 2)
    return vector


class Town:
    """A state that grows by entries, all accepted at NOW. What happened is told by its age in hours."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.state = State(dimension)
        self.slices = Slices(dimension, SliceSettings(), lambda: self.state.posts.vector)
        self.view = View(self.state, self.slices)
        self._fold = Fold(self.state, self.slices)
        self._entries = 0

    def post(self, post_id: str, author: str = "ana", age_h: float = 1.0, **fields: Any) -> int:
        """Put a post; its slot."""
        made = types_pb2.Post(id=post_id, author_id=author, created_ms=round(NOW - age_h * HOUR), **fields)
        self.fold(entries.of_posts([made], NOW))
        return self.state.post_ids.slot(post_id)

    def posts(self, *post_ids: str, **fields: Any) -> None:
        """Put posts, each a little older than the one before."""
        for i, post_id in enumerate(post_ids):
            self.post(post_id, **{"age_h": 1 + i / 100, **fields})

    def did(self, viewer: str, kind: str, *post_ids: str, age_h: float = 0.5, **fields: Any) -> None:
        """Events of one viewer, one a post."""
        events = [
            types_pb2.Event(
                viewer_id=viewer,
                kind=NUMBERS[kind],  # type: ignore[arg-type]
                post_id=post_id,
                time_ms=round(NOW - age_h * HOUR),
                **{"dwell_ms": 20_000, **fields},
            )
            for post_id in post_ids
        ]
        self.fold(entries.of_events(events, NOW))

    def relate(self, user: str, kind: str, *targets: str) -> None:
        """Follow, block or mute."""
        number = types_pb2.RelationKind.Value(f"RELATION_KIND_{kind.upper()}")
        rows = [types_pb2.Relation(user_id=user, target_id=target, kind=number) for target in targets]
        self.fold(entries.of_relations(rows, NOW))

    def user(self, user_id: str, age_h: float = 24.0, **fields: Any) -> int:
        """Put a user; the slot."""
        row = types_pb2.User(id=user_id, created_ms=round(NOW - age_h * HOUR), **fields)
        self.fold(entries.of_users([row], NOW))
        return self.state.user_ids.slot(user_id)

    def prefer(self, viewer: str, **preferences: Any) -> None:
        """Set a viewer's preferences."""
        chosen = types_pb2.Preferences(**preferences)
        asked = controls_pb2.SetPreferencesRequest(viewer_id=viewer, preferences=chosen)
        self.fold(entries.of_preferences(asked, NOW))

    def served(self, viewer: str, *post_ids: str) -> None:
        """Posts were in an answer."""
        page = journal_pb2.ServedPage(viewer_id=viewer, post_ids=post_ids, time_ms=NOW)
        self.fold(entries.Entry(time_ms=NOW, served=journal_pb2.Served(pages=[page])))

    def delete(self, *post_ids: str) -> None:
        """Delete posts."""
        self.fold(entries.of_deletions(post_ids, NOW))

    def fold(self, entry: entries.Entry) -> None:
        """Apply an entry."""
        self._entries += 1
        self._fold.apply(f"{self._entries}-0", entry)

    def fold_rows(self, rows: Iterable[Row]) -> None:
        """Apply rows of a history, one entry each."""
        for row in rows:
            if isinstance(row, controls_pb2.SetPreferencesRequest):
                self.fold(entries.of_preferences(row, NOW))
            else:
                self.fold(entries.OF[type(row).DESCRIPTOR.name]([row], NOW))

    def query(self, viewer: str = "vera", **ask: Any) -> Query:
        """The query of a viewer at NOW."""
        return query.build(self.state, Ask(viewer, NOW, **ask))

    def candidates(self, *post_ids: str) -> Candidates:
        """These posts, or all."""
        names = post_ids or tuple(self.state.post_ids.names)
        return Candidates.of(self.state, self.state.post_ids.slots(names))

    def features(self, post_id: str, viewer: str = "vera") -> dict[str, float]:
        """One post's features for a viewer, by name."""
        row = features.compute(self.query(viewer), self.candidates(post_id))[0]
        return dict(zip(features.NAMES, row.tolist(), strict=True))

    def names(self, slots: Iterable[int]) -> list[str]:
        """The ids of posts."""
        return [self.state.post_ids.names[slot] for slot in slots]


@cache
def playground() -> Town:
    """A drawn network of 40 people and 400 posts, every tenth of them deleted. Tests only read it."""
    town = Town(16)
    world = World(authors=40, viewers=40, post_count=400, days=3, end_ms=NOW, vector_dimension=16)
    town.fold_rows(world.rows())
    town.post("film", media=[types_pb2.Media(kind=types_pb2.MEDIA_KIND_VIDEO)])
    town.post("helped", provenance=types_pb2.PROVENANCE_AI_ASSISTED)
    town.delete(*town.state.post_ids.names[::10])
    town.user("newcomer")
    return town


VIEWERS = ("annika_", "newcomer", "nobody")
"""One with a history, one without, and one who is not known."""
