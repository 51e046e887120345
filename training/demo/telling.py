"""Telling: the parts of the story in a terminal, in 80 columns or more, or as plain text."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import feedrank
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from training.demo.cast import Cast, lately_liked
from training.demo.evidence import Evidence
from training.demo.house import House
from training.demo.scenes import Scene
from training.demo.story import PAGE, Actions, After, Before, Part, Placed, Why

_SOURCES = {
    "in_network": "followed",
    "social_proof": "friends",
    "interests": "taste",
    "co_engagement": "like-minded",
    "trending": "popular",
    "fresh": "new",
    "": "not found",
}
_LONGEST = 110
_ACCOUNT: tuple[JustifyMethod, ...] = ("left", "right", "left", "right")


def opening(console: Console) -> None:
    """The title."""
    console.print()
    console.print(Rule(Text("feedrank: a ranked timeline, and what moves it", style="bold"), style="dim"))


def about(console: Console, scene: Scene) -> None:
    """What the demo plays with."""
    console.print(Padding(Text(scene.about), (1, 2)))


@contextmanager
def work(console: Console, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar while something is done, and a line when it is; yields what advances the bar."""
    began = time.monotonic()
    columns = (TextColumn("  {task.description}"), BarColumn(24), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda by: progress.advance(task, by)
    console.print(f"  [green]✓[/] {what} [dim]({time.monotonic() - began:.1f} s)[/]", highlight=False)


def tell(console: Console, scene: Scene, cast: Cast, part: Part) -> None:
    """One part of the story."""
    match part:
        case Before():
            _viewer(console, scene, cast)
            _before(console, scene, cast, part)
        case Actions():
            _actions(console, scene, cast, part)
        case After():
            _after(console, scene, cast, part)
        case Why():
            _why(console, scene, cast, part)


def closing(console: Console, took_s: float, ready_s: float, *, kept: bool) -> None:
    """How long it took."""
    console.print(Rule(style="dim"))
    rest = "" if kept else " The server is stopped and its folder removed."
    console.print(f"  {took_s:.0f} s, of which {ready_s:.0f} s start-up.{rest}", highlight=False)


def going_on(console: Console, house: House, viewer: str) -> None:
    """What to type next, when the server is kept."""
    console.print("  The server goes on. Try:", highlight=False)
    for command in (
        f"export FEEDRANK_ADDRESS={house.address}",
        f"feedrank timeline '{viewer}'",
        "feedrank status",
        f"kill {house.pid}",
        f"rm -r {house.folder}  # when it has stopped",
    ):
        console.print(Text(f"    {command}", style="bold"), soft_wrap=True)


def _viewer(console: Console, scene: Scene, cast: Cast) -> None:
    name = scene.name_of(cast.viewer)
    _title(console, f"The viewer: {name}")
    follows = [scene.name_of(user) for user in cast.person.follows]
    some = _listed([*follows[:3], f"{len(follows) - 3} others"] if len(follows) > 4 else follows)
    console.print(f"  Follows {some}." if follows else "  Follows nobody.", highlight=False)
    liked = [f"“{_short(cast.words(post), 46)}”" for post in lately_liked(cast, 3)]
    console.print(
        Padding(Text(f"Lately {scene.liked} {_listed(liked)} ({len(cast.person.liked)} in all)."), (0, 2))
    )


def _before(console: Console, scene: Scene, cast: Cast, part: Before) -> None:
    _title(console, f"1. The timeline of {scene.name_of(cast.viewer)}")
    console.print(
        Padding(
            Text(f"The best {PAGE} {scene.things} of those not met before, and why each is there."),
            (0, 2, 1, 2),
        )
    )
    console.print(_table(console, scene, cast, part.timeline.page, lambda _: ""))


def _actions(console: Console, scene: Scene, cast: Cast, part: Actions) -> None:
    _title(console, f"2. Two things that {scene.name_of(cast.viewer)} does")
    for mark, deed, post in (
        ("[green]♥[/]", "likes", part.liked),
        ("[red]✗[/]", "says “show less like this” of", part.less),
    ):
        done = f"{deed} {scene.thing} {part.timeline.rank_of(post)}: "
        words = _short(cast.words(post), _room(console, len(done) + 7))
        console.print(f"  {mark} {done}", Text(f"“{words}”"), sep="", highlight=False)


def _after(console: Console, scene: Scene, cast: Cast, part: After) -> None:
    _title(console, "3. The timeline a moment later")
    marks = {part.liked: " ♥", part.less: " ✗"}

    def moved(one: Placed) -> str:
        was = part.before.rank_of(one.post_id)
        if not one.rank:
            return ""
        if not was or was > PAGE:
            return f"[green]new[/]{marks.get(one.post_id, '')}"
        by = was - one.rank
        arrow = f"[green]↑{by}[/]" if by > 0 else f"[red]↓{-by}[/]" if by < 0 else "[dim]=[/]"
        return f"{arrow}{marks.get(one.post_id, '')}"

    console.print(_table(console, scene, cast, part.after.page, moved))
    there = {one.post_id for one in part.after.page}
    for one in part.before.page:
        if one.rank and one.post_id not in there:
            now = part.after.rank_of(one.post_id)
            place = f"now {now}" if now else "met now" if one.post_id == part.liked else "now far below"
            line = Text.assemble(
                ("  gone ", "red"),
                f"“{_short(cast.words(one.post_id), _room(console, 40))}” ",
                (f"was {one.rank}, {place}{marks.get(one.post_id, '')}", "dim"),
            )
            console.print(line)


def _why(console: Console, scene: Scene, cast: Cast, part: Why) -> None:
    _title(console, "4. Why?")
    for post, verdict, evidence in (
        (part.risen, ("It rose", "bold green"), part.rise),
        (part.absent, ("It left the page", "bold red"), part.fall),
    ):
        was, now = part.before.rank_of(post), part.after.rank_of(post)
        way = f", from {was or 'far below'} to {now or 'far below'}: “{_short(cast.words(post), _LONGEST)}”"
        console.print(Padding(Text.assemble(verdict, way), (0, 2)))
        if post == part.absent and part.told.filters:
            console.print(Padding(Text(part.told.text), (0, 4)))
        console.print(Padding(_account(scene, part, post, evidence), (0, 4, 1, 4)))


def _account(scene: Scene, part: Why, post: str, evidence: list[Evidence]) -> Table:
    """What changed for a post, as a table of before and after."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for justify in _ACCOUNT:
        table.add_column(justify=justify)
    for one in evidence:
        table.add_row(one.words, one.before, "→", one.after)
    if post in part.before and post in part.after:
        for words, was, now in _scores(scene, part.before[post], part.after[post]):
            table.add_row(words, was, "→", now, style="dim")
    return table


def _scores(
    scene: Scene, was: feedrank.RankedPost, now: feedrank.RankedPost
) -> Iterator[tuple[str, str, str]]:
    """The chances that changed, and the score."""
    for head, words in ((scene.head, f"chance of a {scene.head}"), ("hide", "chance of “show less”")):
        if _chance(was, head) != _chance(now, head):
            yield words, _chance(was, head), _chance(now, head)
    yield "score, by which all are sorted", f"{was.score:.3f}", f"{now.score:.3f}"


def _chance(post: feedrank.RankedPost, head: str) -> str:
    return next((f"{100 * p.probability:.2g} %" for p in post.probabilities if p.head == head), "—")


def _table(
    console: Console, scene: Scene, cast: Cast, page: list[Placed], moved: Callable[[Placed], str]
) -> Table:
    """Two lines a post: what it says; who says so, which source brought it and why it is there."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(justify="right", width=4, style="bold")
    table.add_column(width=6)
    table.add_column(ratio=1)
    room = _room(console, 16)
    for one in page:
        words = _short(cast.words(one.post_id), room)
        place = str(one.rank) if one.rank else "[dim]lot[/]"
        table.add_row(place, moved(one), Text.assemble(words, "\n", (_below(scene, one), "dim")))
    return table


def _below(scene: Scene, one: Placed) -> str:
    author = scene.name_of(one.post.author_id)
    source = _SOURCES.get(one.post.source, one.post.source)
    reason = one.post.reason.text if one.rank else f"A new {scene.thing}, drawn by lot to give it a chance."
    return f"{scene.by}{author} · {source} · {reason}"


def _title(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, style="bold"))


def _room(console: Console, used: int) -> int:
    return max(min(console.width, 120) - used, 24)


def _short(words: str, room: int) -> str:
    """Cut at a word.

    >>> _short("a walk by the sea", 11)
    'a walk by…'
    """
    return words if len(words) <= room else words[: room - 1].rsplit(" ", 1)[0].rstrip(".,;:!?-– ") + "…"


def _listed(names: list[str]) -> str:
    """Names as a sentence lists them.

    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])
