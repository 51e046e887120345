"""Baselines: orders that need no model. An evaluation always prints them beside the model's.

They are read from named columns of the examples, so they know what the model knew at that moment and no more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker import features, heads
from ranker.errors import InvalidArgument
from ranker.heads import VALUE
from training.examples import Examples, ExampleSet

Floats = NDArray[np.float64]

_COUNTED = ("click", "like", "reply", "share")
_LATELY = ("post_clicks_6h", "post_likes_6h", "post_replys_6h", "post_shares_6h")
_SHOWN = "post_impressions_ever"
_LIKING = ("author_liking", "topic_liking_mean")
_USUAL, _SHRINK = 0.05, 10
"""What ranker.features.counts draws rates to, and by the weight of how many impressions."""


class Unknown(Exception):
    """A baseline can not be told from these examples; says why."""


class Baseline(NamedTuple):
    """An order of its own."""

    name: str
    score: Callable[[ExampleSet, str], Floats]
    """For all examples and a target, float64 (n,); raises Unknown."""


def column(examples: Examples, name: str) -> Floats:
    """A feature by name, as float64; InvalidArgument where the features have no such name."""
    if name not in features.NAMES:
        raise InvalidArgument(
            "features", f"there is no feature {name}: name another in training/baselines.py"
        )
    return examples.features[:, features.NAMES.index(name)].astype(np.float64)


def as_shown(data: ExampleSet, _target: str) -> Floats:
    """The first place first."""
    place = data.examples.place
    if not np.any(place >= 0):
        raise Unknown("no example has a place")
    return -_known_or(place, place >= 0, place.max() + 1)


def chronological(data: ExampleSet, _target: str) -> Floats:
    """The newest first."""
    created = data.posts.created_ms[data.examples.post]
    if not np.any(created >= 0):
        raise Unknown("no post has a time")
    return created.astype(np.float64)


def popular(data: ExampleSet, _target: str) -> Floats:
    """Clicks, likes, replies and shares so far."""
    seen = np.expm1(column(data.examples, _SHOWN)) + _SHRINK
    return sum(
        (column(data.examples, f"post_{one}_rate") * seen - _SHRINK * _USUAL for one in _COUNTED), 0 * seen
    )


def recent_popular(data: ExampleSet, _target: str) -> Floats:
    """The same, over some six hours."""
    return sum((np.expm1(column(data.examples, one)) for one in _LATELY), np.zeros(len(data.examples)))


def item_rate(data: ExampleSet, target: str) -> Floats:
    """How often an impression of the post led to the action, or what it earned by all of these rates."""
    if target == VALUE:
        return sum(
            (head.weight * _rate(data.examples, head) for head in heads.HEADS), np.zeros(len(data.examples))
        )
    return _rate(data.examples, heads.HEADS[heads.NAMES.index(target)])


def personal_popularity(data: ExampleSet, target: str) -> Floats:
    """The popular, times e to the viewer's liking of the author and the topics."""
    liking = sum((np.nan_to_num(column(data.examples, one)) for one in _LIKING), np.zeros(len(data.examples)))
    return np.asarray((1 + np.maximum(popular(data, target), 0)) * np.exp(liking), np.float64)


def current_model(data: ExampleSet, target: str) -> Floats:
    """What the model that served said, before the factors."""
    said = data.examples.probabilities.astype(np.float64)
    if np.isnan(said).any():
        raise Unknown("what the serving model said was not logged for every example")
    return said @ heads.WEIGHTS if target == VALUE else said[:, heads.NAMES.index(target)]


def random(data: ExampleSet, _target: str) -> Floats:
    """An order of chance."""
    return np.random.default_rng(0).random(len(data.examples))


BASELINES = tuple(
    Baseline(score.__name__, score)
    for score in (
        as_shown,
        chronological,
        popular,
        recent_popular,
        item_rate,
        personal_popularity,
        current_model,
        random,
    )
)


def _rate(examples: Examples, head: heads.Head) -> Floats:
    name = f"post_{head.counter}_rate"
    if name in features.NAMES:
        return column(examples, name)
    return np.full(len(examples), head.base_rate)


def _known_or(values: NDArray[Any], known: NDArray[np.bool_], otherwise: int) -> Floats:
    return np.where(known, values, otherwise).astype(np.float64)
