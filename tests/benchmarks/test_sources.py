from pathlib import Path

import pytest

from benchmarks import sources
from ranker.surfaces import FOR_YOU


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> sources.Network:
    folder: Path = tmp_path_factory.mktemp("network")
    return sources.prepared(folder, posts=400, viewers=20, met=30, asking=3, seed=1)


def test_every_asking_viewer_has_met_as_many_as_asked_for(town: sources.Network) -> None:
    slots = town.state.user_ids.slots(town.viewer_ids)
    assert len(slots) == 3
    assert town.state.users.seen_count[slots].min() >= 30
    assert town.state.users.liked_count[slots].min() >= 3


def test_every_source_and_filter_has_its_figures_beside_the_stages(town: sources.Network) -> None:
    found = sources.measure(town, rounds=1)
    names = {f"source_{name}" for name in FOR_YOU.names}
    names |= {f"filter_{one.__name__}" for one in (*FOR_YOU.filters, *FOR_YOU.once)}
    names |= {"query", "sources", "filters_and_selection", "page"}
    assert {f"{name}_{word}_ms" for name in names for word in ("p50", "p99")} <= set(found)
    assert found["sources_p50_ms"] < found["page_p50_ms"]
