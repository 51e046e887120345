"""The pictures of a report."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.keys import meaning
from benchmarks.results import Measured, Results, Run
from training.report import BLUE, GREY, ORANGE, STYLE

_RATE = re.compile(r"at_([0-9.e+]+)_per_second_(p\d+)_ms")
_SIZE = re.compile(r"posts_(\d+)_candidates_(\d+)_(\w+)_p50_ms")
_GROUPS = {
    "query": ("query",),
    "vector search": ("interests",),
    "other sources": ("in_network", "social_proof", "co_engagement", "trending", "fresh"),
    "filters": ("filters",),
    "features": ("features",),
    "heads": ("heads",),
    "factors and selection": ("factors", "selection"),
}
_COLOURS = ("#8a8a8a", "#d1690e", "#e8b04a", "#5b8f4e", "#1f5fa8", "#7fb3e0", "#84569c")


def drawn(results: Results) -> dict[str, tuple[str, Figure]]:
    """Each picture that the results allow, by name, with its title."""
    measured, found = results.measured, dict[str, tuple[str, Figure]]()
    makers: tuple[tuple[str, str, Callable[[Measured], Figure | None]], ...] = (
        ("load", "Latency as the rate grows", load),
        ("scale", "Cost as network and candidates grow", scale),
    )
    for name, title, maker in makers:
        if name in measured and (figure := maker(measured[name])) is not None:
            found[name] = (title, figure)
    if (figure := ratios(results)) is not None:
        found["ratios"] = ("Against the alternatives, in the same run", figure)
    return found


def load(measured: Measured) -> Figure | None:
    """Percentiles of a timeline's latency at each rate that was tried."""
    points = [(run, *found) for run in measured.runs for found in _rates(run)]
    if not points:
        return None
    with _figure(7, 4) as figure:
        axes = figure.subplots()
        for name, colour in (("p50", BLUE), ("p95", GREY), ("p99", ORANGE)):
            at = sorted((rate, value) for _, rate, which, value in points if which == name)
            axes.plot(*zip(*at, strict=True), "o-", ms=3, lw=1, color=colour, label=name)
        run = measured.runs[-1]
        axes.axhline(run["target_ms"], color=GREY, lw=1, ls="--", label="target of p99")
        axes.set(
            yscale="log", xlabel="timelines a second, Poisson arrivals", ylabel="ms from due to answered"
        )
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        highest = float(np.median([one["requests_per_second"] for one in measured.runs]))
        for share, words in ((1.0, " highest rate in time"), (0.7, " 70 % of it")) if highest else ():
            axes.axvline(share * highest, color=GREY, lw=0.7, ls=":")
            axes.text(
                share * highest, axes.get_ylim()[0], words, rotation=90, va="bottom", ha="right", size=8
            )
        axes.legend(loc="upper left")
    return figure


def _rates(run: Run) -> Iterator[tuple[float, str, float]]:
    for key, value in run.items():
        if found := _RATE.fullmatch(key):
            yield float(found[1]), found[2], value


def scale(measured: Measured) -> Figure | None:
    """Milliseconds of each stage, stacked, by posts and by candidates."""
    cells: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for key, values in measured.values().items():
        if found := _SIZE.fullmatch(key):
            cells[int(found[1]), int(found[2])][found[3]] = float(np.median(values))
    if not cells:
        return None
    largest = max(posts for posts, _ in cells)
    usual = max({count for _, count in cells}, key=lambda count: sum(one == count for _, one in cells))
    by_posts = {posts: cell for (posts, count), cell in sorted(cells.items()) if count == usual}
    by_candidates = {count: cell for (posts, count), cell in sorted(cells.items()) if posts == largest}
    with _figure(10, 4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _stack(left, by_posts)
        _stack(right, by_candidates)
        left.set(
            xlabel="posts of the network", ylabel="ms, medians of the stages", title=f"{usual:,} candidates"
        )
        right.set(xlabel="candidates", title=f"{largest:,} posts")
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles[::-1], names[::-1], loc="outside right upper")
    return figure


def _stack(axes: Axes, cells: dict[int, dict[str, float]]) -> None:
    foot = np.zeros(len(cells))
    for (name, stages), colour in zip(_GROUPS.items(), _COLOURS, strict=True):
        height = np.array([sum(cell.get(stage, 0.0) for stage in stages) for cell in cells.values()])
        axes.bar([f"{size:,}" for size in cells], height, 0.6, foot, color=colour, label=name)
        foot += height
    axes.grid(visible=False, axis="x")


def ratios(results: Results) -> Figure | None:
    """How many times as fast as the alternative, with the range of the runs."""
    rows = [
        (f"{name}: {key.replace('_', ' ')}", values)
        for name, measured in results.measured.items()
        for key, values in measured.values().items()
        if meaning(key).unit == "x" and meaning(key).better == "higher"
    ]
    if not rows:
        return None
    middle = np.array([np.median(values) for _, values in rows])
    reach = np.array([(m - min(v), max(v) - m) for m, (_, v) in zip(middle, rows, strict=True)]).T
    with _figure(8, 0.9 + 0.32 * len(rows)) as figure:
        axes = figure.subplots()
        axes.barh(range(len(rows)), middle - 1, 0.6, 1, xerr=reach, color=BLUE, ecolor=GREY)
        for row, value in enumerate(middle):
            axes.annotate(f" {value:.3g}", (value + reach[1, row], row), va="center", size=8)
        axes.axvline(1, color=GREY, lw=1)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel="times as fast; bars are medians, whiskers the range of the runs")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.margins(x=0.12)
    return figure


@contextmanager
def _figure(width: float, height: float) -> Iterator[Figure]:
    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")
