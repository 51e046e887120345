"""Evidence: what changed in the account the server gives of one post, in plain words."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import feedrank
import numpy as np


@dataclass(frozen=True)
class Evidence:
    """One thing that changed: what it is, and how it was and is."""

    name: str
    words: str
    before: str
    after: str


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _plain(value: float) -> str:
    return f"{value:.2f}"


@dataclass(frozen=True)
class _Telling:
    """How to tell a feature: in words, its sign for the post, its form."""

    words: str
    sign: int
    form: Callable[[float], str]


FEATURES = {
    "liked_cosine": _Telling("likeness to the nearest thing liked", 1, _share),
    "disliked_cosine": _Telling("likeness to something unwanted", -1, _share),
    "interest_cosine": _Telling("likeness to the viewer's interests", 1, _share),
    "author_positive": _Telling("good will towards the author", 1, _plain),
    "author_negative": _Telling("ill will towards the author", -1, _plain),
    "topic_liking_mean": _Telling("liking for its topics", 1, _plain),
    "like_minded_share": _Telling("share of readers who like what the viewer likes", 1, _share),
    "other_minded_share": _Telling("share of readers who like what the viewer does not", -1, _share),
    "followed_engagers": _Telling("people followed who reacted to it", 1, _plain),
}
"""Features that a stranger understands; ranker.features declares them all."""

FACTORS = {
    "fatigue": "held back: it resembles what you want less of",
    "author_spread": "held back: its author is on the page already",
    "content_spread": "held back: a post above is much like it",
    "out_of_network": "held back: its author is not followed",
}
"""Factors that change with what a viewer does; ranker.factors and ranker.selection declare them all."""

_LEAST_SPREAD = 0.05
_LOUDNESS = {"author_spread": 0.3, "content_spread": 0.3}
"""Spread follows from the place as much as it makes it, so it is told when nothing else is."""


def strongest(
    explained: Mapping[str, feedrank.ExplainPostResponse],
    post_id: str,
    after: feedrank.ExplainPostResponse,
    *,
    up: bool,
    most: int = 2,
) -> list[Evidence]:
    """The changes of one post that moved it most, up or down, strongest first.

    A feature's change is measured by how much it differs from post to post; a factor's by its logarithm.
    """
    before = explained[post_id]
    weighed = [*_features(explained, before, after), *_factors(before, after)]
    way = 1 if up else -1
    moved = [(way * weight, evidence) for weight, evidence in weighed if way * weight > 0.1]
    return [evidence for _, evidence in sorted(moved, key=lambda pair: -pair[0])][:most]


def chance(told: feedrank.ExplainPostResponse, head: str) -> float:
    """The predicted probability of a head; NaN where the answer has none."""
    return next((p.probability for p in told.post.probabilities if p.head == head), math.nan)


Weighed = list[tuple[float, Evidence]]


def _features(
    explained: Mapping[str, feedrank.ExplainPostResponse],
    before: feedrank.ExplainPostResponse,
    after: feedrank.ExplainPostResponse,
) -> Weighed:
    was, now = _values(before), _values(after)
    weighed = []
    for name, telling in FEATURES.items():
        spread = float(np.std([_values(one)[name] for one in explained.values()]))
        weight = telling.sign * (now[name] - was[name]) / max(spread, _LEAST_SPREAD)
        told = Evidence(name, telling.words, telling.form(was[name]), telling.form(now[name]))
        if told.before != told.after:
            weighed.append((weight, told))
    return weighed


def _values(told: feedrank.ExplainPostResponse) -> dict[str, float]:
    """The told features; what is not known counts 0."""
    known = {feature.name: feature.value for feature in told.features if feature.HasField("value")}
    return {name: known.get(name, 0.0) for name in FEATURES}


def _factors(before: feedrank.ExplainPostResponse, after: feedrank.ExplainPostResponse) -> Weighed:
    was = {factor.name: factor.value for factor in before.post.factors}
    now = {factor.name: factor.value for factor in after.post.factors}
    return [
        (
            _LOUDNESS.get(name, 3) * math.log(now.get(name, 1.0) / was.get(name, 1.0)),
            _factor(name, words, was, now),
        )
        for name, words in FACTORS.items()
    ]


def _factor(name: str, words: str, was: Mapping[str, float], now: Mapping[str, float]) -> Evidence:
    return Evidence(name, words, f"× {was.get(name, 1.0):.2f}", f"× {now.get(name, 1.0):.2f}")
