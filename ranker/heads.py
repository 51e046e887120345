"""The heads: one declaration for each action that the ranker predicts.

Serving, training, the metrics and the wire follow from this list.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.events import NUMBERS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Head:
    """An action that may follow an impression.

    kinds:      the event kinds that label it, by name
    horizon_ms: how long after the impression the action counts
    weight:     what one action is worth in the score; negative for what must not happen
    base_rate:  how often it happens after an impression, before anything is known; for the prior
    counter:    the counter of ranker.events whose rates speak for it
    """

    name: str
    kinds: tuple[str, ...]
    horizon_ms: int
    weight: float
    base_rate: float
    counter: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The event kinds as the contract numbers them."""
        return tuple(NUMBERS[kind] for kind in self.kinds)


HEADS = (
    Head("click", ("click",), HOUR_MS, 0.5, 0.10, "click"),
    Head("dwell", ("dwell",), HOUR_MS, 0.5, 0.10, "dwell"),
    Head("like", ("like", "request_more"), DAY_MS, 1.0, 0.04, "like"),
    Head("bookmark", ("bookmark",), DAY_MS, 1.5, 0.01, "like"),
    Head("reply", ("reply",), DAY_MS, 3.0, 0.008, "reply"),
    Head("repost", ("repost", "quote", "remix"), DAY_MS, 2.0, 0.008, "share"),
    Head("share", ("share",), DAY_MS, 2.0, 0.004, "share"),
    Head("follow", ("follow",), DAY_MS, 4.0, 0.003, "follow"),
    Head("profile_click", ("profile_click",), HOUR_MS, 0.8, 0.01, "profile_click"),
    Head("hide", ("hide", "request_less"), DAY_MS, -4.0, 0.005, "negative"),
    Head("mute_or_block", ("mute", "block"), DAY_MS, -15.0, 0.0008, "negative"),
    Head("report", ("report",), DAY_MS, -40.0, 0.0003, "negative"),
)

VALUE = "value"
"""What the weighted sum of the heads is called beside them."""

NAMES = tuple(head.name for head in HEADS)
WEIGHTS = np.array([head.weight for head in HEADS])


def weights() -> dict[str, float]:
    """What one action of each head is worth."""
    return {head.name: head.weight for head in HEADS}


def longest_ms(names: Iterable[str]) -> int:
    """The longest horizon of some heads: so long after an impression all its labels are known."""
    wanted = {*names}
    return max(head.horizon_ms for head in HEADS if head.name in wanted)


class Prediction(NamedTuple):
    """What a scorer says of rows."""

    probabilities: NDArray[np.float64]
    """(n, heads), in the order of HEADS."""
    value: NDArray[np.float64]
    """(n,): what showing the post is worth, before the factors."""


def predicted(probabilities: NDArray[np.float64]) -> Prediction:
    """The prediction of heads alone: a post is worth their weighted sum."""
    return Prediction(probabilities, probabilities @ WEIGHTS)
