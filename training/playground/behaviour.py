"""How a viewer acts on a page: from the hidden utility of each post to events.

A viewer scrolls from the top and gives up after some posts; attention falls on the way down (position
bias); what is attended to is acted on with odds that grow, or for the negative actions fall, with the
utility.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from feedrank.v1 import types_pb2 as t
from scipy.special import erfc

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

NOISE = 0.6
_GIVES_UP = 0.03
_DWELL_LOG_MS, _DWELL_SLOPE, _DWELL_SPREAD = 7.6, 0.35, 0.7
_MAX_DWELL_MS = 600_000

# Each action with slope and threshold: its probability is sigmoid(slope * utility - threshold).
_HABITS: dict[t.EventKind.ValueType, tuple[float, float]] = {
    t.EVENT_KIND_CLICK: (1.0, 1.6),
    t.EVENT_KIND_LIKE: (1.5, 3.0),
    t.EVENT_KIND_REPLY: (1.2, 5.4),
    t.EVENT_KIND_REPOST: (1.3, 5.6),
    t.EVENT_KIND_QUOTE: (1.2, 6.8),
    t.EVENT_KIND_SHARE: (1.2, 5.9),
    t.EVENT_KIND_BOOKMARK: (1.3, 5.7),
    t.EVENT_KIND_REMIX: (1.3, 5.0),
    t.EVENT_KIND_PROFILE_CLICK: (1.0, 4.6),
    t.EVENT_KIND_FOLLOW: (1.3, 5.2),
    t.EVENT_KIND_HIDE: (-1.0, 5.8),
    t.EVENT_KIND_REQUEST_LESS: (-1.1, 6.1),
    t.EVENT_KIND_MUTE: (-1.1, 8.2),
    t.EVENT_KIND_REPORT: (-0.8, 8.0),
}
KINDS = np.array(list(_HABITS), np.int64)
_SLOPE = np.array([slope for slope, _ in _HABITS.values()], np.float32)[:, None]
_THRESHOLD = np.array([threshold for _, threshold in _HABITS.values()], np.float32)[:, None]
_FOLLOW = list(_HABITS).index(t.EVENT_KIND_FOLLOW)
_REMIX = list(_HABITS).index(t.EVENT_KIND_REMIX)
_REPORT = list(_HABITS).index(t.EVENT_KIND_REPORT)


@dataclass(frozen=True)
class Actions:
    """Columns of what a viewer did on one page, in time order, all int64 and of equal length."""

    offset_ms: Integers  # since the page was opened
    position: Integers  # on the page, from 0
    kind: Integers  # an EventKind
    dwell_ms: Integers  # 0 for all but dwells


@dataclass(frozen=True)
class Page:
    """Columns of the posts on a page, top first, of equal length."""

    utility: Floats
    followed: npt.NDArray[np.bool_]  # the viewer follows the author
    generated: npt.NDArray[np.bool_]  # holds a generated picture
    labelled: npt.NDArray[np.bool_]  # has a safety label
    read: npt.NDArray[np.bool_] | None = (
        None  # was on the screen before, and is passed over; None: nothing was
    )


def attention(depth: int) -> Floats:
    """The probability that a viewer who has come this far looks at each position: (depth,)."""
    return (0.3 + 0.7 * np.exp(-np.arange(depth) / 8)).astype(np.float32)


def probabilities(page: Page) -> npt.NDArray[np.float32]:
    """Of each action (rows, in the order of KINDS) on each post that is looked at (columns)."""
    chance = (1 / (1 + np.exp(_THRESHOLD - _SLOPE * page.utility))).astype(np.float32)
    chance[_FOLLOW, page.followed] = 0
    chance[_REMIX, ~page.generated] = 0
    chance[_REPORT, page.labelled] += 0.004
    return chance


def expected(page: Page, least_dwell_ms: int) -> dict[int, Floats]:
    """The probability of each action, and of a dwell of that long, on each post that is looked at, by kind.

    The mean over what a viewer may feel: utility and NOISE, by Gauss-Hermite quadrature.
    """
    at, weight = np.polynomial.hermite_e.hermegauss(7)
    felt = [replace(page, utility=(page.utility + NOISE * x).astype(np.float32)) for x in at]
    share = weight / weight.sum()
    mean = np.tensordot(share, np.stack([probabilities(one) for one in felt]), 1).astype(np.float32)
    long = (np.log(least_dwell_ms) - _DWELL_LOG_MS - _DWELL_SLOPE * page.utility) / np.hypot(
        _DWELL_SPREAD, _DWELL_SLOPE * NOISE
    )
    stays = (0.5 * erfc(long / np.sqrt(2))).astype(np.float32)
    return {t.EVENT_KIND_DWELL: stays, **dict(zip(KINDS.tolist(), mean, strict=True))}


def act(page: Page, rng: np.random.Generator) -> Actions:
    """What the viewer does on a page."""
    depth = min(len(page.utility), int(rng.geometric(_GIVES_UP)))
    felt = page.utility[:depth] + NOISE * rng.standard_normal(depth, dtype=np.float32)
    seen = Page(felt, page.followed[:depth], page.generated[:depth], page.labelled[:depth])
    looks = rng.random(depth) < attention(depth)
    if page.read is not None:
        looks &= ~page.read[:depth]
    stay = np.where(
        looks,
        rng.lognormal(_DWELL_LOG_MS + _DWELL_SLOPE * felt, _DWELL_SPREAD),
        300 + 400 * rng.random(depth),
    )
    stay = np.minimum(stay, _MAX_DWELL_MS).astype(np.int64)
    start = np.cumsum(stay) - stay
    action, where = np.nonzero((rng.random((len(KINDS), depth)) < probabilities(seen)) & looks)
    dwells = np.flatnonzero(looks & (stay >= 1_000))
    moment = start[where] + (stay[where] * (0.4 + 0.5 * rng.random(len(where)))).astype(np.int64)
    return _in_time(start, dwells, stay, moment, where, KINDS[action])


def _in_time(
    start: Integers, dwells: Integers, stay: Integers, moment: Integers, where: Integers, kind: Integers
) -> Actions:
    """Impressions when a post comes into sight, dwells when it is left, the other actions between."""
    rest = len(start) + len(where)
    offset = np.concatenate([start, moment, start[dwells] + stay[dwells]])
    position = np.concatenate([np.arange(len(start)), where, dwells])
    kinds = np.full(len(offset), t.EVENT_KIND_DWELL, np.int64)
    kinds[: len(start)] = t.EVENT_KIND_IMPRESSION
    kinds[len(start) : rest] = kind
    dwell = np.zeros(len(offset), np.int64)
    dwell[rest:] = stay[dwells]
    order = np.argsort(offset, kind="stable")
    return Actions(offset[order], position[order], kinds[order], dwell[order])
