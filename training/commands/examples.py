"""The command `feedrank examples`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.shared import Data, Journal, Json, Source, console, existing, print_sheet, progress
from training.sheets import Sheet

if TYPE_CHECKING:  # the command line starts fast: Numba loads when it is needed
    from training.example_files import Manifest

app = typer.Typer()


@app.command()
def examples(
    out: Annotated[Path, typer.Option(help="A new folder for the examples.")],
    data: Data = None,
    source: Source = None,
    journal: Journal = "",
    heads: Annotated[
        str, typer.Option(help="Heads to label, as click,like; rows wait for the longest horizon.")
    ] = "",
    seen: Annotated[
        str,
        typer.Option(help="Must an event say that a served post was seen: yes, no, auto (if any says so)."),
    ] = "auto",
    wait_s: Annotated[
        float, typer.Option(min=0, help="Wait past the horizon, for events that come late.")
    ] = 0,
    negatives: Annotated[float, typer.Option(help="Chance to keep a row that nothing followed.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A rule against bots, rule=value, or a TOML file of rules.")
    ] = None,
    stays: Annotated[
        bool, typer.Option("--stays", help="The files stay in the network: keep who refuses export only.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of the data, for the manifest.")] = "unknown",
    as_json: Json = False,
) -> None:
    """Make examples: what was served, exactly as it was served, and what followed.

    --data joins the impressions log with the journal, or replays the journal where nothing is logged; --from
    replays a data set. The rules of --exclude: viewers=PATTERN, actions_an_hour=N, answers_a_day=N,
    clicks_without_dwell=N. Who refuses training is left out, and who refuses export too, save with --stays.

    Example: feedrank examples --data ./feedrank-data --out ./examples --negatives 0.2
    Example: feedrank examples --from ./history.jsonl --out ./examples --exclude "viewers=test-*"
    """
    from training import example_files, histories
    from training.examples import Choices
    from training.exclusions import Exclusions

    if (data is None) == (source is None):
        raise typer.BadParameter("give either --data or --from", param_hint="--data / --from")
    choices = Choices.of(
        heads=tuple(heads.split(",")) if heads else None,
        seen=seen,
        wait_s=wait_s,
        negatives=negatives,
        seed=seed,
        exclude=Exclusions.of(exclude or []),
        leaves=not stays,
        licence=licence,
    )
    example_files.refuse_existing(out)
    with progress(quiet=as_json) as tell:
        found = histories.example_set(
            data=data,
            source=existing(source) if source else None,
            journal_url=journal,
            choices=choices,
            tell=tell,
        )
        tell(f"writing {len(found.examples):,} examples")
        manifest = example_files.write(out, found)
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
    else:
        _print_summary(out, manifest)


def _print_summary(out: Path, manifest: "Manifest") -> None:
    title = f"{out}: {manifest.rows:,} examples by {manifest.about.made_by}"
    rows = [
        (head, f"{positives:,}", f"{positives / manifest.rows:.3%}")
        for head, positives in manifest.positives.items()
        if positives
    ]
    print_sheet(Sheet(title, ("head", "positives", "share of the rows"), rows))
    if none := [head for head in manifest.about.heads if not manifest.positives[head]]:
        console.print(f"Without positives: {', '.join(none)}.")
    for what, count in manifest.about.counts.items():
        if count:
            console.print(f"{count:>12,}  {what.replace('_', ' ')}")
    if not manifest.rows:
        console.print("Rows wait for the longest horizon, a day; with --heads click,dwell only an hour.")
