"""The command `feedrank evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.shared import Examples, Json, existing, print_json, print_sheet, progress

if TYPE_CHECKING:  # the command line starts fast: LightGBM and Numba load when they are needed
    from collections.abc import Callable

    from training.examples import ExampleSet
    from training.leaks import Check
    from training.public import Result

app = typer.Typer()


@app.command()
def evaluate(
    kind: Annotated[
        str, typer.Argument(help="A public set's protocol: ranklens, polis, lambdarank or obd.")
    ] = "",
    path: Annotated[Path | None, typer.Argument(help="Where the public set lies.")] = None,
    examples: Examples = None,
    model: Annotated[
        Path | None, typer.Option(help="With --examples: a bundle's folder. Empty: one is trained.")
    ] = None,
    tested: Annotated[float, typer.Option(min=0.01, max=0.9, help="The test: the last share in time.")] = 0.2,
    leaks: Annotated[
        bool, typer.Option(help="Look for features that know the future; exit 1 on one.")
    ] = True,
    history: Annotated[
        Path | None,
        typer.Option(help="A data folder or data set: replay it with outcomes drawn by dice, to find leaks."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Models to train and average over.")] = 3,
    as_json: Json = False,
) -> None:
    """Judge a model beside simple baselines: on examples, or on a public data set.

    With --examples, the last fifth in time is ranked by a bundle, or by a model trained on what came before.

    ranklens: The last 20 % of the lists in time are ranked, each by what came before it.

    polis: Each viewer's last 30 % of votes are ranked by the first 70 % of all viewers; other people's
    votes among these may be later than the ranked ones.

    lambdarank: LightGBM's train.conf, 100 trees, and seed 0, of which the known figures are; other seeds give
    0.58 to 0.65 at 1. Graded labels 0 to 4, test queries of their own.

    obd: The click rate of each policy, estimated from the other's log; beside it what the policy earned
    itself.

    Example: feedrank evaluate polis ../shared/data/polis_scoop
    """
    if (examples is None) == (not kind):
        raise typer.BadParameter("name a public set and its path, or give --examples", param_hint="KIND")
    with progress(quiet=as_json) as tell:
        if examples is not None:
            result, checks = _on_examples(existing(examples), model, tested, leaks, tell)
        else:
            result, checks = _on_public(kind, existing(path), seeds, tell), []
        if history is not None:
            checks = [*checks, _replayed(existing(history), tell)]
    _print(result, checks, as_json)
    if any(check.leak for check in checks):
        raise typer.Exit(1)


def _on_public(kind: str, path: Path, seeds: int, tell: "Callable[[str], None]") -> "Result":
    from training.public import EVALUATIONS
    from training.public import evaluate as run

    if kind not in EVALUATIONS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(EVALUATIONS)}", param_hint="KIND")
    if not EVALUATIONS[kind].recognises(path):
        raise typer.BadParameter(f"{path} holds no {kind} data", param_hint="PATH")
    return run(kind, path, range(1, seeds + 1), tell)


def _on_examples(
    folder: Path, model: Path | None, tested: float, leaks: bool, tell: "Callable[[str], None]"
) -> "tuple[Result, list[Check]]":
    from ranker import bundle, features, heads
    from training.evaluate import Knobs, evaluate, trained_before
    from training.example_files import read
    from training.leaks import check

    tell("reading")
    data: ExampleSet = read(folder)
    knobs = Knobs(tested=tested)
    if model is None:
        tell("training on the earlier part")
        scorer, until_ms = trained_before(data, knobs, tell)
    else:
        loaded = bundle.load(existing(model), features.NAMES, heads.NAMES)
        learned = [head.name for head in loaded.manifest.heads]
        scorer, until_ms = loaded, loaded.manifest.to_ms + heads.longest_ms(learned)
    result = evaluate(data, scorer, knobs, tell, until_ms)
    return result, check(data.examples, tell) if leaks else []


def _replayed(path: Path, tell: "Callable[[str], None]") -> "Check":
    from training import histories, importers
    from training.leaks import drawn_outcomes

    tell("leak check: replaying dice")
    of_server = (path / "journal").is_dir()
    records = histories.entries_of(path) if of_server else histories.of_rows(importers.read(path))
    return drawn_outcomes(records)


def _print(result: "Result", checks: "list[Check]", as_json: bool) -> None:
    if as_json:
        found = {"leaks": [vars(check) for check in checks]} if checks else {}
        print_json({**result.document(), **found}, indent=2)
        return
    for sheet in result.sheets():
        print_sheet(sheet)
    for check in checks:
        typer.secho(f"{'LEAK' if check.leak else 'ok'}  {check.name}: {check.sentence}", bold=check.leak)
