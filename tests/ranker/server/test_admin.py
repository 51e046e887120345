"""Status and models, while the server serves."""

import threading
from pathlib import Path

import feedrank
import lightgbm
import numpy as np
import pytest

from ranker import features
from ranker.bundle import FOREST, Facts, HeadFacts
from tests.conftest import Launch, Network
from tests.live import Server, within
from training.bundles import forest_from_boosters, save_bundle


def train(models: Path, version: str, names: tuple[str, ...] = features.NAMES) -> Path:
    """A tiny model of two heads in the models folder."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((200, len(names)))
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5, "num_leaves": 4}
    boosters = {
        head: lightgbm.train(fixed, lightgbm.Dataset(rows, rows[:, at] > 0), 3)
        for at, head in enumerate(("click", "like"))
    }
    heads = tuple(HeadFacts(name=name, examples=200, positives=100) for name in boosters)
    facts = Facts(
        version=version,
        created_ms=5,
        features=names,
        heads=heads,
        from_ms=1,
        to_ms=4,
        seed=3,
        metrics={"auc": 0.75},
        data_licence="CC0-1.0",
    )
    return save_bundle(models, forest_from_boosters(boosters), facts)


@pytest.fixture
def server(launch: Launch) -> Server:
    """A server with ten posts."""
    server = launch()
    posts = [feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}.") for i in range(10)]
    server.client.put_posts(posts)
    return server


def test_status_tells_what_is_held(network: Network) -> None:
    told = network.client.status()
    assert told.posts > 1_400
    assert told.users >= len(network.world.user_ids)
    assert 0 < told.indexed_posts <= told.posts
    assert (told.vector_dimension, told.model_version, told.poison_entries) == (64, "prior", 0)
    sizes = [row.bytes for row in told.memory]
    assert sizes == sorted(sizes, reverse=True)


def test_a_model_is_listed_activated_and_put_back(server: Server) -> None:
    train(server.data / "models", "tiny-1")
    (listed,) = server.client.list_models()
    assert (listed.version, listed.active, listed.problem) == ("tiny-1", False, "")
    assert (list(listed.heads), listed.examples, dict(listed.metrics)) == (
        ["click", "like"],
        200,
        {"auc": 0.75},
    )
    assert server.client.activate_model("tiny-1").previous_version == "prior"
    assert server.client.timeline("ana", include_seen=True).model_version == "tiny-1"
    assert server.client.list_models()[0].active
    assert server.client.activate_model("prior").previous_version == "tiny-1"
    assert server.client.timeline("ana", include_seen=True).model_version == "prior"


def test_a_model_stays_active_over_a_restart(server: Server, launch: Launch) -> None:
    train(server.data / "models", "tiny-1")
    server.client.activate_model("tiny-1")
    server.stop()
    again = launch(server)
    assert again.client.status().model_version == "tiny-1"
    assert not again.client.timeline("ana", include_seen=True).degraded


def test_no_request_fails_while_models_change(server: Server) -> None:
    for version in ("one", "two"):
        train(server.data / "models", version)
    stop, served, failures = threading.Event(), [], []

    def read(viewer: str) -> None:
        while not stop.is_set():
            try:
                page = server.client.timeline(viewer, include_seen=True)
                served.append((page.model_version, len(page.posts), len(page.degraded)))
            except feedrank.Error as error:
                failures.append(error)

    readers = [threading.Thread(target=read, args=(f"v{i}",)) for i in range(3)]
    for one in readers:
        one.start()
    for version in ("one", "two") * 4:
        server.client.activate_model(version)
        assert within(5, lambda: served and served[-1][0] == version)  # noqa: B023
    stop.set()
    for one in readers:
        one.join()
    assert not failures
    assert {(posts, degraded) for _, posts, degraded in served} == {(10, 0)}
    assert {version for version, _, _ in served} >= {"one", "two"}


def test_a_damaged_bundle_is_refused_and_the_one_before_goes_on(server: Server) -> None:
    train(server.data / "models", "good")
    server.client.activate_model("good")
    bad = train(server.data / "models", "bad") / FOREST
    bad.write_bytes(bad.read_bytes()[:-100])
    with pytest.raises(feedrank.FailedPrecondition, match="not the file that the manifest describes"):
        server.client.activate_model("bad")
    problems = {one.version: one.problem for one in server.client.list_models()}
    assert "not the file that the manifest describes" in problems["bad"]
    assert server.client.timeline("ana", include_seen=True).model_version == "good"


def test_a_bundle_for_other_features_is_refused_by_their_names(server: Server) -> None:
    train(server.data / "models", "strange", (*features.NAMES[:-1], "shoe_size"))
    with pytest.raises(feedrank.FailedPrecondition, match="it needs shoe_size, which this server does not"):
        server.client.activate_model("strange")


@pytest.mark.parametrize("version", ["nowhere", "../models", ".."])
def test_a_version_that_is_not_there_is_refused(network: Network, version: str) -> None:
    with pytest.raises(feedrank.FailedPrecondition, match="ListModels names those that are there"):
        network.client.activate_model(version)


def test_a_model_whose_folder_vanished_costs_no_answer(server: Server, launch: Launch) -> None:
    folder = train(server.data / "models", "gone")
    server.client.activate_model("gone")
    server.stop()
    folder.rename(folder.with_name("moved"))
    page = launch(server).client.timeline("ana", include_seen=True)
    assert (page.model_version, len(page.posts)) == ("prior", 10)
    assert [(one.stage, one.reason) for one in page.degraded] == [("model", "unavailable")]


def test_a_snapshot_is_written_when_asked_for(server: Server) -> None:
    taken = server.client.take_snapshot()
    assert taken.bytes > 0
    assert server.client.status().snapshot_entry_id == taken.entry_id
    assert (server.data / "snapshots" / taken.entry_id).is_dir()
