"""Standing: whose deeds count in the eyes of others.

What a viewer does always counts for the viewer. For others (a post's and an author's counters, heat, who
engaged, what is popular in a place) it counts when the account has standing: it has been known for a while,
and has engaged with a few different authors. A thousand accounts made this morning to push a post, or to
report it, have none: together they add nothing (CVE-2023-29218 tells what such a crowd did elsewhere).

How long, and how many authors, follows from the network itself: a quarter of what the median account of those
has that did something during the last day, up to the settings. So where everybody is new, nobody is too new.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ranker.kernels import fetch, kernel
from ranker.state.columns import Array, Slots

Int64s = NDArray[np.int64]
Flags = NDArray[np.bool_]
Bits64 = NDArray[np.uint64]

_DAY_MS = 86_400_000
_EVERY_MS = 3_600_000
_SHARE = 4
"""One part in so many of what the median active account has is enough."""
_SAMPLE = 4_096
"""Users looked at for the norm, spread evenly over all."""
_LEAST = 30
"""With fewer active accounts among them, what was usual before stays so."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class StandingSettings(BaseModel, frozen=True, extra="forbid"):
    """Whose deeds count in the eyes of others. All servers of one journal must agree."""

    days: float = Field(
        7.0, ge=0, description="Days that an account is known until it counts, at most; 0: at once."
    )
    authors: int = Field(3, ge=0, le=32, description="Different authors it engaged with until then, at most.")


class Norm(NamedTuple):
    """What gives an account standing now, and when that was last looked at."""

    age_ms: int = 0
    authors: int = 0
    at_ms: int = 0

    def due(self, now_ms: int) -> bool:
        """Whether to look again: once an hour of the journal's time."""
        return now_ms >= self.at_ms + _EVERY_MS


def since(heard_ms: Array, created_ms: Array) -> Array:
    """Since when accounts are known: feedrank heard of them first, or they were made, whichever was later."""
    return np.maximum(heard_ms, created_ms)


def norm(
    norm: Norm,
    known_ms: Int64s,
    active_ms: Int64s,
    met: Bits64,
    acted: Flags,
    now_ms: int,
    settings: StandingSettings,
) -> Norm:
    """What gives standing from now on, by the columns of all users.

    known_ms: as `since` says. met: as `stands` keeps it. acted: whether the account ever did more than look.
    The age falls by half in a day at most, so that a crowd does not make its own norm.
    """
    step = max(len(known_ms) // _SAMPLE, 1)
    some = np.flatnonzero(acted[::step] & (active_ms[::step] >= now_ms - _DAY_MS)) * step
    if len(some) < _LEAST:
        return norm._replace(at_ms=now_ms)
    lived = float(np.median(np.maximum(active_ms[some] - known_ms[some], 0)))
    authors = float(np.median(np.bitwise_count(met[some])))
    if lived < _DAY_MS:  # people come once, or all is a day old: nobody is newer than the others
        lived = authors = 0.0
    before = norm.age_ms * 2.0 ** (-(now_ms - norm.at_ms) / _DAY_MS)
    age_ms = min(settings.days * _DAY_MS, max(lived / _SHARE, before))
    return Norm(int(age_ms), min(settings.authors, int(authors / _SHARE)), now_ms)


@kernel
def stands(
    viewers: Slots,
    authors: Slots,
    meets: Flags,
    heard_ms: Int64s,
    created_ms: Int64s,
    met: Bits64,
    norm: Norm,
    now_ms: int,
) -> Flags:
    """Which events come from accounts with standing, bool (n,), in order.

    met: uint64 (users,), changed in place: a bit for each of 64 groups of authors that the account engaged
    with. meets: which events are engagement with somebody's post.
    """
    out = np.empty(len(viewers), np.bool_)
    for viewer in viewers:
        fetch(heard_ms, viewer)
        fetch(created_ms, viewer)
        fetch(met, viewer)
    for i in range(len(viewers)):
        viewer = viewers[i]
        old = now_ms - max(heard_ms[viewer], created_ms[viewer]) >= norm.age_ms
        out[i] = old and _at_least(met[viewer], norm.authors)
        if meets[i] and authors[i] >= 0 and authors[i] != viewer:
            met[viewer] |= np.uint64(1) << ((np.uint64(authors[i]) * _GOLDEN) >> np.uint64(58))
    return out


@kernel
def _at_least(bits: int, wanted: int) -> bool:
    """Whether so many bits are set."""
    left = np.uint64(bits)
    for _ in range(wanted - 1):
        left &= left - np.uint64(1)
    return wanted <= 0 or left != 0
