"""The command `feedrank evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from training.commands.shared import Json, existing, print_sheet, progress

app = typer.Typer()


@app.command()
def evaluate(
    kind: Annotated[str, typer.Argument(help="Whose protocol: ranklens, polis, lambdarank or obd.")],
    path: Annotated[Path, typer.Argument(help="Where the data set lies.")],
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Models to train and average over.")] = 3,
    as_json: Json = False,
) -> None:
    """Compare a model with simple baselines, on a public data set.

    ranklens: The last 20 % of the lists in time are ranked, each by what came before it.

    polis: Each viewer's last 30 % of votes are ranked by the first 70 % of all viewers; other people's
    votes among these may be later than the ranked ones.

    lambdarank: LightGBM's train.conf, 100 trees, and seed 0, of which the known figures are; other seeds give
    0.58 to 0.65 at 1. Graded labels 0 to 4, test queries of their own.

    obd: The click rate of each policy, estimated from the other's log; beside it what the policy earned
    itself.

    Example: feedrank evaluate polis ../shared/data/polis_scoop
    """
    from training.public import EVALUATIONS
    from training.public import evaluate as run

    if kind not in EVALUATIONS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(EVALUATIONS)}", param_hint="KIND")
    if not EVALUATIONS[kind].recognises(existing(path)):
        raise typer.BadParameter(f"{path} holds no {kind} data", param_hint="PATH")
    with progress(quiet=as_json) as tell:
        result = run(kind, path, range(1, seeds + 1), tell)
    if as_json:
        typer.echo(json.dumps(result.document(), indent=2))
    else:
        for sheet in result.sheets():
            print_sheet(sheet)
