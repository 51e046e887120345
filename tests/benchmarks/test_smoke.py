"""All benchmarks run, small: a minute or two on two calm cores. Shape and quality are held, never seconds."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def test_searches_find_what_an_exact_scan_finds_also_after_a_turnover(results: Results) -> None:
    found = only(results, "retrieval")
    for when in ("", "after_turnovers_"):
        assert found[f"{when}recall_at_500"] > 0.9
        assert found[f"{when}four_interests_recall_at_120"] > 0.9
    assert found["filtered_recall"] > 0.9
    assert found["bytes_per_post"] < 1000


def test_writes_are_folded_acknowledged_and_visible(results: Results) -> None:
    found = only(results, "fold")
    assert min(found[f"{rows}_per_second"] for rows in ("events", "posts")) > 100
    assert found["events_per_second_acknowledged"] > 100
    assert found["visible_share"] == 1
    assert found["cpu_us_an_event"] > found["events_folded_cpu_us"] / 10 > 0


def test_structures_add_up_to_the_process(results: Results) -> None:
    found = only(results, "memory")
    totals = found["resident_mb"] + found["accounted_mb"]
    held = sum(size for name, size in found.items() if name.endswith("_mb")) - totals
    assert held == pytest.approx(found["accounted_mb"])
    assert 0.5 < found["accounted_share"] < 1.1
    assert found["bytes_per_post"] > 2 * 384


def test_a_first_start_and_warm_ones_are_measured(results: Results) -> None:
    found = only(results, "startup")
    assert found["first_s"] > 0
    assert 0 < found["warm_best_s"] <= found["warm_worst_s"]


def test_pages_are_real_and_what_was_scored_is_counted(results: Results) -> None:
    found = only(results, "timeline")
    assert 0 < found["prior_p50_ms"] <= found["prior_p99_ms"]
    assert found["prior_total_ms"] < found["prior_p99_ms"]
    assert found["prior_scored_min"] >= 20
    assert found["prior_found_mean"] >= found["prior_scored_mean"]
    assert found["resident_mb"] > 50


def test_examples_are_read_whole_and_by_row_groups(results: Results) -> None:
    found = only(results, "examples")
    assert found["rows"] == 60_000
    assert 0 < found["by_row_groups_memory"] < found["whole_memory"]


def test_a_loaded_server_answers_with_whole_timelines(results: Results) -> None:
    run = only(results, "load")
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


def only(results: Results, name: str) -> dict[str, Any]:
    """The figures of a benchmark's run."""
    run: dict[str, Any] = results.measured[name].runs[0]
    return run


def quality(results: Results, name: str, pattern: str) -> list[float]:
    """The values of the keys in which a pattern is found; there must be some."""
    values = results.measured[name].values()
    found = [one[0] for key, one in values.items() if re.search(pattern, key)]
    assert found, f"{name} prints no key like {pattern}: {list(values)}"
    return found
