"""Sample ratio: an experiment between two equal models, one of which loses some of its viewers.

The playground's viewers are dealt to two variants as a server deals them, and both get the same. Then
8 % of the new variant's viewers are lost before the log, of those who do little, as if its first page came
too late for old phones. The read-out is made of both logs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2 as t
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.pitfalls import drawing
from ranker.experiments import Experiment, Variant
from ranker.features import NAMES as FEATURES
from training.examples import (
    About,
    Examples,
    ExampleSet,
    Impressions,
    Outcomes,
    Posts,
    labelled,
    not_logged,
)
from training.experiment import Readout, read_out
from training.playground.world import World
from training.report import GREY

EXPERIMENT = Experiment(
    name="taste-2",
    variants=(
        Variant(name="old", model_version="prior", share=5_000),
        Variant(name="new", model_version="20261122-101500-3fa2", share=5_000),
    ),
    started_ms=0,
)
VIEWERS = 12_000
LOST = 0.08
_IDLE = 0.3


def measure(_data: Path) -> tuple[dict[str, Any], Figure]:
    """The read-out of the whole log, and of the one that lost viewers; and the picture."""
    whole = logged(World(seed=1, authors=100, viewers=VIEWERS, post_count=1_500, days=2, pages_a_day=1))
    found = {"all viewers": whole, "some lost": without_idle(whole)}
    shares = {variant.name: float(variant.share) for variant in EXPERIMENT.variants}
    readouts = {name: read_out(one, EXPERIMENT.name, shares) for name, one in found.items()}
    return {name: figures(one) for name, one in readouts.items()}, picture(readouts)


def logged(world: World) -> ExampleSet:
    """The world's history as the examples of the experiment; features are of no account."""
    history = world.history
    seen = (history.kind == t.EVENT_KIND_IMPRESSION) & (history.visit >= 0)
    done = (history.kind != t.EVENT_KIND_IMPRESSION) & (history.visit >= 0)
    names = [variant.name for variant in EXPERIMENT.variants]
    variants = [names.index(EXPERIMENT.variant_of(user).name) for user in world.user_ids]
    columns = {"viewer": history.viewer, "post": history.post, "request": history.visit}
    numbers = {name: column.astype(np.int32) for name, column in columns.items()}
    rows = {name: column[seen] for name, column in numbers.items()}
    count = len(rows["viewer"])
    impressions = Impressions(
        **{**not_logged(count), "variant": np.array(variants, np.int16)[rows["viewer"]]},
        **rows,
        features=np.zeros((count, len(FEATURES)), np.float32),
        group=rows["request"],
        time_ms=history.time_ms[seen],
        place=history.position[seen].astype(np.int32),
        surface=np.ones(count, np.int8),
    )
    outcomes = Outcomes(
        **{name: column[done] for name, column in numbers.items()},
        kind=history.kind[done].astype(np.int8),
        time_ms=history.time_ms[done],
        dwell_ms=history.dwell_ms[done],
        undo=np.zeros(int(done.sum()), np.bool_),
        refuses=np.zeros(int(done.sum()), np.uint8),
    )
    said = About(made_by="simulation", variants=tuple(f"{EXPERIMENT.name}/{name}" for name in names))
    return ExampleSet(labelled(impressions, outcomes), _posts(world.post_count), said)


def without_idle(whole: ExampleSet, seed: int = 1) -> ExampleSet:
    """Without some of the new variant's viewers, drawn from those who did least for a post they met."""
    rows = whole.examples
    lost = idle(rows, np.random.default_rng(seed))
    return replace(whole, examples=rows[~np.isin(rows.viewer, lost)])


def idle(rows: Examples, random: np.random.Generator) -> NDArray[np.intp]:
    """The viewers who are lost."""
    new = rows[rows.variant == 1]
    viewers, number = np.unique(new.viewer, return_inverse=True)
    did = np.bincount(number, new.labels.sum(axis=1)) / np.bincount(number)
    least = np.argsort(did, kind="stable")[: round(_IDLE * len(viewers))]
    lost = random.choice(least, round(LOST * len(viewers)), replace=False)
    return np.asarray(viewers[lost], np.intp)


def _posts(count: int) -> Posts:
    unknown = np.full(count, -1, np.int32)
    return Posts(
        ids=np.array([f"p{i:06}" for i in range(count)], np.object_),
        author=unknown,
        language=unknown,
        created_ms=unknown.astype(np.int64),
        vector=np.zeros((count, 1), np.float16),
        languages=(),
    )


def figures(one: Readout) -> dict[str, Any]:
    """What the read-out says of the new variant."""
    old, new = one.readings
    return {
        "viewers": {old.variant: old.viewers, new.variant: new.viewers},
        "sample_ratio_p": one.sample_ratio_p,
        "sample_ratio_mismatch": one.sample_ratio_mismatch,
        "old_value_per_viewer": old.per_viewer["value"].value,
        "value_per_viewer": new.per_viewer_difference["value"].model_dump(),
        "value_per_post": new.per_post_difference["value"].model_dump(),
    }


def picture(found: dict[str, Readout]) -> Figure:
    """What is read out, and what warns of it."""
    title = "Two equal models: the one that loses idle viewers seems to win"
    figure, (left, right) = drawing.panels(2, 2.4, title)
    readings = [one.readings for one in found.values()]
    gains = [
        drawing.Interval(*(100 * x / old.per_viewer["value"].value for x in (d.value, d.low, d.high)))
        for old, new in readings
        for d in [new.per_viewer_difference["value"]]
    ]
    drawing.dots(left, list(found), {"gain": gains})
    left.axvline(0, color=GREY, lw=1)
    left.set(title="what is read out", xlabel="value a viewer, gain in %, 95 % interval")
    share = [100 * new.viewers / (old.viewers + new.viewers) for old, new in readings]
    error = [98 / (old.viewers + new.viewers) ** 0.5 for old, new in readings]
    drawing.dots(
        right,
        list(found),
        {"": [drawing.Interval(x, x - e, x + e) for x, e in zip(share, error, strict=True)]},
    )
    right.axvline(50, color=GREY, lw=1)
    right.set(title="what warns of it", xlabel="viewers in the new variant, %")
    right.set_yticklabels([f"p = {one.sample_ratio_p:.2g}" for one in found.values()])
    return figure
