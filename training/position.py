"""Position: what is shown further down is looked at less, so fewer actions there do not mean a worse post.

Ways to deal with it, a knob of the training:

ignored:     Not at all.
place:       The place is a column in training, and held at the first place in the bundle.
propensity:  An action counts by 1 / the chance that its place is looked at: its label is that of the place
             looked at least over that of its own, so it stays between 0 and 1 (Saito et al., "Unbiased
             recommender learning from missing-not-at-random implicit feedback", WSDM 2020).
auto:        propensity where chance has moved enough posts to tell the propensities, else ignored.

`python -m benchmarks.position --visits 2500 --sets 300` compares them where the truth is known: NDCG@10 by
true utility of 0.940 with propensities, 0.938 when ignored, 0.935 with the place as a column; the differences
have standard errors of 0.001. The column does harm because a feed puts the best first: what the place
explains is then taken from the features that put it there. So auto is the default.

The chance that a place is looked at, against the first place, is read from pages on which chance moved
posts: `examination`, after Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased
feedback", WSDM 2017. Every post among a page's first m has a known chance for each of these m places
(`ranker.exploration`), so the rate of actions at a place, each row weighted by 1 / its chance, is that of the
same posts at every place; the rates differ by the places alone.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from ranker.errors import FeedrankError
from ranker.heads import WEIGHTS
from ranker.selection import COLD_START_PLACE
from training.examples import Examples

Floats = NDArray[np.float64]

Position = Literal["auto", "ignored", "place", "propensity"]

LEAST_MOVED = 100
"""Rows that chance moved, below which no propensity is estimated."""
ENOUGH_MOVED = 1_000
"""Rows that chance moved, from which on auto trusts the estimate."""


class NothingMoved(FeedrankError):
    """The examples hold no swaps to learn from."""


def chosen(position: Position, examples: Examples) -> tuple[Position, str]:
    """What is done about the place with these examples, and that in a sentence. Raises NothingMoved."""
    if position == "auto":
        position = "propensity" if moved(examples) >= ENOUGH_MOVED else "ignored"
    if position == "propensity":
        curve = examination(examples)
        last = f"place {len(curve) - 1} is looked at {curve[-1]:.2f} times as often as the first"
        return position, f"actions count by 1 / the chance that their place is looked at; {last}"
    if position == "ignored":
        return position, "the place was not looked at"
    if not (examples.place >= 0).any():
        return "ignored", "no place is known"
    return position, "the place was a column in training, held at the first place in the bundle"


def moved(examples: Examples) -> int:
    """How many rows chance put where they would not have been."""
    return int((_drawn(examples) & (examples.propensity < 0.5)).sum())


def _drawn(examples: Examples) -> NDArray[np.bool_]:
    """Rows whose place swaps had a say in."""
    where = (examples.place >= 0) & (examples.place != COLD_START_PLACE)
    return np.asarray((examples.propensity < 1) & where, np.bool_)


def examination(examples: Examples) -> Floats:
    """The chance that each place is looked at, against the first: float64 (m,), from 1, never rising.

    Only rows with a logged propensity below 1 count, but for the cold-start place, whose posts are others'
    equals in no way; it takes the mean of its neighbours. Raises NothingMoved below LEAST_MOVED moved rows.
    """
    if (count := moved(examples)) < LEAST_MOVED:
        raise NothingMoved(
            f"{count} examples were moved by chance, fewer than {LEAST_MOVED}: serve with a larger "
            f"exploration.swap_share, or train with another --position"
        )
    rows = examples[_drawn(examples)]
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
