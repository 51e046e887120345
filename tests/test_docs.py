"""What the documents show is there: the commands with their options, the files and pictures they link to."""

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer

from ranker.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.png"))


def commands() -> dict[str, Any]:
    """The commands of `feedrank` by their first word."""
    parts = [app, *(point.load() for point in entry_points(group="feedrank.commands"))]
    groups: list[Any] = [typer.main.get_command(part) for part in parts]
    return {name: command for group in groups for name, command in group.commands.items()}


def shown(page: Path) -> Iterator[str]:
    """The lines of a page's code that begin with `feedrank`, without comments; long ones joined."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (?:\S*/)?(feedrank .*)$", text, re.MULTILINE)
    for line in [*(line for block in blocks for line in block.splitlines()), *indented]:
        if line.startswith("feedrank "):
            yield line.partition(" #")[0]


LINES = [(page.name, line) for page in PAGES for line in shown(page)]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_each_command_that_a_page_shows_exists_with_its_options(page: str, line: str) -> None:
    words, there, command = shlex.split(line)[1:], commands(), None
    while there:
        assert words[0] in there, f"{page}: there is no command {words[0]!r}"
        command = there[words.pop(0)]
        there = getattr(command, "commands", {})
    assert command is not None
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
    assert asked <= known, f"{page}: {line}"


def test_pages_show_commands() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_picture_is_shown_on_a_page_and_small(picture: Path) -> None:
    assert any(f"pictures/{picture.name}" in page.read_text() for page in PAGES)
    assert picture.stat().st_size < 120_000
