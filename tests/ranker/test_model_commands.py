"""The commands of models, run as the command line runs them, on a server and on a folder."""

import json
from collections.abc import Iterator

import feedrank
import pytest
from typer.testing import CliRunner

from ranker.model_commands import app
from ranker.seen import People, key_of, mark
from ranker.trees import Forest
from tests.conftest import DIMENSION
from tests.live import Server
from tests.ranker.test_bundle import facts, stump
from tests.ranker.test_models import save
from training.bundles import save_bundle


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the bundles one and two."""
    server = Server(tmp_path_factory.mktemp("models") / "data", EMBEDDER__DIMENSION=str(DIMENSION)).start()
    for version in ("one", "two"):
        save(server.data / "models", version)
    yield server
    assert server.stop() == 0


def said(server: Server, *words: str) -> str:
    """What a command prints that talks to the server."""
    done = CliRunner().invoke(app, [*words, "--address", server.address])
    assert done.exit_code == 0, done.output
    return done.stdout


def of_folder(server: Server, *words: str) -> str:
    """What a command prints that reads the models folder."""
    environment = {"COLUMNS": "200"}
    done = CliRunner().invoke(app, [*words, "--models", str(server.data / "models")], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_model_is_activated_and_rolled_back(server: Server) -> None:
    assert said(server, "activate", "one") == "one is active; prior was before.\n"
    assert json.loads(said(server, "activate", "two", "--json"))["previous_version"] == "one"
    assert said(server, "rollback") == "one is active again; two is not any more.\n"
    assert json.loads(said(server, "rollback", "--json"))["version"] == "prior"


def test_the_list_tells_what_each_model_is_used_for(server: Server) -> None:
    said(server, "activate", "one")
    assert said(server, "shadow", "two") == "The shadow model is two; it was none.\n"
    lines = said(server, "list").splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["one", "active"], ["two", "shadow"]]
    assert lines[-1] == "one is active."
    listed = json.loads(said(server, "list", "--json"))
    assert (listed["active"], [one["version"] for one in listed["models"]]) == ("one", ["one", "two"])
    assert said(server, "shadow", "--off") == "The shadow model is none; it was two.\n"


def test_a_model_that_saw_an_erased_person_is_to_be_trained_anew(server: Server) -> None:
    mark(server.data / "models" / "two", 5)
    mark(server.data / "models" / "two", 6)
    assert "retrain: saw 2 erased people" in " ".join(said(server, "list").split())
    listed = json.loads(said(server, "list", "--json"))["models"]
    assert {one["version"]: int(one.get("saw_erased", 0)) for one in listed} == {"one": 0, "two": 2}
    assert "retrain: saw 2 erased people" in of_folder(server, "show", "two")


def test_an_erasure_marks_the_model_that_saw_the_person(server: Server) -> None:
    server.client.put_users([feedrank.User(id="rosa"), feedrank.User(id="omar")])
    for version, viewer in (("saw-rosa", "rosa"), ("saw-omar", "omar")):
        people = People.of([viewer], [], key_of(server.data))
        told = facts(version, people=people.facts)
        save_bundle(server.data / "models", Forest(heads=("like",), **stump(0.0, 1.0)), told, people)
    assert server.client.erase_user("rosa", now=True, timeout=60).receipt.models_marked >= 1
    saw = {one.version: one.saw_erased for one in server.client.list_models()}
    assert (saw["saw-rosa"], saw["saw-omar"]) == (1, 0)


def test_a_shadow_is_either_named_or_off(server: Server) -> None:
    for words in (["shadow"], ["shadow", "one", "--off"]):
        done = CliRunner().invoke(app, [*words, "--address", server.address])
        assert done.exit_code == 2
        assert "give either a version or --off" in done.output


def test_an_activation_during_an_experiment_says_when_viewers_get_it(server: Server) -> None:
    from feedrank import ExperimentVariant

    halves = [ExperimentVariant(name=n, model_version=n, share_basis_points=5_000) for n in ("one", "two")]
    server.client.start_experiment("halves", halves)
    assert "Viewers get it when the experiment halves is stopped." in said(server, "activate", "two")
    server.client.stop_experiment("halves")


def test_a_manifest_is_shown(server: Server) -> None:
    lines = [line.split() for line in of_folder(server, "show", "one").splitlines()]
    assert ["version", "one"] in lines
    assert ["heads.like.positives", "100"] in lines
    assert json.loads(of_folder(server, "show", "one", "--json"))["problem"] == ""


def test_a_difference_is_shown(server: Server) -> None:
    lines = of_folder(server, "diff", "one", "two").splitlines()
    assert ["version", "one", "two"] in [line.split() for line in lines]
    told = json.loads(of_folder(server, "diff", "one", "two", "--json"))
    assert told["changed"]["version"] == ["one", "two"]
