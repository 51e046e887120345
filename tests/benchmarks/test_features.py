from pathlib import Path

import numpy as np
import pytest

from benchmarks import features, sources
from ranker.features import GROUPS


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[features.Request]:
    folder: Path = tmp_path_factory.mktemp("network")
    town = sources.prepared(folder, posts=400, viewers=20, met=140, asking=2, seed=1)
    return list(features.asked(town, candidates=150, seed=1))


def test_viewers_with_a_full_history_ask_for_as_many_different_posts_as_are_wanted(
    requests: list[features.Request],
) -> None:
    for one in requests:
        assert len(np.unique(one.posts.slot)) == len(one.posts) == 150
        assert (len(one.query.history), len(one.query.disliked)) == (128, 12)
        assert 0 < one.query.reactions.sum() < 128


def test_every_group_has_its_figure_and_the_cosines_are_those_of_numpy(
    requests: list[features.Request],
) -> None:
    found = features.measure(requests, rounds=1)
    assert sum(key.startswith("group_") for key in found) == len(GROUPS)
    assert 0 < found["features_min_ms"] <= found["features_p50_ms"] <= found["features_p99_ms"]
    assert 0 < found["dots_max_difference"] < 2e-6
