"""The notebook on examples runs on a folder of examples, and its figures are right."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ranker.heads import NAMES
from tests.training.test_example_files import some
from training import example_files

SCRIPT = Path(__file__).parents[2] / "docs" / "examples_in_polars.py"
LIKE = NAMES.index("like")


class Told(NamedTuple):
    text: str
    rate: float
    """How often a like followed, before sampling."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the notebook prints of 2,000 examples whose first feature tells who likes."""
    folder = tmp_path_factory.mktemp("examples") / "out"
    made = some(rows=2_000)
    liked = np.nan_to_num(made.examples.features[:, 0]) > 0.5
    labels = np.zeros_like(made.examples.labels)
    labels[:, LIKE] = liked
    weight = np.where(liked, 1, 4).astype(np.float32)
    example_files.write(folder, replace(made, examples=replace(made.examples, labels=labels, weight=weight)))
    run = [sys.executable, "-W", "error", str(SCRIPT), str(folder)]
    said = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    return Told(said.stdout, float(liked.sum() / weight.sum()))


def test_the_notebook_tells_rates_as_if_nothing_had_been_sampled(told: Told) -> None:
    cell = re.search(r"like ┆ ([\d.]+)", told.text)
    assert cell is not None
    assert float(cell[1]) == pytest.approx(told.rate, abs=1e-5)


def test_the_notebook_shows_places_calibration_authors_and_near_posts(told: Told) -> None:
    for column in ("place", "predicted", "author", "likeness"):
        assert f" {column} " in told.text


def test_the_notebook_s_own_model_learns(told: Told) -> None:
    line = next(line for line in told.text.splitlines() if line.startswith("AUC of like"))
    assert float(line.split()[-1]) > 0.95
