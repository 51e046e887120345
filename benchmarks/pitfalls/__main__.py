"""The command: measure, draw, print."""

import json as js
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from matplotlib.figure import Figure

from benchmarks.pitfalls import drawing, exposure, leaks, negatives, position, ratio
from benchmarks.report import emit
from training.report import STYLE

PITFALLS: dict[str, Callable[[Path], tuple[dict[str, Any], Figure]]] = {
    "leaks": leaks.measure,
    "position": position.measure,
    "exposure": exposure.measure,
    "negatives": negatives.measure,
    "sample_ratio": ratio.measure,
}


def main(
    data: Annotated[Path, typer.Option(help="The folder of the public data sets.")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/pictures"),
    only: Annotated[str, typer.Option(help=f"One of {', '.join(PITFALLS)}.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Show the pitfalls, such as `python -m benchmarks.pitfalls --only leaks`."""
    if only and only not in PITFALLS:
        raise typer.BadParameter(f"{only!r} is none of {', '.join(PITFALLS)}", param_hint="--only")
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in [only] if only else PITFALLS:
        with mpl.rc_context(STYLE):
            found[name], figure = PITFALLS[name](data)
            drawing.save(figure, out / f"{name}.png")
    emit(found if json else {name: js.dumps(one, indent=1) for name, one in found.items()}, json)


if __name__ == "__main__":
    typer.run(main)
