"""The report of a training: pictures, and a page that needs no network."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.training.test_train import KNOBS, made_up
from training.report import importance, learning_curves, reliability, write
from training.train import Trained, fit


@cache
def trained() -> Trained:
    return fit(made_up(), KNOBS)


def test_the_page_holds_its_pictures_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    page = write(tmp_path, trained(), "a model").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)|url\(|http', page)


def test_the_page_names_each_head_and_why_others_are_left_out(tmp_path: Path) -> None:
    page = write(tmp_path, trained(), "a model").read_text()
    assert "<td>click</td>" in page
    assert f"report: {trained().left_out['report']}" in page


def test_each_picture_is_a_png(tmp_path: Path) -> None:
    write(tmp_path, trained(), "a model")
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert pictures == ["calibration.png", "importance.png", "learning_curves.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_the_same_training_draws_the_same_page(tmp_path: Path) -> None:
    pages = [write(tmp_path / name, trained(), "a model").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_a_learning_curve_is_the_loss_after_each_tree() -> None:
    line = learning_curves(trained()).axes[0].lines[1]
    assert np.asarray(line.get_ydata()).tolist() == trained().heads["click"].curves["watched"]


def test_the_feature_that_made_the_labels_is_the_most_important() -> None:
    assert importance(trained()).axes[0].get_yticklabels()[0].get_text() == "post_age"


def test_the_bins_of_a_reliability_diagram_hold_all_rows() -> None:
    click = trained().heads["click"]
    said, was, rows = reliability(click)
    assert rows.sum() == len(click.labels)
    assert (said @ rows, was @ rows) == pytest.approx((click.probability.sum(), click.labels.sum()))
