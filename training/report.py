"""A report of a training: plots as PNG and one HTML page that needs no network."""

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ranker import features
from training.train import HeadModel, Trained

STYLE: Any = {  # of all pictures: titles, thin axes, colours that any eye tells apart
    "figure.dpi": 110,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
BLUE, ORANGE, GREY = "#1f5fa8", "#d1690e", "#8a8a8a"
_COLUMNS = 3
_TOP = 25
_BINS = 10


def write(folder: Path, trained: Trained, title: str) -> Path:
    """Draw the plots into a folder and write its index.html; the page's path. What was there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {
        "learning_curves": ("Learning curves", learning_curves(trained)),
        "calibration": ("Calibration on the test", calibration(trained)),
        "importance": ("What the trees used", importance(trained)),
    }
    pictures = []
    for name, (heading, figure) in plots.items():
        figure.savefig(folder / f"{name}.png", metadata={"Software": None})
        content = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
        pictures.append({"name": name, "title": heading, "content": content})
    pages = Environment(loader=PackageLoader("training", "."), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template("report.html").render(title=title, trained=trained, pictures=pictures)
    (folder / "index.html").write_text(page)
    return folder / "index.html"


def learning_curves(trained: Trained) -> Figure:
    """Log loss after each tree, a panel a head, with the tree that growing stopped at."""
    with _panels(trained, "log loss after so many trees, first seed") as (figure, panels):
        for axes, (name, head) in panels:
            for part, colour in (("learned", GREY), ("watched", BLUE)):
                losses = head.curves[part]
                axes.plot(range(1, len(losses) + 1), losses, color=colour, label=f"{part} rows")
            axes.axvline(head.facts.trees, color=ORANGE, lw=1, ls="--", label="trees kept")
            axes.set(title=f"{name}: {head.facts.trees} trees", xlabel="trees", ylabel="log loss")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def calibration(trained: Trained) -> Figure:
    """Reliability diagrams: rate against probability in bins of equal size, with 95 % intervals of chance."""
    with _panels(trained, "how often it happened, against how probable it was said to be") as (
        figure,
        panels,
    ):
        for axes, (name, head) in panels:
            said, was, rows = reliability(head)
            error = 1.96 * np.sqrt(np.maximum(was * (1 - was), 1e-12) / rows)
            most = 1.08 * max(float(said.max()), float((was + error).max()), 1e-6)
            axes.plot([0, most], [0, most], color=GREY, lw=1)
            axes.errorbar(
                said, was, yerr=error, fmt="o-", ms=3, lw=1, color=BLUE, ecolor=BLUE, elinewidth=0.7
            )
            kind, off = head.facts.calibration.kind, head.metrics["calibration_error"]
            axes.set(title=f"{name}: error {off:.4f}, {kind}", xlabel="probability", ylabel="rate")
            axes.set(xlim=(0, most), ylim=(0, most))
    return figure


def importance(trained: Trained) -> Figure:
    """The share of each head's gain that the features brought, for the most used ones."""
    top = np.argsort(-trained.gains.mean(axis=0), kind="stable")[:_TOP]
    shares = 100 * trained.gains[:, top].T
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(4.2 + 0.62 * shares.shape[1], 1.6 + 0.24 * len(top)), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0, vmax=max(float(shares.max()), 1))
        axes.set_xticks(range(shares.shape[1]), list(trained.heads), rotation=40, ha="right")
        axes.set_yticks(range(len(top)), [features.NAMES[column] for column in top])
        for (row, column), share in np.ndenumerate(shares):
            dark = share > 0.6 * shares.max()
            axes.text(
                column, row, f"{share:.0f}", ha="center", va="center", color="w" if dark else "k", size=7
            )
        figure.suptitle(f"share of each head's gain, in percent: the {len(top)} features used most", size=10)
    return figure


def reliability(head: HeadModel) -> tuple[Any, Any, Any]:
    """Mean probability, rate and number of rows in bins of equal size of the tested rows."""
    order = np.argsort(head.probability, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    said, was = (
        np.array([np.average(values[part], weights=head.weight[part]) for part in bins])
        for values in (head.probability, head.labels)
    )
    return said, was, np.array([len(part) for part in bins])


@contextmanager
def _panels(
    trained: Trained, title: str
) -> Iterator[tuple[Figure, list[tuple[Axes, tuple[str, HeadModel]]]]]:
    """A figure with a panel for each head."""
    rows = math.ceil(len(trained.heads) / _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * _COLUMNS, 0.5 + 2.7 * rows), layout="constrained")
        every = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes in every[len(trained.heads) :]:
            axes.set_axis_off()
        yield figure, list(zip(every, trained.heads.items(), strict=False))
        figure.suptitle(title, size=11)
