"""The commands of experiments, run as the command line runs them, from the start to the read-out."""

import json
import time
from dataclasses import replace
from pathlib import Path

import feedrank
import numpy as np
import pytest
from typer.testing import CliRunner

from ranker import features
from tests.conftest import Launch
from tests.live import Server
from tests.ranker.test_models import save
from tests.training.test_experiment import log
from training import example_files
from training.commands.experiment import group
from training.examples import Choices, ExampleSet
from training.experiment import of_data_folder

HOUR_MS = 3_600_000


def said(*words: str) -> str:
    done = CliRunner().invoke(group, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    done = CliRunner().invoke(group, words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    return done.output


@pytest.fixture
def server(launch: Launch) -> Server:
    """A server with ten posts and the bundle one."""
    server = launch()
    save(server.data / "models", "one")
    posts = [feedrank.Post(id=f"p{i}", author_id=f"a{i}", text=f"Word {i}.") for i in range(10)]
    server.client.put_posts(posts)
    return server


def test_an_experiment_runs_from_its_start_to_its_readout(server: Server) -> None:
    at = ("--address", server.address)
    assert said("status", *at) == "No experiment runs.\n"
    variants = ("--variant", "old=prior:50", "--variant", "new=one:50")
    assert said("start", "first", *variants, *at) == "first runs.\n"
    assert said("status", *at).split()[-4:] == ["new", "one", "50", "%"]
    clicked: dict[str, int] = {}
    for i in range(40):
        page = server.client.timeline(f"v{i}", size=5)
        server.client.record_events([feedrank.event(f"v{i}", "click", page.posts[0].post_id)])
        clicked[page.experiment_variant] = clicked.get(page.experiment_variant, 0) + 1
    assert said("stop", "first", *at) == "first has ended.\n"
    server.stop()  # which writes the log's last rows
    now_ms = time.time_ns() // 1_000_000
    told = of_data_folder(
        server.data, "first", choices=Choices(heads=("click",), until_ms=now_ms + 2 * HOUR_MS)
    )
    assert {one.variant: one.viewers for one in told.readings} == clicked
    assert [one.variant for one in told.readings] == ["old", "new"]
    assert all(one.posts == 5 * one.answers == 5 * one.viewers for one in told.readings)
    assert all(one.per_viewer["click"].value == 1 for one in told.readings)
    assert "tells of no experiment another: it tells of first" in failed(server.data)


def failed(data: Path) -> str:
    done = CliRunner().invoke(group, ["readout", "another", "--data", str(data)])
    return str(done.exception)


def readout_of(folder: Path, examples: ExampleSet) -> tuple[str, ...]:
    """The command that reads out examples, which are written first."""
    rows = examples.examples
    wide = replace(rows, features=np.zeros((len(rows), len(features.NAMES)), np.float32))
    example_files.write(folder, replace(examples, examples=wide))
    return ("readout", "e", "--examples", str(folder), "--share", "control=50", "--share", "new=50")


def test_a_readout_of_examples_tells_an_effect_and_the_division(tmp_path: Path) -> None:
    words = readout_of(tmp_path / "examples", log(3, viewers=2_000, likes=1.5))
    lines = said(*words).splitlines()
    assert ["like", "per", "viewer", "higher"] in [
        [*line.split()[:3], line.split()[-1]] for line in lines if line
    ]
    assert any(line.startswith("Nobody did: click, dwell") for line in lines)
    assert lines[-1].startswith("Viewers divide as the shares say")
    told = json.loads(said(*words, "--json"))
    assert told["readings"][1]["per_viewer_difference"]["like"]["verdict"] == "higher"


def test_a_readout_warns_of_a_sample_ratio_mismatch(tmp_path: Path) -> None:
    words = readout_of(tmp_path / "examples", log(4, viewers=2_000, kept=(1.0, 0.7)))
    assert "SAMPLE RATIO MISMATCH" in said(*words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("start", "first", "--variant", "old"), "'old' is not name=model:percent"),
        (("start", "first", "--variant", "old=prior:half"), "'old=prior:half' is not name=model:percent"),
        (("readout", "first"), "give either --data or --examples"),
        (("readout", "first", "--examples", "."), "give the share of each variant"),
        (("readout", "first", "--examples", ".", "--share", "old=0"), "'old=0' is not name=percent"),
    ],
)
def test_a_wrong_argument_is_told(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(*words)
