"""The commands `feedrank train` and `feedrank reproduce`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ranker import features
from ranker.bundle import load
from ranker.heads import NAMES
from tests.training.commands.test_live import feedrank_says
from tests.training.test_train import example_set
from training import example_files
from training.commands import app


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "examples"
    example_files.write(folder, example_set())
    return folder


def says(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(examples: Path, models: Path, *options: str) -> dict[str, Any]:
    said = says("train", "--examples", examples, "--models", models, "--quick", "--json", *options)
    assert said.exit_code == 0, said.output
    document: dict[str, Any] = json.loads(said.stdout)
    return document


def test_a_bundle_is_trained_from_a_folder_of_examples(examples: Path, tmp_path: Path) -> None:
    document = trained(examples, tmp_path)
    bundle = load(Path(document["bundle"]), features.NAMES, NAMES)
    assert bundle.manifest.examples_from == str(examples)
    assert document["heads"]["click"]["auc"] > 0.6


def test_a_bundle_is_reproduced_in_another_process(examples: Path, tmp_path: Path) -> None:
    bundle = trained(examples, tmp_path, "--seeds", "2", "--ranking")["bundle"]
    said = feedrank_says("reproduce", bundle, "--examples", str(examples))
    assert (said.returncode, said.stderr.strip()) == (0, "")
    assert "bit for bit" in said.stdout.replace("\n", " ")


def test_a_bundle_that_is_not_reproduced_exits_with_1_and_says_why(examples: Path, tmp_path: Path) -> None:
    folder = Path(trained(examples, tmp_path)["bundle"])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["knobs"]["seed"] = 8
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said = says("reproduce", folder, "--examples", examples)
    assert said.exit_code == 1
    assert "forest.npz holds other trees" in said.output.replace("\n", " ")


def test_the_table_names_the_heads_and_what_was_left_out(examples: Path, tmp_path: Path) -> None:
    said = says("train", "--examples", examples, "--models", tmp_path, "--quick", "--report", tmp_path / "r")
    assert "click" in said.stdout
    assert "report is left out: 0 of 1,050 examples are positive" in said.stdout
    assert (tmp_path / "r" / "index.html").exists()


def test_a_search_changes_the_knobs_in_the_manifest(examples: Path, tmp_path: Path) -> None:
    knobs = trained(examples, tmp_path, "--search", "0.05")["knobs"]
    bundle = next(path for path in tmp_path.iterdir())
    assert load(bundle, features.NAMES, NAMES).manifest.knobs == knobs


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give one of --examples, --data and --from"),
        (("--examples", "a", "--data", "b"), "give one of --examples, --data and --from"),
        (("--examples", "a", "--position", "north"), "'north' is none of auto, ignored, place, propensity"),
        (("--from", "nowhere"), "nowhere does not exist"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    said = says("train", *arguments)
    assert said.exit_code == 2
    assert sentence in " ".join(said.output.replace("│", " ").split())


def test_a_folder_without_examples_is_one_sentence() -> None:
    said = feedrank_says("train", "--examples", "nowhere")
    assert said.returncode == 2
    assert "nowhere holds no examples: make some with `feedrank examples`" in said.stderr
