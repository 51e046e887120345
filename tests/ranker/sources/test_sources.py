"""What every source keeps to; a new one inherits these tests by its name in ranker.sources."""

import numpy as np
import pytest
from feedrank.v1 import types_pb2

from ranker import reasons, sources
from ranker.candidates import Found
from ranker.pipeline import Finder
from tests.ranker.network import VIEWERS, Town, playground

FINDERS = [getattr(sources, name) for name in sources.__all__]
WHERE = {"community_id": "kitchen", "near_id": "p000001"}

every_source = pytest.mark.parametrize("find", FINDERS, ids=sources.__all__)
every_viewer = pytest.mark.parametrize("viewer", VIEWERS)


def found(find: Finder, town: Town, viewer: str, limit: int = 30) -> Found:
    communities = [*town.state.community_ids.names, "kitchen"]
    ask = {**WHERE, "community_id": communities[0]}
    return find(town.query(viewer, **ask), town.view, limit)


@every_source
@every_viewer
def test_it_brings_real_posts_each_once(find: Finder, viewer: str) -> None:
    town = playground()
    slots = found(find, town, viewer).slot
    assert ((slots >= 0) & (slots < town.state.posts.size)).all()
    assert len(np.unique(slots)) == len(slots)


@every_source
@every_viewer
@pytest.mark.parametrize("limit", [1, 7])
def test_it_brings_no_more_than_its_limit(find: Finder, viewer: str, limit: int) -> None:
    assert len(found(find, playground(), viewer, limit).slot) <= limit


@every_source
@every_viewer
def test_every_post_has_a_score_that_is_a_number(find: Finder, viewer: str) -> None:
    slots, scores = found(find, playground(), viewer)
    assert slots.dtype == np.int32
    assert scores.dtype == np.float32
    assert scores.shape == slots.shape
    assert np.isfinite(scores).all()


@every_source
def test_it_brings_something_for_one_with_a_history(find: Finder) -> None:
    assert len(found(find, playground(), VIEWERS[0]).slot) > 0


@every_source
def test_it_brings_nothing_from_an_empty_state(find: Finder) -> None:
    assert len(found(find, Town(), "nobody").slot) == 0


@every_source
def test_posts_that_were_deleted_do_not_stop_it(find: Finder) -> None:
    town = Town()
    town.posts("a", "b", "c", vector=np.ones(8), language="en", community_id="kitchen")
    town.relate("vera", "follow", "ana", "ben")
    for viewer in ("vera", "ben"):
        town.did(viewer, "like", "a", "b", "c")
    town.delete("a", "b", "c")
    assert len(found(find, town, "vera").slot) <= 3


@every_source
@every_viewer
def test_it_answers_the_same_twice_and_changes_nothing(find: Finder, viewer: str) -> None:
    town = playground()
    before = town.state.fingerprint()
    first, second = (found(find, town, viewer) for _ in range(2))
    assert np.array_equal(first.slot, second.slot)
    assert np.array_equal(first.score, second.score)
    assert town.state.fingerprint() == before


@every_source
def test_what_it_brings_has_a_reason(find: Finder) -> None:
    town = playground()
    query = town.query(VIEWERS[0], community_id=town.state.community_ids.names[0], near_id="p000001")
    for slot in found(find, town, VIEWERS[0]).slot.tolist():
        reason = reasons.reason(town.state, query, find.__name__, slot)
        assert reason.text.endswith(".")
        assert set(reason.post_ids) <= set(town.state.post_ids.names)
        assert set(reason.user_ids) <= set(town.state.user_ids.names)


def test_every_surface_that_retrieves_has_a_source_of_this_list() -> None:
    from ranker.surfaces import SURFACES

    used = {source.name for pipeline in SURFACES.values() for source in pipeline.sources}
    assert used == set(sources.__all__)
    assert set(SURFACES) == set(types_pb2.Surface.values()) - {types_pb2.SURFACE_UNSPECIFIED}
