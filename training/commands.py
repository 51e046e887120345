"""The command line of training: parse, call one library function, print.

Mounted on the command `feedrank` by the entry-point group "feedrank.commands".
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from training.evaluate import Comparison
    from training.metrics import Figure
    from training.train import Trained

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
console = Console()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def train(
    data: Annotated[Path | None, typer.Option(help="A server's data folder.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="A data set that can be imported.")] = None,
    journal: Annotated[str, typer.Option(help="With --data: the server's own journal, redis://host.")] = "",
    models: Annotated[
        Path | None, typer.Option(help="Where the bundle goes. With --data: its models folder.")
    ] = None,
    activate: Annotated[str, typer.Option(help="A server to put the bundle into service: host:port.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, for the bundle's manifest.")] = "unknown",
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 7,
    as_json: Json = False,
) -> None:
    """Train a bundle by replaying a history.

    Example: feedrank train --data ./feedrank-data --activate 127.0.0.1:50051
    """
    from training import histories
    from training.train import Knobs
    from training.train import train as run

    if (data is None) == (source is None):
        raise typer.BadParameter("give either --data or --from", param_hint="--data / --from")
    folder = models or (data / "models" if data is not None else Path("models"))
    with _progress(quiet=as_json) as tell:
        tell("replaying the history")
        examples = (
            histories.examples_of_data_folder(data, journal)
            if data is not None
            else histories.examples_of_data_set(_existing(source))
        )
        tell(f"training on {len(examples):,} examples")
        path, trained = run(examples, folder, licence, Knobs(seed=seed), lambda head: tell(f"trained {head}"))
    if activate:
        _activate(activate, path.name)
    _print_training(path, trained, as_json)


@app.command()
def evaluate(
    kind: Annotated[str, typer.Argument(help="Whose protocol: ranklens or polis.")],
    path: Annotated[Path, typer.Argument(help="Where the data set lies.")],
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Models to train and average over.")] = 3,
    as_json: Json = False,
) -> None:
    """Compare the model with simple baselines on a public data set.

    ranklens: The last 20 % of the lists in time are ranked, each by what came before it.

    polis: Each viewer's last 30 % of votes are ranked by the first 70 % of all viewers; other people's
    votes among these may be later than the ranked ones.

    Example: feedrank evaluate polis ../shared/data/polis_scoop
    """
    from training.evaluate import EVALUATIONS
    from training.evaluate import evaluate as run
    from training.importers import IMPORTERS

    if kind not in EVALUATIONS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(EVALUATIONS)}", param_hint="KIND")
    if not IMPORTERS[kind].recognises(_existing(path)):
        raise typer.BadParameter(f"{path} holds no {kind} data", param_hint="PATH")
    with _progress(quiet=as_json) as tell:
        comparison = run(kind, path, range(1, seeds + 1), tell)
    if as_json:
        typer.echo(json.dumps(comparison.document(), indent=2))
    else:
        _print_comparison(comparison)


def _existing(path: Path | None) -> Path:
    if path is None or not path.exists():
        raise typer.BadParameter(f"{path} does not exist", param_hint="PATH")
    return path


def _activate(address: str, version: str) -> None:
    import feedrank

    with feedrank.Client(address) as client:
        client.activate_model(version)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda doing: progress.update(task, description=doing)


def _print_training(path: Path, trained: "Trained", as_json: bool) -> None:
    heads = {
        name: {"examples": head.facts.examples, "positives": head.facts.positives, **head.metrics}
        for name, head in trained.heads.items()
    }
    if as_json:
        typer.echo(json.dumps({"bundle": str(path), "heads": heads, "left_out": trained.left_out}, indent=2))
        return
    table = Table("head", "examples", "positives", "trees", "AUC", "log loss", "base rate", title=str(path))
    for name, head in trained.heads.items():
        figures = (f"{head.metrics[key]:.4f}" for key in ("auc", "log_loss", "base_rate"))
        counts = (head.facts.examples, head.facts.positives, head.booster.num_trees())
        table.add_row(name, *(f"{count:,}" for count in counts), *figures)
    console.print(table)
    for name, reason in trained.left_out.items():
        console.print(f"{name} is left out: {reason}")


def _print_comparison(comparison: "Comparison") -> None:
    title = f"{comparison.data}: {comparison.metric} over {comparison.units:,} {comparison.unit}"
    table = Table(
        "", comparison.metric, "standard error", "gain of the model", title=title, caption=comparison.protocol
    )
    table.add_row("model", *_cells(comparison.model), "")
    for name, figure in comparison.baselines.items():
        table.add_row(name, *_cells(figure), _gain(comparison.gains[name]))
    for name, figure in comparison.parts.items():
        table.add_row(f"model on {name}", *_cells(figure), "")
    console.print(table)
    seeds = ", ".join(map(str, comparison.seeds))
    console.print(f"Trained on {comparison.examples:,} impressions; mean over the seeds {seeds}.")


def _cells(figure: "Figure") -> tuple[str, str]:
    return f"{figure.value:.4f}", f"{figure.standard_error:.4f}"


def _gain(figure: "Figure") -> str:
    sure = abs(figure.value) > 1.96 * figure.standard_error
    return f"{figure.value:+.4f} ± {figure.standard_error:.4f}{'' if sure else ', not distinguishable'}"
