"""Warm-up: every kernel compiled and every stage run once, on a tiny network, before the first request.

Numba compiles a kernel again for arrays of another layout, and a part of an array is contiguous where it is
empty or one long. So there are viewers who did nothing, one thing and several, and one candidate and several.
"""

from typing import Any

import numpy as np
from feedrank.v1 import controls_pb2, types_pb2

from ranker import checks, entries, features, heads
from ranker.bundle import HeadFacts, Model
from ranker.candidates import Candidates, View
from ranker.event_columns import EventColumns
from ranker.fold import Fold
from ranker.pipeline import Trace
from ranker.prior import Prior
from ranker.query import Ask, build
from ranker.settings import Settings
from ranker.slices import Slices
from ranker.state import State
from ranker.state.ids import Ids
from ranker.surfaces import SURFACES
from ranker.trees import Forest, Missing, no_categories

_NOW_MS = 1_700_000_000_000


def touch_everything(dimension: int, settings: Settings) -> None:
    """Fold a few entries and rank every surface. Numba keeps what it compiled for the next start."""
    state = State(dimension, settings.state)
    slices = Slices(dimension, settings.slices, lambda: state.posts.vector)
    fold = Fold(state, slices)
    for number, entry in enumerate(_history(dimension)):
        fold.apply(f"{number + 1}-0", entry)
        checks.sound(EventColumns.of_change(entry.events), _NOW_MS)
    for viewer in ("nobody", "friend", "viewer"):
        for surface, pipeline in SURFACES.items():
            ask = Ask(viewer, _NOW_MS, surface=surface, community_id="town", near_id="p0", candidates=4)
            query = build(state, ask)
            pipeline.rank(query, View(state, slices), Prior(), 20, Trace())
            for candidates in (1, 2):
                posts = Candidates.of(state, np.arange(candidates, dtype=np.int32))
                pipeline.score(query, posts, Prior(), Trace())
    _stump().predict(np.zeros((2, len(features.NAMES)), np.float32))
    _touch_what_is_kept(state)


def _touch_what_is_kept(state: State) -> None:
    """What a snapshot reads and a start takes over, ids that outgrow their table, and those of an answer,
    and rings of several rows."""
    arrays = {name: np.array(array) for name, array in state.arrays()}
    State(state.dimension, state.settings).load(arrays, state.facts)
    Ids([str(number) for number in range(100)]).texts(np.arange(2, dtype=np.int32))
    np.sort(state.posts.engagers[np.arange(2, dtype=np.int32)])


def _stump() -> Model:
    """One tree of two leaves, as a bundle would bring it."""
    without: dict[str, Any] = no_categories(1)
    forest = Forest(
        heads=heads.NAMES[:1],
        head_trees=np.array([0, 1], np.int32),
        tree_nodes=np.array([0, 1], np.int32),
        feature=np.array([0], np.int32),
        threshold=np.array([0.5]),
        left=np.array([-1], np.int32),
        right=np.array([-2], np.int32),
        default_left=np.array([True]),
        missing=np.array([Missing.NAN], np.uint8),
        leaf_value=np.array([-1.0, 2.0]),
        **without,
    )
    facts = (HeadFacts(name=heads.NAMES[0], examples=1, positives=1),)
    return Model(forest, facts, None, len(features.NAMES), heads.NAMES)


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
    kinds = (types_pb2.EVENT_KIND_IMPRESSION, types_pb2.EVENT_KIND_LIKE, types_pb2.EVENT_KIND_REQUEST_LESS)
    events = [
        types_pb2.Event(viewer_id=viewer, kind=kind, post_id=f"p{3 * i + at}")
        for i, kind in enumerate(kinds)
        for viewer, count in (("viewer", 3), ("friend", 1))
        for at in range(count)
    ]
    undo = types_pb2.Event(viewer_id="viewer", kind=types_pb2.EVENT_KIND_LIKE, post_id="p5", undo=True)
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
