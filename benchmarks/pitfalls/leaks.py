"""A click rate that knows the future: how good it looks, how good it is, and what the leak check says.

A small model ranks RankLens's lists by one feature, the film's click rate. The rate is counted up to each
list; or over all time; or over all time without the row itself, as is common. Each model is judged twice on
the last fifth: with the rate made as in training, and with the only rate that a server could know.
"""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from matplotlib.figure import Figure

from benchmarks.pitfalls import drawing, lists
from benchmarks.pitfalls.lists import Lists
from ranker import features
from ranker.heads import NAMES
from training.examples import Examples, not_logged
from training.leaks import foresight, single_features
from training.metrics import Floats

RATES = ("up to the list", "over all time", "leaving the row out")
_SETTINGS = {"objective": "binary", "learning_rate": 0.1, "seed": 1, "num_threads": 1, "verbose": -1}
_TREES = 100
CHECKED = 100_000
"""Rows that `feedrank evaluate` checks; the whole history is checked beside them."""


def measure(data: Path) -> tuple[dict[str, Any], Figure]:
    """NDCG@10 as it looks and as it is, by rate; and the picture."""
    rows = lists.read(data)
    found, looks, serves = {}, [], []
    served = rates(rows)[RATES[0]]
    for name, rate in rates(rows).items():
        train = lightgbm.Dataset(rate[~rows.test, None], rows.clicked[~rows.test])
        model = lightgbm.train(_SETTINGS, train, _TREES)
        told = rows.ndcg(np.asarray(model.predict(rate[:, None])))
        true = rows.ndcg(np.asarray(model.predict(served[:, None])))
        looks.append(drawing.around(*told))
        serves.append(drawing.around(*true))
        found[name] = {
            "looks": told._asdict(),
            "served": true._asdict(),
            "check": said(examples_of(rows, rate)),
            "check_of_the_last": said(examples_of(rows, rate)[-CHECKED:]),
        }
    return found, picture({"as evaluated": looks, "as served": serves})


def rates(rows: Lists) -> dict[str, Floats]:
    """The film's click rate, counted in three ways: float64 (n,) each, by name."""
    one = np.ones(len(rows.film))
    clicks, views = (np.bincount(rows.film, of)[rows.film] for of in (rows.clicked, one))
    counted = (
        (rows.before(rows.clicked), rows.before(one)),
        (clicks, views),
        (clicks - rows.clicked, views - one),
    )
    found = {}
    for name, (clicked, seen) in zip(RATES, counted, strict=True):
        found[name] = np.asarray((clicked + 1) / (seen + 5), np.float64)
    return found


def examples_of(rows: Lists, rate: Floats) -> Examples:
    """Examples that know nothing but the rate, for the leak check."""
    number, count = rows.list.astype(np.int32), len(rows.list)
    columns = np.full((count, len(features.NAMES)), np.nan, np.float32)
    columns[:, features.NAMES.index("post_click_rate")] = rate
    labels = np.zeros((count, len(NAMES)), np.uint8)
    labels[:, NAMES.index("click")] = rows.clicked
    return Examples(
        **not_logged(count),
        features=columns,
        labels=labels,
        weight=np.ones(count, np.float32),
        post=rows.film.astype(np.int32),
        time_ms=number.astype(np.int64),
        place=np.full(count, -1, np.int32),
        surface=np.ones(count, np.int8),
        viewer=number,
        request=number,
        group=number,
    )


def said(examples: Examples) -> str:
    """What the leak check says of the one feature."""
    clicked = examples.labels.max(axis=1).astype(np.float64)
    checks = [check(examples, clicked) for check in (single_features, foresight)]
    return " ".join(f"{one.name}: {one.sentence}" for one in checks if one.leak) or "no leak"


def picture(series: dict[str, list[drawing.Interval]]) -> Figure:
    """Both figures of each rate."""
    figure, (axes,) = drawing.panels(
        1, 2.7, "A click rate that knows the future looks better and ranks worse"
    )
    drawing.dots(axes, [f"rate counted\n{name}" for name in RATES], series)
    axes.set_xlabel("NDCG@10 on the last fifth of RankLens's lists, 95 % intervals")
    drawing.legend(figure, axes)
    return figure
