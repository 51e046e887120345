"""Status and models, while the server serves."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import feedrank
import lightgbm
import numpy as np
import pytest

from ranker import features
from ranker.bundle import FOREST, MANIFEST, Facts, HeadFacts
from ranker.impression_files import read_log
from tests.conftest import DIMENSION, Launch, Network
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


def stocked(server: Server) -> Server:
    """With ten posts."""
    posts = [feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}.") for i in range(10)]
    server.client.put_posts(posts)
    return server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of those tests that do not stop it."""
    server = Server(tmp_path_factory.mktemp("shared") / "data", EMBEDDER__DIMENSION=str(DIMENSION))
    yield stocked(server.start())
    assert server.stop() == 0


@pytest.fixture
def server(shared: Server) -> Server:
    """The shared server with the prior alone in service, and no bundles."""
    if runs := shared.client.get_experiment():
        shared.client.stop_experiment(runs.name)
    shared.client.set_shadow_model("")
    shared.client.activate_model("prior")
    shutil.rmtree(shared.data / "models", ignore_errors=True)
    return shared


@pytest.fixture
def own(launch: Launch) -> Server:
    """A server of the test's own."""
    return stocked(launch())


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


def test_a_model_stays_active_over_a_restart(own: Server, launch: Launch) -> None:
    train(own.data / "models", "tiny-1")
    own.client.activate_model("tiny-1")
    own.stop()
    again = launch(own)
    assert again.client.status().model_version == "tiny-1"
    assert not again.client.timeline("ana", include_seen=True).degraded


class Readers:
    """Clients that ask for timelines without pause, each for a viewer of its own, until the block ends."""

    def __init__(self, server: Server, count: int = 4) -> None:
        self.server = server
        self.answers: list[feedrank.GetTimelineResponse] = []
        self.failures: list[feedrank.Error] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(f"v{i}",)) for i in range(count)]

    def __enter__(self) -> "Readers":
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _read(self, viewer: str) -> None:
        with feedrank.Client(self.server.address) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.timeline(viewer, include_seen=True))
                except feedrank.Error as error:
                    self.failures.append(error)

    def see(self, *versions: str) -> bool:
        """Whether the answers from now on come to be of these models, and of no others."""
        return bool(within(10, lambda: self._newest() == set(versions)))

    def _newest(self) -> set[str]:
        began = len(self.answers)
        within(5, lambda: len(self.answers) >= began + 24)
        return {page.model_version for page in self.answers[began + 8 :]}


def halves(one: str, other: str) -> list[feedrank.ExperimentVariant]:
    return [
        feedrank.ExperimentVariant(name=f"of-{version}", model_version=version, share_basis_points=5_000)
        for version in (one, other)
    ]


def test_no_request_fails_while_what_is_in_service_changes(server: Server) -> None:
    for version in ("one", "two"):
        train(server.data / "models", version)
    with Readers(server) as readers:
        for _ in range(2):
            server.client.activate_model("one")
            assert readers.see("one")
            server.client.set_shadow_model("two")
            server.client.activate_model("two")
            assert readers.see("two")
            assert server.client.rollback_model().version == "one"
            assert readers.see("one")
            server.client.start_experiment("halves", halves("two", "prior"))
            assert readers.see("two", "prior")
            server.client.take_snapshot()
            server.client.stop_experiment("halves")
            assert readers.see("one")
            server.client.set_shadow_model("")
    assert not readers.failures
    assert {(len(page.posts), len(page.degraded)) for page in readers.answers} == {(10, 0)}
    variants = {(page.model_version, page.experiment_variant) for page in readers.answers}
    assert variants == {("prior", ""), ("one", ""), ("two", ""), ("two", "of-two"), ("prior", "of-prior")}


def test_a_rollback_goes_back_and_then_further_back(own: Server) -> None:
    for version in ("one", "two"):
        train(own.data / "models", version)
        own.client.activate_model(version)
    told = own.client.rollback_model()
    assert (told.version, told.previous_version) == ("one", "two")
    assert told.entry_id == own.client.status().entry_id
    assert own.client.timeline("ana", include_seen=True).model_version == "one"
    assert own.client.rollback_model().version == "prior"
    with pytest.raises(
        feedrank.FailedPrecondition, match="no model is remembered from before prior: Activate"
    ):
        own.client.rollback_model()


def test_a_rollback_to_a_bundle_that_is_gone_changes_nothing(server: Server) -> None:
    for version in ("one", "two"):
        train(server.data / "models", version)
        server.client.activate_model(version)
    shutil.rmtree(server.data / "models" / "one")
    with pytest.raises(feedrank.FailedPrecondition, match="there is no bundle 'one'"):
        server.client.rollback_model()
    assert server.client.timeline("ana", include_seen=True).model_version == "two"


def test_an_experiment_gives_each_viewer_the_model_of_one_variant(server: Server) -> None:
    train(server.data / "models", "one")
    server.client.start_experiment("first", halves("one", "prior"))
    pages = [server.client.timeline(f"v{i}", include_seen=True) for i in range(40)]
    assert {(p.experiment_variant, p.model_version) for p in pages} == {
        ("of-one", "one"),
        ("of-prior", "prior"),
    }
    again = [server.client.rank_posts(f"v{i}", ["p1"]).experiment_variant for i in range(40)]
    assert again == [page.experiment_variant for page in pages]
    counted = [
        line for line in server.metrics().splitlines() if line.startswith("feedrank_variant_answers_t")
    ]
    assert sum(float(line.split()[-1]) for line in counted) == 80
    server.client.stop_experiment("first")
    assert server.client.timeline("v1", include_seen=True).experiment_variant == ""


def test_a_shadow_model_scores_for_the_log_alone(server: Server) -> None:
    train(server.data / "models", "one")
    server.client.set_shadow_model("one")
    page = server.client.timeline("ana", include_seen=True)
    assert (page.model_version, page.experiment_variant) == ("prior", "")
    (row, *_) = within(10, lambda: logged(server, page.request_id))
    assert (row["model_version"], row["shadow_version"]) == ("prior", "one")
    assert row["shadow_probabilities"] != row["probabilities"]


def logged(server: Server, request_id: str) -> list[dict[str, Any]]:
    """What the impressions log holds of an answer."""
    rows = [row for table in read_log(server.data / "impressions") for row in table.to_pylist()]
    return [row for row in rows if row["request_id"] == request_id]


def test_one_experiment_runs_at_a_time(server: Server) -> None:
    train(server.data / "models", "one")
    server.client.start_experiment("first", halves("one", "prior"))
    with pytest.raises(feedrank.FailedPrecondition, match="the experiment first runs: stop it first"):
        server.client.start_experiment("second", halves("prior", "one"))
    with pytest.raises(feedrank.FailedPrecondition, match="the experiment first runs, not second"):
        server.client.stop_experiment("second")
    runs = server.client.get_experiment()
    assert runs is not None
    assert (runs.name, list(runs.variants)) == ("first", halves("one", "prior"))
    server.client.stop_experiment("first")
    assert server.client.get_experiment() is None
    with pytest.raises(feedrank.FailedPrecondition, match="no experiment runs, not first"):
        server.client.stop_experiment("first")


def test_viewers_of_a_variant_that_is_gone_count_for_none(own: Server, launch: Launch) -> None:
    folder = train(own.data / "models", "one")
    own.client.start_experiment("first", halves("one", "prior"))
    own.stop()
    shutil.rmtree(folder)
    again = launch(own)
    pages = [again.client.timeline(f"v{i}", include_seen=True) for i in range(40)]
    told = {(p.experiment_variant, p.model_version, tuple(d.reason for d in p.degraded)) for p in pages}
    assert told == {("", "prior", ("unavailable",)), ("of-prior", "prior", ())}


def test_the_list_tells_what_is_in_service(server: Server) -> None:
    for version in ("one", "two"):
        train(server.data / "models", version)
    server.client.activate_model("one")
    server.client.set_shadow_model("two")
    server.client.start_experiment("first", halves("two", "prior"))
    told = {one.version: (one.active, one.shadow, list(one.variants)) for one in server.client.list_models()}
    assert told == {"one": (True, False, []), "two": (False, True, ["of-two"])}


def test_activations_around_a_snapshot_are_kept_over_a_restart(own: Server, launch: Launch) -> None:
    for version in ("one", "two"):
        train(own.data / "models", version)
        own.client.activate_model(version)
    own.client.set_shadow_model("one")
    own.client.take_snapshot()
    own.client.activate_model("one")
    own.client.start_experiment("first", halves("one", "two"))
    own.kill()
    client = launch(own).client
    assert {one.version: one.shadow for one in client.list_models()} == {"one": True, "two": False}
    runs = client.get_experiment()
    assert runs is not None
    assert (client.status().model_version, runs.name) == ("one", "first")
    assert [client.rollback_model().version for _ in range(3)] == ["two", "one", "prior"]


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / FOREST).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / FOREST).write_bytes(content)


def cut_short(folder: Path) -> None:
    (folder / FOREST).write_bytes((folder / FOREST).read_bytes()[:-100])


def edit(folder: Path, **fields: object) -> None:
    """Other facts in the manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | fields))


def plant(name: str, value: float) -> Callable[[Path], None]:
    """A damage: the first number of one of the forest's arrays, in a manifest that agrees."""

    def damage(folder: Path) -> None:
        arrays = dict(np.load(folder / FOREST))
        arrays[name][0] = value
        np.savez(folder / FOREST, **arrays)
        edit(folder, sha256=hashlib.sha256((folder / FOREST).read_bytes()).hexdigest())

    return damage


def serving(server: Server) -> list[tuple[str, bool, bool, list[str]]]:
    models = [
        (one.version, one.active, one.shadow, list(one.variants)) for one in server.client.list_models()
    ]
    return [one for one in models if any(one[1:])]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(flip_a_byte, "not the file that the manifest describes: train", id="changed-byte"),
        pytest.param(cut_short, "not the file that the manifest describes: train", id="cut-short"),
        pytest.param(lambda it: edit(it, sha256="0" * 64), "not the file that the manifest", id="wrong-hash"),
        pytest.param(
            lambda it: edit(it, features=features.NAMES[:-1]), f"it lacks {features.NAMES[-1]}", id="features"
        ),
        pytest.param(plant("left", 0), "comes before it, so there is a cycle", id="cycle"),
        pytest.param(plant("right", 99), "a node has a child outside its tree", id="child-out-of-range"),
        pytest.param(plant("feature", 9_999), "feature 9999, which has no name", id="feature-out-of-range"),
        pytest.param(plant("threshold", np.nan), "a threshold is NaN", id="nan"),
        pytest.param(lambda it: (it / MANIFEST).unlink(), "No such file", id="no-manifest"),
    ],
)
def test_a_damaged_bundle_is_refused_and_the_one_before_goes_on(
    server: Server, damage: Callable[[Path], None], sentence: str
) -> None:
    train(server.data / "models", "good")
    server.client.activate_model("good")
    bad = train(server.data / "models", "bad")
    damage(bad)
    for ask in (
        lambda: server.client.activate_model(bad.name),
        lambda: server.client.set_shadow_model(bad.name),
        lambda: server.client.start_experiment("bad", halves("good", bad.name)),
    ):
        with pytest.raises(feedrank.FailedPrecondition, match=sentence):
            ask()
    assert serving(server) == [("good", True, False, [])]
    assert server.client.timeline("ana", include_seen=True).model_version == "good"


def test_a_damaged_bundle_is_listed_with_its_problem(server: Server) -> None:
    flip_a_byte(train(server.data / "models", "bad"))
    (listed,) = server.client.list_models()
    assert "not the file that the manifest describes" in listed.problem


def test_a_bundle_for_other_features_is_refused_by_their_names(server: Server) -> None:
    train(server.data / "models", "strange", (*features.NAMES[:-1], "shoe_size"))
    with pytest.raises(feedrank.FailedPrecondition, match="it needs shoe_size, which this server does not"):
        server.client.activate_model("strange")


@pytest.mark.parametrize("version", ["nowhere", "../models", ".."])
def test_a_version_that_is_not_there_is_refused(network: Network, version: str) -> None:
    with pytest.raises(feedrank.FailedPrecondition, match="ListModels names those that are there"):
        network.client.activate_model(version)


def test_a_model_whose_folder_vanished_costs_no_answer(own: Server, launch: Launch) -> None:
    folder = train(own.data / "models", "gone")
    own.client.activate_model("gone")
    own.stop()
    folder.rename(folder.with_name("moved"))
    page = launch(own).client.timeline("ana", include_seen=True)
    assert (page.model_version, len(page.posts)) == ("prior", 10)
    assert [(one.stage, one.reason) for one in page.degraded] == [("model", "unavailable")]


def test_a_snapshot_is_written_when_asked_for(server: Server) -> None:
    taken = server.client.take_snapshot()
    assert taken.bytes > 0
    assert server.client.status().snapshot_entry_id == taken.entry_id
    assert (server.data / "snapshots" / taken.entry_id).is_dir()
