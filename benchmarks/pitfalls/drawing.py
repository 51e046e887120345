"""The pictures: one style, and intervals as dots with lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.report import BLUE, GREY, ORANGE

COLOURS = (ORANGE, BLUE, GREY)
MARKERS = ("o", "D", "s")
_APART = 0.22


class Interval(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def around(value: float, standard_error: float) -> Interval:
    """A normal interval."""
    return Interval(value, value - 1.96 * standard_error, value + 1.96 * standard_error)


def panels(count: int, height: float, title: str) -> tuple[Figure, list[Axes]]:
    """A figure 800 points wide with so many panels side by side."""
    figure = Figure(figsize=(7.3, height), layout="constrained")
    found = figure.subplots(1, count, squeeze=False)[0]
    figure.suptitle(title, size=11)
    return figure, list(found)


def dots(axes: Axes, rows: Sequence[str], series: Mapping[str, Sequence[Interval]]) -> None:
    """A line for each row, from the top; a dot with its interval for each series."""
    for number, (name, found) in enumerate(series.items()):
        at = [row + _APART * (number - (len(series) - 1) / 2) for row in range(len(rows))]
        value = [one.value for one in found]
        error: Any = [
            [one.value - one.low for one in found],
            [one.high - one.value for one in found],
        ]
        look: Any = {"fmt": MARKERS[number], "color": COLOURS[number], "ms": 5, "elinewidth": 1.4}
        axes.errorbar(value, at, xerr=error, label=name, **look)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def legend(figure: Figure, axes: Axes) -> None:
    """One legend for the whole figure, below."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def save(figure: Figure, path: Path) -> None:
    """As a PNG that is the same for the same figure."""
    figure.savefig(path, metadata={"Software": None})
