"""The command `feedrank counterfactual`."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.shared import Json, existing, print_json, print_sheet, progress

app = typer.Typer()


@app.command()
def counterfactual(
    examples: Annotated[Path, typer.Option(help="Examples of an impressions log, by `feedrank examples`.")],
    model: Annotated[Path, typer.Option(help="The candidate: a bundle's folder.")],
    as_json: Json = False,
) -> None:
    """What a candidate's order of the logged pages would have earned, from what chance has shown.

    Needs the propensities of the impressions log. Says how much of the candidate the log has seen, and warns
    where that is little.

    Example: feedrank counterfactual --examples ./examples --model ./feedrank-data/models/20261122-101500-ab12
    """
    from ranker import bundle, features, heads
    from training.example_files import read
    from training.orders import orders

    with progress(quiet=as_json) as tell:
        tell("reading")
        scorer = bundle.load(existing(model), features.NAMES, heads.NAMES)
        data = read(existing(examples))
        tell("estimating")
        found = orders(data, scorer)
    if as_json:
        print_json(found.document(), indent=2)
        return
    for sheet in found.sheets():
        print_sheet(sheet)
