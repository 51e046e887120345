"""Runs of benchmarks: one that fails is told and does not stop the others."""

from pathlib import Path

import pytest

from benchmarks.report import environment
from benchmarks.results import Measured, Results
from benchmarks.runs import run
from benchmarks.suite import Benchmark
from ranker.errors import InvalidArgument

WORKS = Benchmark("coverage", 1, quick=("--runs", "2", "--viewers", "20"))


def test_a_failure_is_kept_with_its_last_words_and_the_others_run(tmp_path: Path) -> None:
    fails, told = Benchmark("examples", 1, quick=("--rows", "none")), list[str]()
    results = run([fails, WORKS], quick=True, repeats=2, out=tmp_path / "r.json", tell=told.append)
    assert "--rows" in results.measured["examples"].failures[0]
    assert len(results.measured["examples"].seconds) == 1
    assert len(results.measured["coverage"].runs) == 2
    assert told[-1] == "coverage: 2 of 2, run 2 of 2"


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    results = run([WORKS], quick=True, repeats=1, out=path, tell=lambda _: None)
    assert Results.load(path) == results


def test_a_file_that_holds_no_results_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("[1, 2]")
    with pytest.raises(InvalidArgument, match="feedrank bench run --out"):
        Results.load(path)


def test_what_is_added_stands_beside_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    Results(environment(), {"scoring": Measured("How fast?", [])}).save(out)
    run([WORKS], quick=True, repeats=1, out=out, add=True, tell=lambda _: None)
    assert list(Results.load(out).measured) == ["scoring", "coverage"]


def test_figures_of_another_machine_are_not_mixed_in(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    Results(environment() | {"cores": 999}).save(out)
    with pytest.raises(InvalidArgument, match="999"):
        run([], quick=True, repeats=1, out=out, add=True, tell=lambda _: None)
