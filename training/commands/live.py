"""Commands that put rows into a live server: import, validate, playground, demo."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.shared import DEFAULT_ADDRESS, Address, console

if TYPE_CHECKING:
    import feedrank

    from training.feeding import Fed
    from training.playground import World
    from training.rows import Row

app = typer.Typer()


class Kind(StrEnum):
    """Kinds of data sets; training.importers has what reads each, and a test compares the two."""

    JSONL = "jsonl"
    RANKLENS = "ranklens"
    POLIS = "polis"
    REDDIT = "reddit"


@app.command(name="import")
def import_rows(
    path: Annotated[Path, typer.Argument(help="A file or folder.")],
    kind: Annotated[Kind | None, typer.Option(help="What it is; found out when not given.")] = None,
    address: Address = DEFAULT_ADDRESS,
    keep_times: Annotated[
        bool, typer.Option(help="Do not move all times so that the newest is now.")
    ] = False,
) -> None:
    """Send a data set to a server.

    All times are moved by one constant so that the newest row is now: a live feed forgets what is old.
    A second run changes nothing that the first one did, save for the times.

    Example: feedrank import history.jsonl
    Example: feedrank import ../shared/data/ranklens --kind ranklens
    """
    from training import importers
    from training.feeding import with_event_ids

    chosen = kind.value if kind else importers.detect(path)
    if not path.exists():
        importers.detect(path)
    rows = with_event_ids(importers.IMPORTERS[chosen].read(path), path.name)
    _send(rows, address, f"{path} ({chosen})", keep_times=keep_times)


@app.command()
def validate(path: Annotated[Path, typer.Argument(help="A file of JSON lines.")]) -> None:
    """Name each bad line of a file of JSON lines and what is wrong with it; exit 1 when there are any.

    Example: feedrank validate history.jsonl
    """
    from ranker.errors import InvalidArgument
    from training import importers
    from training.importers import jsonl

    if importers.detect(path) != Kind.JSONL:
        raise InvalidArgument(
            "path", f"{path} is no file of JSON lines; validate checks those, see docs/import.md"
        )
    bad = 0
    for row in jsonl.validate(path):
        bad += 1
        console.print(
            f"line {row.line}: {row.field or 'the line'}: {row.message}", markup=False, soft_wrap=True
        )
    if bad:
        console.print(f"{bad:,} bad lines. Nothing was sent.", highlight=False)
        raise typer.Exit(1)
    console.print("Every line is right.")


@app.command()
def playground(
    address: Address = DEFAULT_ADDRESS,
    users: Annotated[int, typer.Option(min=3, help="People, who all write and read.")] = 300,
    posts: Annotated[int, typer.Option(min=3, help="Posts of a week.")] = 3_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal networks.")] = 7,
    live: Annotated[bool, typer.Option(help="Then go on: viewers open timelines and respond.")] = False,
    minutes: Annotated[float, typer.Option(min=0, help="With --live: stop after so long; 0: never.")] = 0,
) -> None:
    """Fill a server with a simulated network, so that there is something to rank.

    Example: feedrank playground --users 300 --live --minutes 5
    """
    from training.playground import World

    world = World(seed=seed, authors=users, viewers=users, post_count=posts)
    _send(world.rows(), address, "the playground", keep_times=False)
    if live:
        _live(world, address, minutes)


@app.command()
def demo(
    data: Annotated[Path | None, typer.Argument(help="A data set; without one, a simulated network.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the server running and say how to go on.")] = False,
) -> None:
    """Show the whole system at work: a timeline, a like, a "show less", and what they change.

    Starts a server of its own in a temporary folder, and removes both at the end.

    Example: feedrank demo
    Example: feedrank demo ../shared/data/polis_scoop --keep
    """
    from training.demo import run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(data, console, keep=keep)
    except KeyboardInterrupt:
        console.print("\n  Stopped. Nothing was left behind.")
        raise typer.Exit(130) from None


def _send(rows: "Iterable[Row]", address: str, what: str, *, keep_times: bool) -> "Fed":
    """Rows into the server at an address, with a bar, and a summary of what became of them."""
    import time

    import feedrank

    from training.feeding import feed
    from training.rows import until

    with feedrank.Client(address) as client:
        client.status()  # say that nobody is there before reading a long file
        with console.status(f"Reading {what}"):
            ready = list(rows if keep_times else until(rows, int(time.time() * 1000)))
        began = time.monotonic()
        with _bar("Sending", len(ready)) as advance:
            fed = feed(ready, client, advance)
        _summary(fed, time.monotonic() - began, client)
    return fed


def _summary(fed: "Fed", took_s: float, client: "feedrank.Client") -> None:
    for refusal in fed.refusals:
        console.print(
            f"row {refusal.row + 1}: {refusal.field or 'the row'}: {refusal.message}",
            markup=False,
            soft_wrap=True,
        )
    pace = fed.accepted / max(took_s, 1e-3)
    console.print(
        f"{fed.accepted:,} rows accepted, {fed.rejected:,} rejected, in {took_s:.1f} s ({pace:,.0f} rows/s).",
        highlight=False,
    )
    status = client.status()
    console.print(
        f"The server holds {status.posts:,} posts and {status.users:,} users; "
        f"{status.posts_without_vector:,} posts wait for their vector.",
        highlight=False,
    )


@contextmanager
def _bar(what: str, total: int) -> "Iterator[Callable[[int], object]]":
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda by: progress.advance(task, by)


def _live(world: "World", address: str, minutes: float) -> None:
    """Viewers act until the time is over or Ctrl-C; a line tells how it went."""
    import feedrank

    from training.visits import visits

    pages = events = 0
    with feedrank.Client(address) as client, console.status("Viewers are reading") as shown:
        try:
            for done in visits(world, client, minutes or None):
                pages, events = pages + 1, events + done
                shown.update(f"Viewers are reading: {pages:,} pages, {events:,} events. Ctrl-C ends it.")
        except KeyboardInterrupt:
            pass
    console.print(f"{pages:,} pages were opened, {events:,} events recorded.", highlight=False)
