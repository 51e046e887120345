"""The command `feedrank train`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from training.commands.shared import Json, console, existing, progress

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from training.train import Trained

app = typer.Typer()


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
    with progress(quiet=as_json) as tell:
        tell("replaying the history")
        examples = (
            histories.examples_of_data_folder(data, journal)
            if data is not None
            else histories.examples_of_data_set(existing(source))
        )
        tell(f"training on {len(examples):,} examples")
        path, trained = run(examples, folder, licence, Knobs(seed=seed), lambda head: tell(f"trained {head}"))
    if activate:
        _activate(activate, path.name)
    _print_training(path, trained, as_json)


def _activate(address: str, version: str) -> None:
    import feedrank

    with feedrank.Client(address) as client:
        client.activate_model(version)


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
