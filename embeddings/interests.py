"""Interests: the few taste vectors of a viewer, learned one event at a time.

The caller owns three arrays, a row per viewer and K slots a row:

    vector   float16 (viewers, K, D)  unit length to half precision
    weight   float32 (viewers, K)     0 is an empty slot
    time_ms  int64   (viewers, K)     when the weight was last decayed; 0 in an empty slot

A viewer's row depends on that viewer's events and their order alone, bit for bit: not on how the stream was
cut into batches, nor on the other viewers in a batch. So every update is rounded to float16 before the next
one, and sums run in index order in float64.

The method is spherical k-means, one point at a time (Zhong 2005, "Efficient online spherical k-means
clustering"), with several vectors per person as in PinnerSage (Pal et al. 2020), and weights that halve as
time passes:

- What a viewer likes moves the nearest interest, by strength / (weight + strength), when its cosine is at
  least `same_cosine`. Otherwise it takes an empty slot, or that of the weakest interest if that is weaker
  than the event. If all are stronger, the nearest interest takes it after all.
- What a viewer wants less of pushes away each interest with a positive cosine: v -= step * cosine * post,
  where step = min(1, |strength| * away_step); the weight falls by the share step * cosine. An interest that
  was little else than the post (under a tenth of its length is left) is emptied.
- An event may come late: its strength is then decayed as if it had come in time.
- An undone event is not unlearned exactly; a caller may send a small negative strength for it.

>>> vector, weight, time_ms = empty_interests(viewers=1, dimension=2)
>>> learn(vector[0], weight[0], time_ms[0], np.array([0, 1], np.float32), strength=1.0, t_ms=0)
>>> read(vector, weight, time_ms, viewer=0, t_ms=7 * 86_400_000)
(array([[0., 1.]], dtype=float32), array([0.5], dtype=float32))
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

SLOTS = 5
"""Interests per viewer, unless the caller's arrays hold another number."""

_DAY_MS = 86_400_000.0
_LEAST_LENGTH = 0.1


@dataclass(frozen=True)
class InterestRules:
    """How interests are learned."""

    half_life_days: float = 7.0
    """After so many days an interest weighs half."""
    same_cosine: float = 0.2
    """A post at least this near belongs to an interest. Measured with all-MiniLM-L6-v2 on the posts of 36
    Reddit communities: the median cosine of two posts of one community is 0.19, and 0.23 is the 95th
    percentile between communities. Simulated viewers with 2 to 5 communities and some noise: 0.2 finds more
    of their communities than 0.3 (0.82 against 0.70 with 5 of them) and 0.55 is no better than the last
    five posts."""
    away_step: float = 0.5
    """How far an event of strength -1 pushes; from -1 / away_step on, all of the post's direction goes."""
    floor: float = 0.001
    """A weaker interest is emptied, and an event weaker than this (after decay) teaches nothing."""


DEFAULT = InterestRules()


def empty_interests(
    viewers: int, dimension: int, slots: int = SLOTS
) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.int64]]:
    """`vector`, `weight` and `time_ms` of viewers of whom nothing is known."""
    return (
        np.zeros((viewers, slots, dimension), np.float16),
        np.zeros((viewers, slots), np.float32),
        np.zeros((viewers, slots), np.int64),
    )


def learn_batch(
    vector: NDArray[np.float16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    viewers: NDArray[np.int32],
    posts: NDArray[np.float16] | NDArray[np.float32],
    strengths: NDArray[np.float32],
    times_ms: NDArray[np.int64],
    rules: InterestRules = DEFAULT,
) -> None:
    """Learn n events in order, in place; a viewer may occur many times.

    `viewers` (n,) are rows of the state, `posts` (n, D) vectors of any length, `strengths` (n,) positive
    for more and negative for less. A post whose length is zero or not finite, or a strength that is not
    finite, teaches nothing. Raises ValueError when the lengths differ and IndexError for a viewer outside
    the state, before anything is learned.
    """
    _check(vector, viewers, posts, strengths, times_ms)
    _learn(
        vector.view(np.uint16),
        weight,
        time_ms,
        np.asarray(viewers, np.int32),
        np.ascontiguousarray(posts, np.float32),
        np.asarray(strengths, np.float32),
        np.asarray(times_ms, np.int64),
        (rules.half_life_days * _DAY_MS, rules.same_cosine, rules.away_step, rules.floor),
    )


def learn(
    vector: NDArray[np.float16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    post: NDArray[np.float16] | NDArray[np.float32],
    strength: float,
    t_ms: int,
    rules: InterestRules = DEFAULT,
) -> None:
    """Learn one event into one viewer's row, in place: `vector` (K, D), `weight` (K,), `time_ms` (K,)."""
    one = np.zeros(1, np.int32), post[None], np.array([strength], np.float32), np.array([t_ms])
    learn_batch(vector[None], weight[None], time_ms[None], *one, rules)


def read(
    vector: NDArray[np.float16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    viewer: int,
    t_ms: int,
    rules: InterestRules = DEFAULT,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A viewer's interests at a time, strongest first: vectors (k, D) and weights (k,), new arrays.

    k may be 0. Weights are decayed to `t_ms`; before an interest's own time it is read as it is. Equal
    weights keep the order of their slots.
    """
    age_days = np.maximum(t_ms - time_ms[viewer], 0) / _DAY_MS
    now = (weight[viewer] * 0.5 ** (age_days / rules.half_life_days)).astype(np.float32)
    strongest = np.argsort(-now, kind="stable")
    strongest = strongest[now[strongest] > 0]
    return vector[viewer, strongest].astype(np.float32), now[strongest]


def _check(
    vector: NDArray[np.float16],
    viewers: NDArray[np.int32],
    posts: NDArray[np.float16] | NDArray[np.float32],
    strengths: NDArray[np.float32],
    times_ms: NDArray[np.int64],
) -> None:
    n = len(viewers)
    if posts.shape != (n, vector.shape[2]) or len(strengths) != n or len(times_ms) != n:
        raise ValueError(
            f"{n} viewers need posts of shape {(n, vector.shape[2])} and as many strengths and times; got "
            f"{posts.shape}, {len(strengths)} and {len(times_ms)}"
        )
    if n and not 0 <= viewers.min() <= viewers.max() < len(vector):
        raise IndexError(f"viewers must be rows of the state, 0 to {len(vector) - 1}; grow the state first")


# Below: the kernel. Numba has no float16 on a CPU, so a row is uint16 bits, widened and rounded here.


@njit(cache=True)
def _widened(half: int) -> float:
    """The value of float16 bits; finite ones only."""
    magnitude = half & 0x7FFF
    small = magnitude * 2.0**-24
    large = float(np.uint32((magnitude << 13) + (112 << 23)).view(np.float32))
    value = (
        small if magnitude < 0x400 else large
    )  # both made: with no branch the compiler makes vectors of it
    return -value if half & 0x8000 else value


@njit(cache=True)
def _rounded(value: float) -> int:
    """The float16 bits nearest to a value within the range of float16, by way of float32; ties to even."""
    bits = int(np.float32(value).view(np.uint32))
    sign = (bits >> 16) & 0x8000
    magnitude = bits & 0x7FFFFFFF
    if magnitude < 113 << 23:
        return sign | int(np.rint(abs(float(np.float32(value))) * 2.0**24))
    return sign | (((magnitude + 0xFFF + ((magnitude >> 13) & 1)) >> 13) - (112 << 10))


@njit(cache=True)
def _stored(row: NDArray[np.uint16], values: NDArray[np.float64], least: float) -> bool:
    """Write values at unit length; False, with nothing written, when they are shorter than `least`."""
    total = 0.0
    for d in range(len(values)):
        total += values[d] * values[d]
    length = np.sqrt(total)
    if not least <= length < np.inf:
        return False
    for d in range(len(values)):
        row[d] = _rounded(values[d] / length)
    return True


@njit(cache=True)
def _unit(post: NDArray[np.float32], unit: NDArray[np.float64]) -> bool:
    """Copy a post at unit length; False when it has no direction."""
    total = 0.0
    for d in range(len(post)):
        total += np.float64(post[d]) * np.float64(post[d])
    if not 0.0 < total < np.inf:
        return False
    length = np.sqrt(total)
    for d in range(len(post)):
        unit[d] = post[d] / length
    return True


@njit(cache=True)
def _cosine(row: NDArray[np.uint16], unit: NDArray[np.float64]) -> float:
    total = 0.0
    for d in range(len(unit)):
        total += _widened(row[d]) * unit[d]
    return total


@njit(cache=True)
def _cosines(
    vector: NDArray[np.uint16], unit: NDArray[np.float64], parts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`_cosine` of each slot, bit for bit: four sums at once, for each waits for its own additions."""
    cosines = np.empty(len(vector))
    last = len(vector) - 1
    for k in range(len(vector)):
        for d in range(len(unit)):
            parts[k, d] = _widened(vector[k, d]) * unit[d]
    for k in range(0, len(vector), 4):
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        a = b = c = e = 0.0
        for d in range(len(unit)):
            a += parts[k, d]
            b += parts[k1, d]
            c += parts[k2, d]
            e += parts[k3, d]
        cosines[k], cosines[k1], cosines[k2], cosines[k3] = a, b, c, e
    return cosines


@njit(cache=True)
def _emptied(
    k: int, vector: NDArray[np.uint16], weight: NDArray[np.float32], time_ms: NDArray[np.int64]
) -> None:
    vector[k] = 0
    weight[k] = 0.0
    time_ms[k] = 0


@njit(cache=True)
def _aged(
    vector: NDArray[np.uint16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    t_ms: int,
    half_life_ms: float,
    floor: float,
) -> int:
    """Bring all weights to one time, the latest seen, and return it."""
    now = t_ms
    for k in range(len(weight)):
        if weight[k] > 0.0 and time_ms[k] > now:
            now = time_ms[k]
    for k in range(len(weight)):
        if weight[k] > 0.0:
            weight[k] *= 0.5 ** ((now - time_ms[k]) / half_life_ms)
            time_ms[k] = now
            if weight[k] < floor:
                _emptied(k, vector, weight, time_ms)
    return now


@njit(cache=True)
def _home(
    vector: NDArray[np.uint16],
    weight: NDArray[np.float32],
    unit: NDArray[np.float64],
    strength: float,
    same: float,
    parts: NDArray[np.float64],
) -> tuple[int, bool]:
    """The slot that a liked post belongs to, and whether it starts a new interest there."""
    nearest, best = 0, -2.0
    weakest = 0
    cosines = _cosines(vector, unit, parts)
    for k in range(len(weight)):
        cosine = cosines[k] if weight[k] > 0.0 else -2.0
        if cosine > best:
            nearest, best = k, cosine
        if weight[k] < weight[weakest]:
            weakest = k
    if best < same and weight[weakest] < strength:
        return weakest, True
    return nearest, False


@njit(cache=True)
def _drawn(
    row: NDArray[np.uint16], unit: NDArray[np.float64], step: float, moved: NDArray[np.float64]
) -> None:
    """Move an interest toward a post; the post itself where the two cancel out."""
    for d in range(len(unit)):
        value = _widened(row[d])
        moved[d] = value + step * (unit[d] - value)
    if not _stored(row, moved, _LEAST_LENGTH):
        _stored(row, unit, 0.0)


@njit(cache=True)
def _pushed(
    vector: NDArray[np.uint16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    unit: NDArray[np.float64],
    step: float,
    floor: float,
    moved: NDArray[np.float64],
) -> None:
    """Push the interests that look toward a post away from it."""
    for k in range(len(weight)):
        cosine = min(_cosine(vector[k], unit), 1.0) if weight[k] > 0.0 else 0.0
        if cosine <= 0.0:
            continue
        for d in range(len(unit)):
            moved[d] = _widened(vector[k, d]) - step * cosine * unit[d]
        weight[k] *= 1.0 - step * cosine
        if weight[k] < floor or not _stored(vector[k], moved, _LEAST_LENGTH):
            _emptied(k, vector, weight, time_ms)


@njit(cache=True, nogil=True)
def _learn(
    vector: NDArray[np.uint16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    viewers: NDArray[np.int32],
    posts: NDArray[np.float32],
    strengths: NDArray[np.float32],
    times_ms: NDArray[np.int64],
    rules: tuple[float, float, float, float],
) -> None:
    half_life_ms, same, away_step, floor = rules
    unit = np.empty(posts.shape[1])
    moved = np.empty(posts.shape[1])
    parts = np.empty(vector.shape[1:])
    for i in range(len(viewers)):
        if not np.isfinite(strengths[i]) or not _unit(posts[i], unit):
            continue
        row = viewers[i]
        mine, weights, times = vector[row], weight[row], time_ms[row]
        now = _aged(mine, weights, times, times_ms[i], half_life_ms, floor)
        strength = strengths[i] * 0.5 ** ((now - times_ms[i]) / half_life_ms)
        if strength <= -floor:
            _pushed(mine, weights, times, unit, min(1.0, -strength * away_step), floor, moved)
        elif strength >= floor:
            k, new = _home(mine, weights, unit, strength, same, parts)
            step = 1.0 if new else strength / (weights[k] + strength)
            _drawn(mine[k], unit, step, moved)
            weights[k] = strength if new else weights[k] + strength
            times[k] = now
