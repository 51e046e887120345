"""The commands `feedrank backup`, `restore` and `check`: a data folder copied, made again, and verified."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ranker.terminal import Json, console, print_json, table

app = typer.Typer(rich_markup_mode=None)

Config = Annotated[Path | None, typer.Option(help="A TOML file of settings.")]
Server = Annotated[str | None, typer.Option("--journal", help="The journal's server, where it is yours.")]


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file that ends in .tar.")],
    data: Annotated[Path | None, typer.Option(help="The data folder; a server may run on it.")] = None,
    journal: Server = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Copy a data folder, of one moment, to a new folder or file; the server goes on meanwhile.

    Example: feedrank backup backups/monday.tar --data ./feedrank-data
    """
    from ranker.backup import back_up

    with _progress(as_json) as say:
        manifest = back_up(_settings(config, data, journal), target, say)
    _print(manifest, as_json, f"{target} holds the data up to {manifest['position'] or 'nothing'}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `feedrank backup` made.")],
    data: Annotated[Path, typer.Option(help="The new data folder.")],
    replaces: Annotated[
        Path | None, typer.Option(help="The data folder that it replaces, which knows who was erased since.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a new data folder of a backup, with every file checked.

    Who was erased after the backup was taken is in it. --replaces names the data folder of then: those are
    erased again when a server starts on the new one. Keep its folder `erasures` and its people.key for that.

    Example: feedrank restore backups/monday.tar --data ./new-data --replaces ./feedrank-data
    """
    from ranker import backup as backups

    with _progress(as_json) as say:
        manifest = backups.restore(source, data, say, replaces)
    _print(manifest, as_json, f"{data} is ready: feedrank serve --data {data}")
    if not as_json:
        Console(stderr=True).print(_of_erased(manifest), soft_wrap=True)


def _of_erased(manifest: dict[str, Any]) -> str:
    """What is to be known of people who come back with a backup."""
    if (again := manifest["erased_again"]) is not None:
        people = "person who was" if again == 1 else "people who were"
        return f"{again} {people} erased since, and in the backup: the next start erases them again"
    taken = datetime.fromtimestamp(manifest["created_ms"] / 1000, UTC)
    return (
        f"warning: people who were erased after {taken:%Y-%m-%d %H:%M} UTC are in the backup, and come back "
        "with it: erase them again with Privacy.EraseUser, or restore with --replaces and the data folder of "
        "then, which knows who they are"
    )


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="The data folder; a server may run on it.")],
    deep: Annotated[bool, typer.Option("--deep", help="Fold it all again, and compare.")] = False,
    journal: Server = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Verify a data folder: snapshots, archive, journal, models and impressions. Exit 1 if anything is wrong.

    Example: feedrank check ./feedrank-data --deep
    """
    from ranker.check import check as checked

    with _progress(as_json) as say:
        found = list(checked(_settings(config, data, journal), deep=deep, say=say))
    wrong = sum(bool(one.repair) for one in found)
    if as_json:
        print_json({"sound": not wrong, "findings": [asdict(one) for one in found]})
    else:
        shown = table("what", "found", "repair")
        for one in found:
            shown.add_row(one.what, one.told, one.repair)
        console.print(shown)
        console.print(f"{wrong} of {len(found)} findings need a repair" if wrong else "all is sound")
    raise typer.Exit(bool(wrong))


def _settings(config: Path | None, data: Path | None, journal: str | None) -> Any:
    from ranker import settings

    given = {"data": data, "journal": journal}
    return settings.load(config, **{name: value for name, value in given.items() if value is not None})


def _print(manifest: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        return print_json(manifest)
    size = sum(one["bytes"] for one in manifest["files"].values())
    return console.print(f"{sentence} ({len(manifest['files'])} files, {size / 2**20:.1f} MiB)")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda doing: bar.update(task, description=doing)
