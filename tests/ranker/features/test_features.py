"""What every feature group keeps to; a new one in ranker.features.GROUPS inherits these tests."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ranker import features
from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group
from ranker.query import Query
from tests.ranker.network import VIEWERS, Town, playground

UNITS = {"1", "count", "log", "cos", "h", "d"}

every_group = pytest.mark.parametrize(
    "group", features.GROUPS, ids=[group.features[0].name for group in features.GROUPS]
)
every_viewer = pytest.mark.parametrize("viewer", VIEWERS)


UNWRITTEN = np.float32(-12345.5)


def table(group: Group, query: Query, posts: Candidates) -> NDArray[np.float32]:
    """A group's columns as rows, as `features.compute` has them written."""
    rows = np.full((len(posts), len(group.features) + 2), UNWRITTEN, np.float32)
    group.fill(query, posts, rows[:, 1:-1])
    assert (rows[:, [0, -1]] == UNWRITTEN).all()
    return rows[:, 1:-1]


@every_group
@every_viewer
def test_it_writes_all_the_columns_that_it_declares(group: Group, viewer: str) -> None:
    town = playground()
    assert not (table(group, town.query(viewer), town.candidates()) == UNWRITTEN).any()


@every_group
@every_viewer
def test_a_value_is_finite_or_not_known(group: Group, viewer: str) -> None:
    town = playground()
    assert not np.isinf(table(group, town.query(viewer), town.candidates())).any()


@every_group
@every_viewer
def test_a_candidate_alone_has_the_same_row_as_among_others_bit_for_bit(group: Group, viewer: str) -> None:
    town = playground()
    query, posts = town.query(viewer), town.candidates()
    together = table(group, query, posts)
    for row in range(0, len(posts), 7):
        alone = table(group, query, posts[np.array([row])])
        assert alone.tobytes() == together[[row]].tobytes()


@every_group
def test_the_order_of_the_candidates_does_not_matter(group: Group) -> None:
    town = playground()
    query, posts = town.query(VIEWERS[0]), town.candidates()
    backward = table(group, query, posts[::-1])
    assert backward[::-1].tobytes() == table(group, query, posts).tobytes()


@every_group
@every_viewer
def test_it_takes_no_posts_at_all(group: Group, viewer: str) -> None:
    town = playground()
    assert table(group, town.query(viewer), town.candidates()[:0]).shape == (0, len(group.features))


@every_group
def test_a_post_with_nothing_but_its_author_has_a_row(group: Group) -> None:
    town = Town()
    town.post("bare")
    assert not np.isinf(table(group, town.query("nobody"), town.candidates())).any()


@every_group
def test_it_changes_nothing(group: Group) -> None:
    town = playground()
    before = town.state.fingerprint()
    table(group, town.query(VIEWERS[0]), town.candidates())
    assert town.state.fingerprint() == before


@pytest.mark.parametrize("feature", features.FEATURES, ids=features.NAMES)
def test_a_feature_has_a_meaning_and_a_known_unit(feature: Feature) -> None:
    assert len(feature.meaning) > 8
    assert feature.unit in UNITS


def test_names_are_unique() -> None:
    assert len(set(features.NAMES)) == len(features.NAMES)


def test_every_feature_differs_between_some_posts_or_viewers() -> None:
    town = playground()
    people = town.state.user_ids.names[:40]
    rows = np.concatenate([features.compute(town.query(one), town.candidates()) for one in people])
    constant = [
        name for name, values in zip(features.NAMES, rows.T, strict=True) if len(np.unique(values)) < 2
    ]
    # All ask on one surface, at one moment.
    assert set(constant) <= {"surface", "hour", "weekday"}


@every_viewer
def test_what_is_declared_in_logarithms_is_ln_1_plus_the_count_that_the_group_writes(viewer: str) -> None:
    town = playground()
    query, posts = town.query(viewer), town.candidates()
    counts = np.hstack([table(group, query, posts) for group in features.GROUPS])
    logged = [feature.unit == "log" for feature in features.FEATURES]
    rows = features.compute(query, posts)
    np.testing.assert_allclose(rows[:, logged], np.log1p(counts[:, logged]), 1e-6, atol=1e-15)
    np.testing.assert_array_equal(rows[:, np.invert(logged)], counts[:, np.invert(logged)])
