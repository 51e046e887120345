"""The command `feedrank bench`: parse, call one library function, print.

Mounted by the entry-point group "feedrank.commands"; what a command needs is imported inside it, since the
service loads this file for the names alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ranker.terminal import Json, console, print_json, table
from training.commands.shared import existing, progress

if TYPE_CHECKING:
    from benchmarks.comparison import Change, Comparison
    from benchmarks.results import Results

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
bench = typer.Typer(no_args_is_help=True, help="Measure speed and quality, compare results, report them.")
app.add_typer(bench, name="bench")

Names = Annotated[list[str] | None, typer.Argument(help="Benchmarks; none: all.")]


@bench.command("list")
def show(as_json: Json = False) -> None:
    """Print the benchmarks with their questions.

    Example: feedrank bench list
    """
    from dataclasses import asdict

    from benchmarks.suite import SUITE

    if as_json:
        return print_json([asdict(one) | {"question": one.question} for one in SUITE])
    shown = table("benchmark", "minutes", "question")
    for one in SUITE:
        shown.add_row(one.name, f"{one.minutes:g}", one.question)
    return console.print(shown)


@bench.command()
def run(
    names: Names = None,
    quick: Annotated[bool, typer.Option(help="Small: shows in two minutes that all of it runs.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each; intervals need two or more.")] = 3,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path("results.json"),
    data: Annotated[Path | None, typer.Option(help="Keep the networks that are made in this folder.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Keep what the file holds of other benchmarks.")] = False,
    as_json: Json = False,
) -> None:
    """Run benchmarks, each in its own process, and write what they measured; exit 1 when one failed.

    Example: feedrank bench run scoring load --repeats 3 --out results.json
    """
    from dataclasses import asdict

    from benchmarks.runs import run as run_all
    from benchmarks.suite import chosen

    benchmarks = chosen(names or [])
    with progress(quiet=as_json) as tell:
        results = run_all(benchmarks, quick=quick, repeats=repeats, out=out, data=data, add=add, tell=tell)
    failed = {name: one.failures[0] for name, one in results.measured.items() if one.failures}
    if as_json:
        print_json(asdict(results))
    else:
        _print(results)
        for name, words in failed.items():
            console.print(f"\n{name} failed:\n{words}", markup=False, highlight=False)
    raise typer.Exit(1 if failed else 0)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Results, of `feedrank bench run`.")],
    after: Annotated[Path, typer.Argument(help="Later ones.")],
    tolerance: Annotated[float, typer.Option(min=0, help="Share by which a figure may get worse.")] = 0.05,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the intervals.")] = 0.99,
    across_machines: Annotated[bool, typer.Option(help="Compare although the machines differ.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also what can't be told apart.")] = False,
    as_json: Json = False,
) -> None:
    """Print ratios with their intervals; exit 1 on a regression: worse by more than chance and tolerance.

    Example: feedrank bench compare before.json after.json --tolerance 0.05
    """
    from dataclasses import asdict

    from benchmarks.comparison import compare as compare_results
    from benchmarks.results import Results

    one, other = (Results.load(existing(path)) for path in (before, after))
    found = compare_results(
        one, other, tolerance=tolerance, confidence=confidence, across_machines=across_machines
    )
    if as_json:
        print_json(asdict(found))
    else:
        _print_comparison(found, every)
    raise typer.Exit(1 if found.regressions else 0)


@bench.command()
def report(
    results: Annotated[Path, typer.Argument(help="Results, of `feedrank bench run`.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("report"),
    readme: Annotated[Path | None, typer.Option(help="A text that shows the first figures too.")] = None,
) -> None:
    """Write the results as HTML and Markdown, with pictures.

    Example: feedrank bench report results.json --out report
    """
    from benchmarks import pages
    from benchmarks.results import Results

    found = Results.load(existing(results))
    console.print(str(pages.write(found, out)))
    if readme is not None:
        pages.write_into(existing(readme), found, out)


def _print(results: "Results") -> None:
    from benchmarks.pages import headline_rows

    shown = table("benchmark", "what", "median", "lowest", "highest", "unit")
    for row in headline_rows(results):
        shown.add_row(row.benchmark, row.words, row.median, row.low, row.high, row.unit)
    console.print(shown)


def _print_comparison(found: "Comparison", every: bool) -> None:
    shown = table("benchmark", "key", "before", "after", "ratio", "interval", "")
    for one in found.changes:
        if every or one.verdict != "not distinguishable":
            shown.add_row(*_cells(one))
    console.print(shown)
    same = sum(one.verdict == "not distinguishable" for one in found.changes)
    console.print(
        f"{len(found.changes)} figures: {same} not distinguishable, {len(found.regressions)} worse."
    )
    for sentence in found.left_out:
        console.print(f"left out: {sentence}", markup=False, highlight=False)


def _cells(one: "Change") -> tuple[str, ...]:
    interval = "{:.3f} to {:.3f}".format(*one.interval) if one.interval else "none"
    return (
        one.benchmark,
        one.key,
        f"{one.before:.4g}",
        f"{one.after:.4g}",
        f"{one.ratio:.3f}",
        interval,
        one.verdict,
    )
