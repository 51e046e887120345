"""The command `feedrank evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from training.commands.shared import Json, console, existing, progress

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from training.metrics import Figure
    from training.public.comparison import Comparison

app = typer.Typer()


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
    from training.importers import IMPORTERS
    from training.public import EVALUATIONS
    from training.public import evaluate as run

    if kind not in EVALUATIONS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(EVALUATIONS)}", param_hint="KIND")
    if not IMPORTERS[kind].recognises(existing(path)):
        raise typer.BadParameter(f"{path} holds no {kind} data", param_hint="PATH")
    with progress(quiet=as_json) as tell:
        comparison = run(kind, path, range(1, seeds + 1), tell)
    if as_json:
        typer.echo(json.dumps(comparison.document(), indent=2))
    else:
        _print_comparison(comparison)


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
