"""The commands `feedrank models …`: bundles in and out of service, and what they are."""

from pathlib import Path
from typing import Annotated, Any

import feedrank
import typer

from ranker.terminal import DEFAULT_ADDRESS, Address, Json, console, document_of, print_json, table

app = typer.Typer(
    help="Put models into service, take them out again, and compare them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Option("--models", help="The folder that holds the bundles.")]
DEFAULT_FOLDER = Path("feedrank-data/models")


@app.command(name="list")
def list_models(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """List a server's bundles, the newest first, with what each is used for.

    Example: feedrank models list
    """
    with feedrank.Client(address) as client:
        listed, active = client.list_models(), client.status().model_version
    if as_json:
        return print_json({"active": active, "models": [document_of(one) for one in listed]})
    shown = table("version", "in service as", "heads", "examples", "remarks")
    for one in listed:
        remarks = "; ".join(filter(None, [one.problem, _retrain(one.saw_erased)]))
        shown.add_row(one.version, _use(one), str(len(one.heads)), f"{one.examples:,}", remarks)
    console.print(shown)
    return console.print(f"{active} is active.")


def _use(model: feedrank.Model) -> str:
    uses = (["active"] if model.active else []) + (["shadow"] if model.shadow else [])
    return ", ".join([*uses, *(f"variant {name}" for name in model.variants)])


@app.command()
def show(
    version: Annotated[str, typer.Argument(help="The bundle's version.")],
    models: Folder = DEFAULT_FOLDER,
    as_json: Json = False,
) -> None:
    """Print what a bundle's manifest says.

    Example: feedrank models show 20261122-101500 --models feedrank-data/models
    """
    from ranker import manifests

    found = manifests.find(models, version)
    if as_json:
        assert found.manifest is not None
        remarks = {"problem": found.problem, "saw_erased": found.saw_erased}
        return print_json(found.manifest.model_dump(mode="json") | remarks)
    shown = table("", "")
    for path, value in manifests.facts(found).items():
        shown.add_row(path.replace("_", " "), manifests.text(path, value))
    console.print(shown)
    if found.saw_erased:
        _say(_retrain(found.saw_erased))
    return console.print(f"It can't be activated: {found.problem}") if found.problem else None


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="A bundle's version.")],
    second: Annotated[str, typer.Argument(help="The version to compare it with.")],
    models: Folder = DEFAULT_FOLDER,
    as_json: Json = False,
) -> None:
    """Print what two bundles' manifests say differently; of lists, what each has alone.

    Example: feedrank models diff 20261122-101500 20261129-101500
    """
    from ranker import manifests

    found = manifests.difference(*(manifests.facts(manifests.find(models, one)) for one in (first, second)))
    if as_json:
        return print_json(vars(found))
    shown = table("", first, second)
    for path, (one, other) in found.changed.items():
        shown.add_row(path.replace("_", " "), *manifests.change(path, one, other))
    for path, value in found.only_first.items():
        shown.add_row(path.replace("_", " "), manifests.text(path, value), "")
    for path, value in found.only_second.items():
        shown.add_row(path.replace("_", " "), "", manifests.text(path, value))
    return console.print(shown)


@app.command()
def activate(
    version: Annotated[str, typer.Argument(help="A version of `feedrank models list`, or prior.")],
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Put a bundle into service.

    Example: feedrank models activate 20261122-101500
    """
    with feedrank.Client(address) as client:
        told, runs = client.activate_model(version), client.get_experiment()
    if as_json:
        return print_json(document_of(told))
    _say(f"{version} is active; {told.previous_version} was before.")
    return _say(f"Viewers get it when the experiment {runs.name} is stopped.") if runs else None


@app.command()
def rollback(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Put the model back that was active before this one; again, the one before that.

    Example: feedrank models rollback
    """
    with feedrank.Client(address) as client:
        told = client.rollback_model()
    if as_json:
        return print_json(document_of(told))
    return _say(f"{told.version} is active again; {told.previous_version} is not any more.")


@app.command()
def shadow(
    version: Annotated[str, typer.Argument(help="A version of `feedrank models list`, or prior.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Have no shadow model.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Have a bundle score what others serve, for the impressions log only.

    Example: feedrank models shadow 20261122-101500
    Example: feedrank models shadow --off
    """
    if bool(version) == off:
        raise typer.BadParameter("give either a version or --off", param_hint="VERSION / --off")
    with feedrank.Client(address) as client:
        told = client.set_shadow_model(version)
    if as_json:
        return print_json(document_of(told))
    return _say(f"The shadow model is {version or 'none'}; it was {told.previous_version or 'none'}.")


def _retrain(saw_erased: int) -> str:
    people = "person" if saw_erased == 1 else "people"
    return f"retrain: saw {saw_erased:,} erased {people}" if saw_erased else ""


def _say(sentence: Any) -> None:
    console.print(sentence, highlight=False, markup=False)
