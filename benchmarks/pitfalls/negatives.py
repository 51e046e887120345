"""Random negatives: two orders of RankLens's films, judged on the lists as shown, and on drawn films.

As shown: NDCG@10 of each list of 24 of the last fifth. Drawn: the last marked film of each list among 100
films drawn from all (leave-one-out with sampled negatives; Krichene and Rendle, "On sampled metrics for item
recommendation", KDD 2020). The orders are fixed before: clicks so far, and clicks by views so far.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.pitfalls import drawing, lists
from benchmarks.pitfalls.lists import Lists
from training.metrics import Figure as Mean
from training.metrics import Floats, mean

DRAWN = 100
_TOP = 10


def measure(data: Path) -> tuple[dict[str, Any], Figure]:
    """NDCG@10 of each order, both ways; and the picture."""
    rows = lists.read(data)
    full = {name: rows.ndcg(score[rows.film]) for name, score in orders(rows).items()}
    sampled = {name: among_drawn(rows, score) for name, score in orders(rows).items()}
    found = {
        name: {"shown_lists": full[name]._asdict(), "drawn_films": sampled[name]._asdict()} for name in full
    }
    return found, picture(full, sampled)


def orders(rows: Lists) -> dict[str, Floats]:
    """Scores of the films by what happened before the test: float64 (films,) each."""
    learned = ~rows.test
    clicks = np.bincount(rows.film[learned], rows.clicked[learned], rows.films)
    views = np.bincount(rows.film[learned], minlength=rows.films)
    rate: Floats = (clicks + 1) / (views + 5)
    return {"most clicks": clicks.astype(np.float64), "highest click rate": rate}


def among_drawn(rows: Lists, score: Floats, seed: int = 0) -> Mean:
    """NDCG@10 of a list's last marked film among drawn ones; ties count as half."""
    marked = np.flatnonzero(rows.test & (rows.clicked > 0))
    last = marked[np.append(np.diff(rows.list[marked]) > 0, True)]
    drawn = np.random.default_rng(seed).integers(0, rows.films, (len(last), DRAWN))
    own, others = score[rows.film[last], None], score[drawn]
    above = np.sum(others > own, axis=1) + np.sum(others == own, axis=1) / 2
    return mean(np.where(above < _TOP, 1 / np.log2(above + 2), 0.0))


def picture(full: dict[str, Mean], sampled: dict[str, Mean]) -> Figure:
    """Both orders, both ways."""
    figure, axes = drawing.panels(2, 2.2, "Random negatives turn the order of two rankers round")
    for one, found, title in zip(
        axes, (full, sampled), ("the lists as shown", f"among {DRAWN} films drawn at random"), strict=True
    ):
        drawing.dots(one, list(found), {title: [drawing.around(*figure) for figure in found.values()]})
        one.set(title=title, xlabel="NDCG@10, 95 % intervals")
    axes[1].set_yticklabels([])
    return figure
