"""The pitfalls: each figure comes from the data, and the pictures from the figures."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pitfalls import exposure, leaks, ratio
from benchmarks.pitfalls.lists import Lists
from benchmarks.pitfalls.pages import Pages, simulated
from benchmarks.pitfalls.position import by_place
from training.playground.world import World

DATA = Path(__file__).parents[3] / "shared" / "data"


def lists(count: int = 1_500, films: int = 60, size: int = 12) -> Lists:
    """Lists of films, each clicked by its own chance."""
    random = np.random.default_rng(1)
    film = np.concatenate([random.choice(films, size, replace=False) for _ in range(count)])
    chance = random.beta(2, 6, films)[film]
    clicked = (random.random(len(film)) < chance).astype(np.float64)
    return Lists(np.repeat(np.arange(count), size), film, clicked)


@cache
def pages() -> Pages:
    return simulated(visits=700)


def test_a_rate_up_to_the_list_counts_earlier_lists_alone() -> None:
    rows = Lists(np.array([0, 0, 1, 2]), np.array([7, 8, 7, 7]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert rows.before(rows.clicked).tolist() == [0, 0, 1, 1]


def test_the_leak_check_tells_the_rates_apart() -> None:
    rows = lists()
    said = {name: leaks.said(leaks.examples_of(rows, rate)) for name, rate in leaks.rates(rows).items()}
    honest, all_time, left_out = (said[name] for name in leaks.RATES)
    assert honest == "no leak"
    assert "it knows the future" in all_time
    assert left_out.startswith("single features")


def test_the_viewers_that_are_lost_are_of_the_new_variant_and_do_little() -> None:
    whole = ratio.logged(World(seed=1, authors=20, viewers=200, post_count=300, days=1, pages_a_day=2))
    kept = ratio.without_idle(whole).examples
    lost = np.setdiff1d(whole.examples.viewer, kept.viewer)
    of_lost = whole.examples[np.isin(whole.examples.viewer, lost)]
    new = whole.examples[whole.examples.variant == 1]
    assert len(lost) == round(ratio.LOST * len(np.unique(new.viewer)))
    assert (of_lost.variant == 1).all()
    assert of_lost.labels.mean() < new.labels.mean()


def test_the_rate_by_place_falls_faster_than_the_pull_of_the_place() -> None:
    log, _, truth = by_place(pages()).values()
    assert log[1:].mean() < truth[1:].mean()


def test_pages_are_whole_and_true_taste_earns_the_most() -> None:
    rows = exposure.whole_pages(pages().late)
    assert (rows.place.reshape(-1, exposure.PLACES) == np.arange(exposure.PLACES)).all()
    first = range(0, len(rows), exposure.PLACES)
    met = [exposure.met_page(pages(), rows[at : at + exposure.PLACES]) for at in first]
    chance = np.array([exposure.click_chance(page) for page in met])
    best = np.array([np.argsort(-page.utility) for page in met])
    eye = np.linspace(1, 0.5, exposure.PLACES)
    assert (np.take_along_axis(chance, best, axis=1) @ eye >= chance @ eye - 1e-6).all()


@pytest.mark.skipif(not (DATA / "ranklens").exists(), reason="RankLens is not there: see docs/import.md")
def test_the_command_prints_the_figures_and_draws_the_picture(tmp_path: Path) -> None:
    options = ["--data", str(DATA), "--out", str(tmp_path), "--only", "negatives", "--json"]
    command = [sys.executable, "-m", "benchmarks.pitfalls", *options]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)[
        "negatives"
    ]
    rate, clicks = found["highest click rate"], found["most clicks"]
    assert rate["shown_lists"]["value"] > clicks["shown_lists"]["value"]
    assert rate["drawn_films"]["value"] < clicks["drawn_films"]["value"]
    assert (tmp_path / "negatives.png").read_bytes().startswith(b"\x89PNG")
