"""The report of results: a page of HTML that needs no network, the same in Markdown, and the pictures."""

import base64
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks import pictures
from benchmarks.keys import meaning
from benchmarks.results import Measured, Results
from benchmarks.suite import SUITE

_FIRST = 6


class Row(NamedTuple):
    """A figure as it is printed."""

    benchmark: str
    key: str
    median: str
    low: str
    high: str
    unit: str


def write(results: Results, folder: Path) -> Path:
    """Write index.html, report.md and the pictures into a folder, over what was there; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [_saved(name, title, figure, folder) for name, (title, figure) in pictures.drawn(results).items()]
    content = {
        "environment": results.environment,
        "headlines": list(headline_rows(results)),
        "measured": {name: (one, rows(name, one), _settings(one)) for name, one in results.measured.items()},
        "pictures": shown,
    }
    for template, target in (("bench.html", "index.html"), ("bench.md", "report.md")):
        pages = Environment(
            loader=PackageLoader("benchmarks", "."),
            autoescape=template.endswith("html"),
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        (folder / target).write_text(pages.get_template(template).render(content))
    return folder / "index.html"


def headline_rows(results: Results) -> Iterator[Row]:
    """What to look at first: the suite's headlines; where a benchmark has none of them, its first figures."""
    wanted = {one.name: one.headlines for one in SUITE}
    for name, measured in results.measured.items():
        every = rows(name, measured)
        first = [row for row in every if row.key in wanted.get(name, ())]
        yield from first or [row for row in every if meaning(row.key).better != "neither"][:_FIRST]


def rows(name: str, measured: Measured) -> list[Row]:
    """All figures of a benchmark that were measured, not set."""
    return [
        Row(name, key, *_spread(values), meaning(key).unit)
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
