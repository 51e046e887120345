"""The prior: a documented ranker for the first day, before any bundle is trained.

A head's probability is its base rate, moved on the logit scale by what is known: how the post did so far
against the head's base rate (popularity), how the viewer stands to author and topics (affinity), how near the
post is to the viewer's taste, and how old it is (freshness). Unknown values move nothing.
"""

import numpy as np
from numpy.typing import NDArray

from ranker import features, heads
from ranker.experiments import PRIOR as VERSION

TOWARD = {
    "follows_author": 0.8,
    "author_positive": 0.3,
    "author_negative": -1.0,
    "topic_liking_mean": 1.0,
    "interest_cosine": 1.2,
    "liked_cosine": 0.6,
    "disliked_cosine": -1.2,
    "followed_engagers": 0.2,
    "like_minded_share": 0.6,
    "other_minded_share": -0.6,
    "language_read": 0.4,
}
"""What a unit of a feature adds to the logit of a wanted action; from an unwanted one it takes as much."""

MOST = 2.0
"""All of them together move a logit by no more."""

HALF_AN_ODDS_H = 12.0
"""Every doubling of a post's age past this many hours halves the odds of a wanted action."""

RATE_OF = {
    "click": "post_click_rate",
    "dwell": "post_dwell_rate",
    "like": "post_like_rate",
    "reply": "post_reply_rate",
    "share": "post_share_rate",
    "follow": "post_follow_rate",
    "negative": "post_negative_rate",
}
SMOOTHED_TO = 0.05
"""What ranker.features draws a post's rates to, when nobody has seen it."""


class Prior:
    """Predicts every head from a few features. It has the face of a bundle."""

    version = VERSION

    def predict(self, rows: NDArray[np.float32]) -> heads.Prediction:
        """The prediction for feature rows, float32 (n, features)."""
        known = np.nan_to_num(rows.astype(np.float64))
        moves = sum(weight * known[:, _column(name)] for name, weight in TOWARD.items())
        toward = np.clip(moves, -MOST, MOST)
        fading = np.log2(1 + known[:, _column("post_age")] / HALF_AN_ODDS_H) * np.log(2)
        logits = np.empty((len(rows), len(heads.HEADS)))
        for i, head in enumerate(heads.HEADS):
            moved = toward - fading if head.weight > 0 else -toward
            logits[:, i] = np.log(head.base_rate / (1 - head.base_rate)) + moved + _lift(known, head.counter)
        return heads.predicted(np.asarray(1 / (1 + np.exp(-logits))))


def _lift(known: NDArray[np.float64], counter: str) -> NDArray[np.float64] | float:
    """How far the post's own rate is above or below that of a post nobody has seen."""
    if counter not in RATE_OF:
        return 0.0
    return np.asarray(np.log(known[:, _column(RATE_OF[counter])] / SMOOTHED_TO))


def _column(name: str) -> int:
    return features.NAMES.index(name)
