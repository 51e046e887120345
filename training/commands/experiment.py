"""The commands `feedrank experiment …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ranker.terminal import DEFAULT_ADDRESS, Address, Json, console, document_of, print_json, table
from training.commands.shared import Data, Journal, existing, progress

if TYPE_CHECKING:  # the command line starts fast
    import feedrank

    from training.experiment import Reading, Readout

app = typer.Typer()
group = typer.Typer(
    help="Give viewers different models, and read out what that did.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(group, name="experiment")

Name = Annotated[str, typer.Argument(help="The experiment's name.")]


@group.command()
def start(
    name: Name,
    variants: Annotated[
        list[str],
        typer.Option("--variant", help="Name, model and percent of the viewers, such as new=20261122:50."),
    ],
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Start an experiment; the first variant is the one that others are compared with.

    Example: feedrank experiment start taste-2 --variant old=prior:50 --variant new=20261122-101500:50
    """
    import feedrank

    with feedrank.Client(address) as client:
        told = client.start_experiment(name, [_variant(one) for one in variants])
    print_json(document_of(told)) if as_json else console.print(f"{name} runs.", highlight=False)


@group.command()
def stop(name: Name, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Stop an experiment: the active model serves all viewers again.

    Example: feedrank experiment stop taste-2
    """
    import feedrank

    with feedrank.Client(address) as client:
        told = client.stop_experiment(name)
    print_json(document_of(told)) if as_json else console.print(f"{name} has ended.", highlight=False)


@group.command()
def status(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Print the experiment that runs.

    Example: feedrank experiment status
    """
    import feedrank

    with feedrank.Client(address) as client:
        runs = client.get_experiment()
    if as_json:
        return print_json({"experiment": document_of(runs) if runs else None})
    if runs is None:
        return console.print("No experiment runs.")
    shown = table("variant", "model", "share")
    for one in runs.variants:
        shown.add_row(one.name, one.model_version, f"{one.share_basis_points / 100:g} %")
    console.print(f"{runs.name} runs.", highlight=False)
    return console.print(shown)


@group.command()
def readout(
    name: Name,
    data: Data = None,
    journal: Journal = "",
    heads: Annotated[str, typer.Option(help="With --data: heads to read out, as click,like; else all.")] = "",
    examples: Annotated[Path | None, typer.Option(help="A folder of examples, of all rows.")] = None,
    share: Annotated[
        list[str] | None, typer.Option(help="With --examples: each variant's percent, such as new=50.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what an experiment did to its viewers, per head and in total, with 95 % intervals.

    A post counts when the longest horizon of the heads has passed: a day, or an hour with --heads click.

    Example: feedrank experiment readout taste-2 --data ./feedrank-data
    """
    from training import example_files
    from training.examples import Choices
    from training.experiment import of_data_folder, read_out

    if (data is None) == (examples is None):
        raise typer.BadParameter("give either --data or --examples", param_hint="--data / --examples")
    shares = dict(map(_share, share or []))
    with progress(quiet=as_json) as tell:
        if data is not None:
            choices = Choices.of(heads=tuple(heads.split(",")) if heads else None)
            told = of_data_folder(existing(data), name, journal, choices, tell)
        elif len(shares) > 1:
            told = read_out(example_files.read(existing(examples)), name, shares)
        else:
            raise typer.BadParameter("give the share of each variant", param_hint="--share")
    typer.echo(told.model_dump_json()) if as_json else _print_readout(told)


def _variant(words: str) -> "feedrank.ExperimentVariant":
    """A variant as it is typed.

    >>> _variant("new=m1:12.5").share_basis_points
    1250
    """
    import feedrank

    name, _, rest = words.partition("=")
    model, _, percent = rest.rpartition(":")
    try:
        points = round(100 * float(percent))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{words!r} is not name=model:percent, such as new=20261122:50", param_hint="--variant"
        ) from error
    return feedrank.ExperimentVariant(name=name, model_version=model, share_basis_points=points)


def _share(words: str) -> tuple[str, float]:
    name, _, percent = words.partition("=")
    try:
        share = float(percent)
    except ValueError:
        share = 0
    if not 0 < share <= 100:
        raise typer.BadParameter(f"{words!r} is not name=percent, such as new=50", param_hint="--share")
    return name, share


def _print_readout(told: "Readout") -> None:
    from ranker.heads import VALUE

    sizes = table("variant", "share", "viewers", "answers", "posts", "value per viewer", "value per post")
    for one in told.readings:
        counts = (f"{count:,}" for count in (one.viewers, one.answers, one.posts))
        rates = (f"{rate[VALUE].value:.4f}" for rate in (one.per_viewer, one.per_post))
        sizes.add_row(one.variant, f"{one.share:.1%}", *counts, *rates)
    console.print(f"{told.experiment}: value is the weighted sum of the heads", highlight=False)
    console.print(sizes)
    for one in told.readings[1:]:
        _print_differences(one, told.readings[0])
    console.print(
        f"Intervals are of 95 %, by viewer. {told.comparisons} differences are compared: those called alone "
        "leave 0 out of their own interval, but not when Holm corrects for so many.",
        highlight=False,
    )
    if told.in_several_variants:
        console.print(f"{told.in_several_variants:,} viewers had several variants and are left out.")
    _print_sample_ratio(told)


def _print_differences(one: "Reading", first: "Reading") -> None:
    console.print(f"\n{one.variant} against {first.variant}", highlight=False)
    shown = table("", "", first.variant, one.variant, "difference", "95 % interval", "")
    for unit, rates, before, differences in (
        ("per viewer", one.per_viewer, first.per_viewer, one.per_viewer_difference),
        ("per post", one.per_post, first.per_post, one.per_post_difference),
    ):
        for metric, found in differences.items():
            values = (before[metric].value, rates[metric].value)
            if any(values):
                shown.add_row(
                    metric,
                    unit,
                    *(f"{value:.4f}" for value in values),
                    f"{found.value:+.4f}",
                    f"{found.low:+.4f} to {found.high:+.4f}",
                    found.verdict,
                )
    console.print(shown)
    undone = [
        name for name, rate in one.per_post.items() if not rate.value and not first.per_post[name].value
    ]
    if undone:
        console.print(f"Nobody did: {', '.join(undone)}.")


def _print_sample_ratio(told: "Readout") -> None:
    if told.sample_ratio_mismatch:
        console.print(
            f"SAMPLE RATIO MISMATCH (p = {told.sample_ratio_p:.2g}): viewers do not divide as the shares "
            "say, so believe no difference above. Look for what loses viewers of one variant: errors, slow "
            "answers, a model that can't be loaded, a share that was changed.",
            style="bold red",
            highlight=False,
        )
    else:
        console.print(f"Viewers divide as the shares say (p = {told.sample_ratio_p:.2g}).", highlight=False)
