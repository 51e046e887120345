"""The commands that judge: a document for machines, one sentence for a mistake, exit 1 on a leak."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ranker import features
from ranker.heads import NAMES
from training.commands import app
from training.example_files import write
from training.examples import About, Examples, ExampleSet, Posts, not_logged

CLICK = NAMES.index("click")


def folder(path: Path, leak: bool, rows: int = 6_000) -> Path:
    """Examples of dice; with a leak, the feature `hour` is the label."""
    random = np.random.default_rng(1)
    columns = random.random((rows, len(features.NAMES))).astype(np.float32)
    labels = np.zeros((rows, len(NAMES)), np.uint8)
    labels[:, CLICK] = random.random(rows) < 0.2 + 0.3 * columns[:, 0]
    if leak:
        columns[:, features.NAMES.index("hour")] = labels[:, CLICK]
    group = np.arange(rows, dtype=np.int32) // 10
    examples = Examples(
        **not_logged(rows),
        features=columns,
        viewer=group % 60,
        post=random.integers(0, 500, rows, np.int32),
        request=group,
        group=group,
        time_ms=10**12 + group.astype(np.int64) * 1_000,
        place=np.arange(rows, dtype=np.int32) % 10,
        surface=np.ones(rows, np.int8),
        labels=labels,
        weight=np.ones(rows, np.float32),
    )
    number = np.arange(500, dtype=np.int32)
    posts = Posts(
        ids=number.astype(str).astype(object),
        author=number % 40,
        language=number * 0,
        created_ms=10**11 + number.astype(np.int64),
        vector=random.normal(size=(500, 4)).astype(np.float16),
        languages=("en",),
    )
    write(path, ExampleSet(examples, posts, About(made_by="dice")))
    return path


def test_examples_are_judged_by_a_model_that_is_trained_on_the_earlier_part(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["evaluate", "--examples", str(folder(tmp_path / "e", leak=False)), "--json"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["targets"]["click"]["gain_over"]["random"]["verdict"]["auc"] == "better"
    assert [check["leak"] for check in document["leaks"]] == [False] * 4


def test_a_leak_is_named_and_ends_with_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--examples", str(folder(tmp_path / "e", leak=True))])
    assert result.exit_code == 1
    assert "LEAK  single features: hour" in " ".join(result.output.split(" "))


@pytest.mark.parametrize("arguments", [[], ["polis", ".", "--examples", "."], ["chess", "."]])
def test_a_wrong_argument_is_a_sentence_and_exit_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
