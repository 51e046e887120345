"""What the commands share: what is printed where, progress, and arguments that several check."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ranker.terminal import DEFAULT_ADDRESS, Address, Json, as_json, console, print_json, table
from training.sheets import Sheet

__all__ = [
    "DEFAULT_ADDRESS",
    "Address",
    "Data",
    "Examples",
    "Journal",
    "Json",
    "Source",
    "as_json",
    "console",
    "existing",
    "print_json",
    "print_sheet",
    "progress",
]

Data = Annotated[Path | None, typer.Option(help="A server's data folder.")]
Journal = Annotated[str, typer.Option(help="With --data: the server's own journal, redis://host.")]
Source = Annotated[Path | None, typer.Option("--from", help="A data set that can be imported.")]
Examples = Annotated[Path | None, typer.Option(help="Examples that `feedrank examples` made.")]


def existing(path: Path | None) -> Path:
    """A path that must be there."""
    if path is None or not path.exists():
        raise typer.BadParameter(f"{path} does not exist", param_hint="PATH")
    return path


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda doing: bar.update(task, description=doing)


def print_sheet(sheet: Sheet) -> None:
    """A table, and below it what must be read beside it."""
    made = table(*sheet.columns)
    for row in sheet.rows:
        made.add_row(*row)
    console.print(f"\n{sheet.title}", style="bold", highlight=False, markup=False)
    console.print(made)
    for note in sheet.notes:
        console.print(note, highlight=False, markup=False)
