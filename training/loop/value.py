"""What a page is worth to a viewer: the truth that no ranker sees.

Three readings of one page. All weigh a place by the chance that the viewer's eye gets there
(`behaviour.attention`), and count a post that was read before as nothing.

utility:  sum of attention x max(utility, 0). The measure of the loop. The hidden utility has its zero where
          a viewer would as soon pass on; whoever passes on loses nothing (free disposal), and a ratio of two
          feeds needs a scale whose zero means "nothing of worth".
raw:      sum of attention x utility, where an unwanted post takes away. It may be negative, for a feed of
          random posts it is, so that a ratio of two feeds says nothing.
actions:  the expected value of what the viewer does: the true chance of each action times the weight that
          `ranker.heads` gives it. What a server would measure of itself, had it endless viewers.
"""

import numpy as np
import numpy.typing as npt

from ranker.events import MIN_DWELL_MS
from ranker.heads import HEADS
from training.playground import behaviour

MEASURES = ("utility", "raw", "actions")


def worth(page: behaviour.Page) -> npt.NDArray[np.float64]:
    """What a page is worth by each of MEASURES: float64 (3,)."""
    eye = behaviour.attention(len(page.utility)).astype(np.float64)
    if page.read is not None:
        eye[page.read] = 0
    felt = page.utility.astype(np.float64)
    return np.array([eye @ np.maximum(felt, 0), eye @ felt, eye @ action_value(page)])


def action_value(page: behaviour.Page) -> npt.NDArray[np.float64]:
    """The expected sum of head weights for each post of a page, if it is looked at: float64 (m,)."""
    chance = behaviour.expected(page, MIN_DWELL_MS)
    value = np.zeros(len(page.utility))
    for head in HEADS:
        none = np.ones(len(page.utility))
        for number in head.numbers:
            none *= 1 - chance.get(number, 0.0)
        value += head.weight * (1 - none)
    return value
