"""Warm-up: every kernel compiled and every stage run once, on a tiny network, before the first request."""

import numpy as np
from feedrank.v1 import controls_pb2, types_pb2

from ranker import entries
from ranker.candidates import Candidates, View
from ranker.fold import Fold
from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.query import Ask, build
from ranker.settings import Settings
from ranker.slices import Slices
from ranker.state import State
from ranker.surfaces import SURFACES

_NOW_MS = 1_700_000_000_000


def touch_everything(dimension: int, settings: Settings) -> None:
    """Fold a few entries and rank every surface. Numba keeps what it compiled for the next start."""
    state = State(dimension, settings.state)
    slices = Slices(dimension, settings.slices, lambda: state.posts.vector)
    fold = Fold(state, slices)
    for number, entry in enumerate(_history(dimension)):
        fold.apply(f"{number + 1}-0", entry)
    for surface, pipeline in SURFACES.items():
        ask = Ask("viewer", _NOW_MS, surface=surface, community_id="town", near_id="p0", candidates=4)
        query = build(state, ask)
        pipeline.rank(query, View(state, slices), Prior(), 20, Trace())
        pipeline.score(query, Candidates.of(state, np.arange(2, dtype=np.int32)), Prior(), Trace())


def _history(dimension: int) -> list[entries.Entry]:
    rng = np.random.default_rng(0)
    posts = [
        types_pb2.Post(
            id=f"p{i}",
            author_id=f"author{i % 3}",
            text=f"words {i}",
            created_ms=_NOW_MS - i,
            community_id="town",
            topics=["topic"],
            vector=rng.standard_normal(dimension),
        )
        for i in range(12)
    ]
    events = [
        types_pb2.Event(viewer_id=viewer, kind=kind, post_id=f"p{i}")
        for i, kind in enumerate(
            (types_pb2.EVENT_KIND_IMPRESSION, types_pb2.EVENT_KIND_LIKE, types_pb2.EVENT_KIND_REQUEST_LESS)
        )
        for viewer in ("viewer", "friend")
    ]
    undo = types_pb2.Event(viewer_id="viewer", kind=types_pb2.EVENT_KIND_LIKE, post_id="p1", undo=True)
    follow = types_pb2.Relation(user_id="viewer", target_id="friend", kind=types_pb2.RELATION_KIND_FOLLOW)
    chosen = controls_pb2.SetPreferencesRequest(
        viewer_id="viewer", preferences=types_pb2.Preferences(muted_words=["nothing"])
    )
    return [
        entries.of_posts(posts, _NOW_MS),
        entries.of_relations([follow], _NOW_MS),
        entries.of_events([*events, undo], _NOW_MS),
        entries.of_preferences(chosen, _NOW_MS),
    ]


if __name__ == "__main__":  # the end of an installation: the first start need not compile
    default = Settings()
    touch_everything(default.embedder.dimension, default)
