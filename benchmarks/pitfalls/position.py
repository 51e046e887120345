"""Position: how often posts are acted on by place, why, and what a model makes of it.

The playground's feed puts the best first, so its rate by place mixes two things: that posts further up are
better, and that they are looked at more. Swaps take them apart. Models that deal with the place in three ways
are judged by the true utility of what they put first.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.pitfalls import drawing
from benchmarks.pitfalls.pages import Pages, simulated
from benchmarks.position import PAGE, WAYS, earned, waiting
from ranker.heads import WEIGHTS
from training.metrics import Figure as Mean
from training.metrics import Floats, mean
from training.playground import behaviour
from training.position import examination
from training.report import GREY

SETS = 400
PLACES = 10
"""The swapped ones."""


def measure(_data: Path) -> tuple[dict[str, Any], Figure]:
    """The curves; each model's NDCG@10 by true utility, and its gain over ignoring the place; the picture."""
    pages = simulated()
    sets = waiting(pages.world, pages.served.replay, SETS, seed=1)
    scores = {way: earned(model, sets) for way, model in pages.models.items()}
    gains = {way: mean(scores[way] - scores[WAYS[0]]) for way in WAYS[1:]}
    curves = by_place(pages)
    found = {
        "by_place": {name: curve.tolist() for name, curve in curves.items()},
        "ndcg_by_truth": {way: mean(found)._asdict() for way, found in scores.items()},
        "gain_over_ignored": {way: gain._asdict() for way, gain in gains.items()},
    }
    return found, picture(curves, gains)


def by_place(pages: Pages) -> dict[str, Floats]:
    """What happens at each place against the first: as logged, as the swaps say, and in truth."""
    rows = pages.early
    acted = rows.labels[:, WEIGHTS > 0].any(axis=1)
    rate = np.bincount(rows.place, acted, PAGE) / np.bincount(rows.place, minlength=PAGE)
    true = behaviour.attention(PLACES).astype(np.float64)
    return {
        "rate of actions in the log": rate[:PLACES] / rate[0],
        "looked at, by the swaps": examination(rows)[:PLACES],
        "looked at, in truth": true,
    }


def picture(curves: dict[str, Floats], gains: dict[str, Mean]) -> Figure:
    """The curves, and what came of them."""
    figure, (left, right) = drawing.panels(2, 3.0, "The rate by place is not the pull of the place")
    for (name, curve), colour, marker in zip(curves.items(), drawing.COLOURS, drawing.MARKERS, strict=True):
        left.plot(range(1, len(curve) + 1), curve, color=colour, marker=marker, ms=4, label=name)
    left.set(
        title="what the place does",
        xlabel="place on the page",
        ylabel="against the first place",
        ylim=(0, None),
    )
    left.legend()
    names = {"place": "place as a\ncolumn", "propensity": "propensities"}
    drawing.dots(
        right, [names[way] for way in gains], {"gain": [drawing.around(*one) for one in gains.values()]}
    )
    right.axvline(0, color=GREY, lw=1)
    right.set(title="a model, against ignoring the place", xlabel="gain in NDCG@10 by true utility, 95 %")
    return figure
