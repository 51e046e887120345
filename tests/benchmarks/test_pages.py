"""The report, and the figures that it puts into a text."""

from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.report import environment
from benchmarks.results import Measured, Results
from ranker.errors import InvalidArgument

RUNS = [{"speedup_over_lightgbm_random": value} for value in (20.0, 30.0, 25.0)]


@pytest.fixture
def results() -> Results:
    found = Results(environment())
    found.measured["scoring"] = Measured("How fast?", [], list(RUNS))
    return found


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    return path


def test_figures_stand_between_the_marks_with_their_median_and_range(results: Results, readme: Path) -> None:
    pages.write_into(readme, results, readme.parent / "docs")
    text = readme.read_text()
    assert "| 25 | 20 to 30 | x | scoring |" in text
    assert "old" not in text
    assert text.startswith("before\n<!-- figures -->\n")
    assert text.endswith("<!-- /figures -->\nafter\n")


def test_figures_name_the_machine_the_commit_and_the_day(results: Results, readme: Path) -> None:
    pages.write_into(readme, results, readme.parent / "docs")
    assert all(str(results.environment[key]) in readme.read_text() for key in ("cpu", "commit", "date"))


def test_pictures_are_shown_from_where_they_lie(results: Results, readme: Path) -> None:
    pages.write(results, readme.parent / "docs" / "figures")
    pages.write_into(readme, results, readme.parent / "docs" / "figures")
    assert "(docs/figures/ratios.png)" in readme.read_text()


def test_figures_are_replaced_as_often_as_wanted(results: Results, readme: Path) -> None:
    pages.write_into(readme, results, readme.parent)
    once = readme.read_text()
    pages.write_into(readme, results, readme.parent)
    assert readme.read_text() == once


def test_a_text_without_the_marks_is_left_alone_with_a_sentence(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("no place\n")
    with pytest.raises(InvalidArgument, match="<!-- figures -->"):
        pages.write_into(path, results, tmp_path)
    assert path.read_text() == "no place\n"
