"""The report of results: a page of HTML that needs no network, the same in Markdown, and the pictures."""

import base64
import os
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from benchmarks import pictures
from benchmarks.keys import meaning
from benchmarks.results import Measured, Results
from benchmarks.suite import SUITE
from ranker.errors import InvalidArgument

_FIRST = 6
_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"


class Row(NamedTuple):
    """A figure as it is printed."""

    benchmark: str
    key: str
    words: str
    median: str
    low: str
    high: str
    unit: str


def write(results: Results, folder: Path) -> Path:
    """Write index.html, report.md and the pictures into a folder, over what was there; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [_saved(name, title, figure, folder) for name, (title, figure) in pictures.drawn(results).items()]
    content = _headlines(results) | {
        "measured": {name: (one, rows(name, one), _settings(one)) for name, one in results.measured.items()},
        "pictures": shown,
    }
    for template, target in (("bench.html", "index.html"), ("bench.md", "report.md")):
        (folder / target).write_text(_template(template).render(content))
    return folder / "index.html"


def write_into(readme: Path, results: Results, folder: Path) -> None:
    """Put the first figures, and the pictures that `write` left in the folder, between two marks of a text.

    Raises InvalidArgument when the marks, `<!-- figures -->` and `<!-- /figures -->`, are not there.
    """
    text = readme.read_text()
    if not (place := re.search(f"(?<={_BEGIN}\n).*(?={_END})", text, re.DOTALL)):
        raise InvalidArgument(
            "readme", f"{readme} has no lines {_BEGIN} and {_END}: write them where the figures go"
        )
    shown = [{"file": f"{name}.png", "title": title} for name, (title, _) in pictures.drawn(results).items()]
    beside = Path(os.path.relpath(folder, readme.parent)).as_posix() + "/"
    content = _template("headlines.md").render(_headlines(results), pictures=shown, folder=beside)
    readme.write_text(text[: place.start()] + content.rstrip() + "\n" + text[place.end() :])


def _headlines(results: Results) -> dict[str, Any]:
    return {
        "environment": results.environment,
        "runs": _runs(results),
        "commits": ", ".join(results.commits) or results.environment["commit"],
        "headlines": list(headline_rows(results)),
        "folder": "",
    }


def _runs(results: Results) -> str:
    """How many there were of each benchmark, such as "3 runs" or "1 to 3 runs"."""
    counts = sorted({len(one.runs) for one in results.measured.values()}) or [0]
    said = " to ".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
    return f"{said} run{'s' * (counts[-1] != 1)}"


def _template(name: str) -> Template:
    pages = Environment(
        loader=PackageLoader("benchmarks", "."),
        autoescape=name.endswith("html"),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return pages.get_template(name)


def headline_rows(results: Results) -> Iterator[Row]:
    """What to look at first: the suite's headlines; where a benchmark has none of them, its first figures."""
    wanted = {one.name: one.headlines for one in SUITE}
    for name, measured in results.measured.items():
        every = rows(name, measured)
        by_key = {row.key: row for row in every}
        first = [by_key[key] for key in wanted.get(name, ()) if key in by_key]
        yield from first or [row for row in every if meaning(row.key).better != "neither"][:_FIRST]


def rows(name: str, measured: Measured) -> list[Row]:
    """All figures of a benchmark that were measured, not set."""
    words = {key: word for one in SUITE if one.name == name for key, word in one.headlines.items()}
    return [
        Row(name, key, words.get(key, key.replace("_", " ")), *_spread(values), meaning(key).unit)
        for key, values in measured.values().items()
        if key not in _settings(measured)
    ]


def _settings(measured: Measured) -> dict[str, Any]:
    """What a benchmark was asked: words and whole numbers that are the same in all runs, and have no unit."""
    first = measured.runs[0] if measured.runs else {}
    return {
        key: value
        for key, value in first.items()
        if isinstance(value, str | int)
        and meaning(key) == meaning("")
        and all(run.get(key) == value for run in measured.runs)
    }


def _saved(name: str, title: str, figure: Any, folder: Path) -> dict[str, str]:
    path = folder / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    content = base64.b64encode(path.read_bytes()).decode()
    return {"file": path.name, "title": title, "content": content}


def _spread(values: list[float]) -> tuple[str, str, str]:
    """Median, lowest and highest."""
    return _number(statistics.median(values)), _number(min(values)), _number(max(values))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
