"""What every filter keeps to; a new one inherits these tests by its name in ranker.filters."""

import re

import numpy as np
import pytest

from ranker import filters
from ranker.pipeline import Filter
from ranker.surfaces import CALLER, FOLLOWING_NEWEST, SURFACES
from tests.ranker.network import VIEWERS, Town, playground

FILTERS = [getattr(filters, name) for name in filters.__all__]

every_filter = pytest.mark.parametrize("remove", FILTERS, ids=filters.__all__)
every_viewer = pytest.mark.parametrize("viewer", VIEWERS)


@every_filter
@every_viewer
def test_it_gives_one_bool_a_post(remove: Filter, viewer: str) -> None:
    town = playground()
    mask = remove(town.query(viewer), town.candidates())
    assert mask.dtype == np.bool_
    assert mask.shape == (town.state.posts.size,)


@every_filter
@pytest.mark.parametrize("town", [playground(), Town()], ids=["full", "empty"])
def test_it_takes_no_posts_at_all(remove: Filter, town: Town) -> None:
    posts = town.candidates()[:0]
    assert remove(town.query("annika_"), posts).shape == (0,)


@every_filter
@every_viewer
def test_it_answers_the_same_twice_and_changes_nothing(remove: Filter, viewer: str) -> None:
    town = playground()
    query, posts, before = town.query(viewer), town.candidates(), town.state.fingerprint()
    assert np.array_equal(remove(query, posts), remove(query, posts))
    assert town.state.fingerprint() == before


@every_filter
def test_a_stranger_without_wishes_loses_nothing_that_is_whole_and_new(remove: Filter) -> None:
    town = Town()
    town.post("a", text="hello", language="en")
    query = town.query("nobody", community_id="kitchen")
    expected = remove is filters.other_community
    assert remove(query, town.candidates()).tolist() == [expected]


@every_filter
def test_its_first_line_is_a_sentence_that_says_what_it_removes(remove: Filter) -> None:
    first = (remove.__doc__ or "").partition("\n")[0]
    assert re.fullmatch(r"[A-Z].*\w\.", first)


def test_every_filter_is_on_some_surface() -> None:
    surfaces = (*SURFACES.values(), CALLER, FOLLOWING_NEWEST)
    used = {one.__name__ for pipeline in surfaces for one in (*pipeline.filters, *pipeline.once)}
    assert used == set(filters.__all__)


@pytest.mark.parametrize("pipeline", [*SURFACES.values(), CALLER], ids=[*map(str, SURFACES), "caller"])
def test_no_surface_shows_what_must_never_be_shown(pipeline: object) -> None:
    always = {filters.deleted, filters.blocked_author, filters.muted_author, filters.hidden}
    assert always <= set(pipeline.filters)  # type: ignore[attr-defined]
