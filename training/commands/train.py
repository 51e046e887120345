"""The commands `feedrank train` and `feedrank reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ranker.terminal import Json, console, print_json
from training.commands.shared import Data, Examples, Journal, Source, existing, print_sheet, progress
from training.sheets import Sheet

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from training.examples import ExampleSet
    from training.train import HeadModel, Knobs, Trained

app = typer.Typer()


@app.command()
def train(
    examples: Examples = None,
    data: Data = None,
    source: Source = None,
    journal: Journal = "",
    models: Annotated[
        Path | None, typer.Option(help="Where the bundle goes. With --data: its models folder.")
    ] = None,
    activate: Annotated[str, typer.Option(help="A server to put the bundle into service: host:port.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, where the examples do not say.")] = "",
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 7,
    seeds: Annotated[
        int, typer.Option(min=1, max=20, help="Train so many times; the bundle averages, the table spreads.")
    ] = 1,
    position: Annotated[
        str, typer.Option(help="The pull of the place: auto, ignored, place or propensity.")
    ] = "auto",
    ranking: Annotated[bool, typer.Option(help="Also learn the order as such, with LambdaRank.")] = False,
    quick: Annotated[bool, typer.Option(help="Few trees: seconds instead of minutes.")] = False,
    search: Annotated[float, typer.Option(min=0, help="Minutes to search for better knobs before.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Where plots and their page go.")] = None,
    as_json: Json = False,
) -> None:
    """Train a bundle from examples, a server's log joined with its journal, or a data set.

    The figures are of the last part in time, which neither training nor calibration has seen; the bundle
    is then trained on all.

    Example: feedrank train --data ./feedrank-data --report ./report --activate 127.0.0.1:50051
    """
    from training import search as tuning
    from training.report import write
    from training.train import QUICK, Knobs
    from training.train import train as run

    folder = models or (data / "models" if data is not None else Path("models"))
    turned = {"seed": seed, "seeds": seeds, "position": _position(position), "ranking": ranking}
    knobs = (QUICK if quick else Knobs()).model_copy(update=turned)
    with progress(quiet=as_json) as tell:
        found = _example_set(examples, data, source, journal, tell)
        if search:
            knobs = tuning.search(found.examples, knobs, search * 60, tell).knobs
        tell(f"training on {len(found.examples):,} examples")
        path, trained = run(found, folder, licence, knobs, tell, str(examples or data or source))
        if report is not None:
            tell("drawing the report")
            write(report, trained, path.name)
    if activate:
        _activate(activate, path.name)
    _print_training(path, trained, knobs, as_json)
    if report is not None and not as_json:
        console.print(f"The report is {report / 'index.html'}.")


@app.command()
def reproduce(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    examples: Annotated[Path, typer.Option(help="The examples that it was trained on.")],
    as_json: Json = False,
) -> None:
    """Train a bundle again from its manifest, and compare it bit for bit.

    Exits with 1 where the result differs.

    Example: feedrank reproduce models/20261122-101500-3fa2 --examples ./examples
    """
    from training import example_files
    from training.reproduce import differences

    with progress(quiet=as_json) as tell:
        tell("reading the examples")
        found = differences(existing(bundle), example_files.read(existing(examples)), tell)
    if as_json:
        print_json({"bundle": str(bundle), "same": not found, "differences": found}, indent=2)
    elif not found:
        console.print(f"{bundle.name} is what its manifest and the examples make, bit for bit.")
    else:
        console.print(f"{bundle.name} is not what its manifest and the examples make: {'; '.join(found)}.")
    if found:
        raise typer.Exit(1)


def _position(position: str) -> str:
    from training.position import Position

    known = get_args(Position)
    if position not in known:
        raise typer.BadParameter(f"{position!r} is none of {', '.join(known)}", param_hint="--position")
    return position


def _example_set(
    examples: Path | None, data: Path | None, source: Path | None, journal: str, tell: Any
) -> "ExampleSet":
    from training import example_files, histories

    if sum(given is not None for given in (examples, data, source)) != 1:
        raise typer.BadParameter("give one of --examples, --data and --from", param_hint="--examples")
    if examples is not None:
        tell("reading the examples")
        return example_files.read(examples)
    tell("replaying the history")
    if data is not None:
        return histories.example_set(data=data, journal_url=journal)
    return histories.example_set(source=existing(source))


def _activate(address: str, version: str) -> None:
    import feedrank

    with feedrank.Client(address) as client:
        client.activate_model(version)


def _print_training(path: Path, trained: "Trained", knobs: "Knobs", as_json: bool) -> None:
    if as_json:
        print_json(_document(path, trained, knobs), indent=2)
        return
    print_sheet(_sheet(path, trained))


def _sheet(path: Path, trained: "Trained") -> Sheet:
    learned, watched, tested = trained.sizes
    columns = ("head", "positives", "trees", "curve", "AUC", "log loss", "base", "error")
    figures = ("auc", "log_loss", "base_log_loss", "calibration_error")
    rows = [
        (
            name,
            f"{head.facts.positives:,}",
            f"{head.facts.trees:,}",
            head.facts.calibration.kind,
            *(_figure(head, key) for key in figures),
        )
        for name, head in trained.heads.items()
    ]
    order = ", ".join(f"{name} {value:.4f}" for name, value in trained.figures.items())
    return Sheet(
        str(path),
        columns,
        rows,
        (
            f"Figures of {tested:,} examples, the last; {learned:,} learned from, {watched:,} watched.",
            "The bundle then learned from all. base: log loss of the rate alone; error: of the calibration.",
            *(f"{name} is left out: {reason}" for name, reason in trained.left_out.items()),
            f"Of the value: {order}. Position: {trained.position}.",
        ),
    )


def _figure(head: "HeadModel", key: str) -> str:
    spread = f" ± {head.spread[key]:.4f}" if head.spread else ""
    return f"{head.metrics[key]:.4f}{spread}"


def _document(path: Path, trained: "Trained", knobs: "Knobs") -> dict[str, Any]:
    heads = {
        name: {
            "examples": head.facts.examples,
            "positives": head.facts.positives,
            "trees": head.facts.trees,
            "calibration": head.facts.calibration.kind,
            **head.metrics,
            "spread": head.spread,
        }
        for name, head in trained.heads.items()
    }
    sizes = dict(zip(("learned", "watched", "tested"), trained.sizes, strict=True))
    rest = {"left_out": trained.left_out, "position": trained.position, "knobs": knobs.model_dump()}
    return {"bundle": str(path), "heads": heads, **trained.figures, "examples": sizes, **rest}
