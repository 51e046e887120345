"""All benchmarks run, small: two minutes on two calm cores. Shape and quality are held, never seconds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.keys import meaning
from benchmarks.results import Results
from benchmarks.suite import SUITE

pytestmark = pytest.mark.timeout(1_800)

FEEDRANK = (sys.executable, "-c", "from ranker.cli import main; main()")


def feedrank(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FEEDRANK, *words], capture_output=True, check=False, text=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a quick run of everything."""
    path = tmp_path_factory.mktemp("bench") / "results.json"
    feedrank("bench", "run", "--quick", "--repeats", "1", "--out", str(path))
    return path


@pytest.fixture(scope="module")
def results(path: Path) -> Results:
    return Results.load(path)


@pytest.mark.parametrize("name", [one.name for one in SUITE])
def test_a_benchmark_runs_and_says_where_it_was_measured(results: Results, name: str) -> None:
    measured = results.measured[name]
    assert measured.failures == []
    assert measured.question.endswith("?")
    assert measured.runs[0]["environment"].keys() >= {"cpu", "cores", "commit", "date"}
    assert any(meaning(key).better != "neither" for key in measured.values())


def test_scores_are_those_of_lightgbm(results: Results) -> None:
    found = quality(results, "scoring", r"max_relative_difference$")
    assert max(found) <= 1e-9


def test_searches_find_what_an_exact_scan_finds(results: Results) -> None:
    assert min(quality(results, "retrieval", r"recall_at")) > 0.85


def test_a_loaded_server_answers_with_whole_timelines(results: Results) -> None:
    run = results.measured["load"].runs[0]
    assert run["error_share"] == run["empty_share"] == 0
    assert run["posts_shown"] == 20
    assert run["events_per_second"] > 0
    assert run["rejected_rows"] == 0


def test_cost_is_told_for_each_size(results: Results) -> None:
    found = quality(results, "scale", r"^posts_(300|600)_candidates_\d+_total_p50_ms$")
    assert len(found) == 3
    assert min(found) > 0


def test_the_report_shows_every_benchmark_and_picture(results: Results, tmp_path: Path) -> None:
    page, text = pages.write(results, tmp_path).read_text(), (tmp_path / "report.md").read_text()
    for one in SUITE:
        assert one.question in text
        assert f"<h2>{one.name}</h2>" in page
    for name in ("load", "scale", "ratios"):
        assert f"({name}.png)" in text
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_results_compared_with_themselves_show_no_regression(path: Path) -> None:
    done = feedrank("bench", "compare", str(path), str(path))
    assert done.returncode == 0
    assert " 0 worse" in done.stdout


def quality(results: Results, name: str, pattern: str) -> list[float]:
    """The values of the keys in which a pattern is found; there must be some."""
    values = results.measured[name].values()
    found = [one[0] for key, one in values.items() if re.search(pattern, key)]
    assert found, f"{name} prints no key like {pattern}: {list(values)}"
    return found
