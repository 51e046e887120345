"""The list of benchmarks, and the command that shows it."""

import importlib
import subprocess
import sys

import pytest
import typer

from benchmarks.suite import SUITE, Benchmark, chosen
from ranker.errors import NotFound

EVERY = pytest.mark.parametrize("one", SUITE, ids=lambda one: one.name)


@EVERY
def test_a_benchmark_asks_a_question_in_its_first_line(one: Benchmark) -> None:
    assert one.question.endswith("?")


@EVERY
def test_a_benchmark_has_the_options_that_the_suite_calls_it_with(one: Benchmark) -> None:
    app = typer.Typer()
    app.command()(importlib.import_module(f"benchmarks.{one.name}").main)
    known = {name for option in typer.main.get_command(app).params for name in option.opts}
    asked = {word for word in (*one.options, *one.quick, "--json") if word.startswith("--")}
    assert asked <= known


def test_benchmarks_run_in_the_order_of_the_suite_whatever_the_order_they_are_named_in() -> None:
    assert [one.name for one in chosen(["load", "scoring"])] == ["scoring", "load"]


def test_an_unknown_benchmark_is_refused_with_the_command_that_names_them() -> None:
    with pytest.raises(NotFound, match="feedrank bench list"):
        chosen(["lode"])


def test_the_command_lists_every_question() -> None:
    program = "from ranker.cli import main; main()"
    command = [sys.executable, "-c", program, "bench", "list", "--json"]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert all(one.question in said for one in SUITE)
