"""The picture of a simulation: utility by day for each feed, and how the nights went."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot

from training.drift import DriftSettings
from training.loop.feeds import LEARNED, UNTRAINED
from training.loop.outcome import OF_ORACLE, Summary, interval

_COLOURS = {
    LEARNED: "#0b6e4f",
    UNTRAINED: "#7fb69e",
    "oracle": "#20242b",
    "popular": "#d1802c",
    "chronological": "#3b6fb5",
    "random": "#a3a8b0",
}
_APART = 0.045
"""Labels at the right end stand at least so far apart, as a share of the axis."""


def save(summary: Summary, path: Path) -> Path:
    """Draw a summary as a PNG."""
    figure, (top, bottom) = pyplot.subplots(
        2, 1, figsize=(11, 7.5), sharex=True, height_ratios=(3.2, 1), layout="constrained"
    )
    _utility(top, summary)
    _drift(bottom, summary)
    for axes in (top, bottom):
        _changed(axes, summary)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        axes.set_axisbelow(True)
    bottom.set_xlabel("day")
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return path


def _utility(axes: Any, summary: Summary) -> None:
    days = np.arange(summary.plan.days)
    ends, highest = {}, 0.0
    for arm in summary.arms:
        found = [interval([float(one.days[arm][day, 0]) for one in summary.outcomes]) for day in days]
        mean = np.array([one.mean for one in found])
        axes.plot(days, mean, color=_COLOURS[arm], linewidth=2.6 if arm == LEARNED else 1.6, zorder=3)
        if len(summary.outcomes) > 1:
            low, high = [one.low for one in found], [one.high for one in found]
            axes.fill_between(days, low, high, color=_COLOURS[arm], alpha=0.13, linewidth=0)
        ends[arm], highest = mean[-1], max(highest, mean.max())
        if arm == "oracle":
            goal = f"{OF_ORACLE:.0%} of the oracle"
            axes.plot(days, OF_ORACLE * mean, color=_COLOURS[arm], linewidth=1, linestyle=(0, (2, 2)))
            ends[goal] = OF_ORACLE * mean[-1]
    axes.set_ylim(0, 1.15 * highest)  # the intervals of a few seeds may reach far beyond
    _name_lines(axes, ends, days[-1])
    retrained = sorted({day for one in summary.outcomes for day in one.retrained})
    axes.plot(retrained, np.zeros(len(retrained)), "|", color=_COLOURS[LEARNED], markersize=9, clip_on=False)
    axes.annotate(
        "retrained", (0, 0), xytext=(-4, 6), textcoords="offset points", fontsize=8, color="#0b6e4f"
    )
    axes.set(xlim=(0, days[-1]), ylabel="true utility of a page")
    seeds = len(summary.outcomes)
    axes.set_title(
        f"Closed loop: the worth of a page to its viewer, by feed\nmean of {seeds} seed{'s' * (seeds > 1)}"
        + (", with 95 % interval" if seeds > 1 else ""),
        loc="left",
        fontsize=12,
    )


def _name_lines(axes: Any, ends: dict[str, float], last_day: int) -> None:
    """A name at the right end of each line, moved apart where they would overlap."""
    apart = _APART * axes.get_ylim()[1]
    at = -np.inf
    for name, end in sorted(ends.items(), key=lambda pair: pair[1]):
        at = max(end, at + apart)
        axes.annotate(
            name,
            (last_day, at),
            xytext=(8, 0),
            textcoords="offset points",
            color=_COLOURS.get(name, "#20242b"),
            fontsize=10 if name in _COLOURS else 8,
            fontweight="bold" if name == LEARNED else "normal",
            va="center",
            annotation_clip=False,
        )


def _drift(axes: Any, summary: Summary) -> None:
    """How strongly each night's log speaks for drift, one line a seed."""
    for one in summary.outcomes:
        seen = [(night.now_ms, night.drift) for night in one.nights if night.drift and night.drift.days]
        days = [one.plan.day(now_ms) for now_ms, _ in seen]
        signal = [-np.log10(max(report.days[-1].p, 1e-12)) for _, report in seen]
        axes.plot(days, signal, color="#8a4f9e", linewidth=1, alpha=0.6)
        noticed = [value for day, value in zip(days, signal, strict=True) if day in one.noticed]
        axes.plot(one.noticed, noticed, "o", color="#8a4f9e", markersize=5)
    bar = -np.log10(DriftSettings().false_alarms)
    axes.axhline(bar, color="#8a4f9e", linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate(
        "noticed above", (0, bar), xytext=(4, 3), textcoords="offset points", fontsize=8, color="#8a4f9e"
    )
    axes.set(ylim=(0, max(1.4 * bar, axes.get_ylim()[1])), ylabel="drift: $-\\log_{10}$ p")


def _changed(axes: Any, summary: Summary) -> None:
    day = summary.plan.change_day
    if day is None or day >= summary.plan.days:
        return
    axes.axvline(day, color="#b3261e", linewidth=1.2)
    if axes.get_ylabel().startswith("true"):
        axes.annotate(
            "all tastes change",
            (day, axes.get_ylim()[1]),
            xytext=(-6, -10),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            color="#b3261e",
        )
