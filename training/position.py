"""Position: what is shown further down is looked at less, so fewer actions there do not mean a worse post.

The chance that a place is looked at, against the first place, is read from pages on which chance moved
posts: `examination`, after Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased
feedback", WSDM 2017. Every post among a page's first m has a known chance for each of these m places
(`ranker.exploration`), so the rate of actions at a place, each row weighted by 1 / its chance, is that of the
same posts at every place; the rates differ by the places alone.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from ranker.errors import FeedrankError
from ranker.heads import WEIGHTS
from ranker.selection import COLD_START_PLACE
from training.examples import Examples

Floats = NDArray[np.float64]

LEAST_MOVED = 100
"""Rows that chance moved, below which no propensity is estimated."""


class NothingMoved(FeedrankError):
    """The examples hold no swaps to learn from."""


def examination(examples: Examples) -> Floats:
    """The chance that each place is looked at, against the first: float64 (m,), from 1, never rising.

    Only rows with a logged propensity below 1 count, but for the cold-start place, whose posts are others'
    equals in no way; it takes the mean of its neighbours. Raises NothingMoved below LEAST_MOVED moved rows.
    """
    drawn = (examples.propensity < 1) & (examples.place >= 0) & (examples.place != COLD_START_PLACE)
    moved = drawn & (examples.propensity < 0.5)
    if moved.sum() < LEAST_MOVED:
        raise NothingMoved(
            f"{int(moved.sum())} examples were moved by chance, fewer than {LEAST_MOVED}: serve with a "
            f"larger exploration.swap_share, or train with another --position"
        )
    rows = examples[drawn]
    kept = rows.weight / rows.propensity
    acted = rows.labels[:, WEIGHTS > 0].any(axis=1)
    mass = np.bincount(rows.place, kept)
    rate = np.bincount(rows.place, kept * acted) / np.maximum(mass, 1e-12)
    places = np.flatnonzero(mass)
    falling = IsotonicRegression(increasing=False).fit(places, rate[places], sample_weight=mass[places])
    curve: Floats = falling.predict(np.arange(len(mass)))
    return np.asarray(np.maximum(curve / max(curve[0], 1e-12), 1e-3), np.float64)


def at_places(curve: Floats, place: NDArray[np.int32]) -> Floats:
    """The curve at each row's place: below its end it goes on level; 1 where the place is not known."""
    known = curve[np.clip(place, 0, len(curve) - 1)]
    return np.where(place >= 0, known, 1.0)
