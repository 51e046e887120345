"""Interests: the kernel against a plain reference, and what it promises."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.interests import (
    DEFAULT,
    InterestRules,
    _rounded,
    _widened,
    empty_interests,
    learn,
    learn_batch,
    read,
)

State = tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.int64]]
Events = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]

DAY = 86_400_000
VIEWERS, DIMENSION = 3, 8
# The vectors of a few topics, so that posts meet again.
TOPICS = np.random.default_rng(3).normal(size=(7, DIMENSION)).astype(np.float32)


@st.composite
def events(draw: st.DrawFn, most: int = 40) -> Events:
    """Up to `most` events of three viewers, for and against, some late, some of posts without a direction."""
    n = draw(st.integers(0, most))
    pick = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    posts = TOPICS[pick.integers(len(TOPICS), size=n)] + 0.4 * pick.normal(size=(n, DIMENSION))
    posts[pick.random(n) < 0.05] = pick.choice([0.0, np.nan, np.inf])
    strengths = pick.choice([-3.0, -1.0, -0.3, 0.0, 0.2, 1.0, 4.0, np.nan], size=n)
    times = DAY * np.arange(n) + pick.integers(-20 * DAY, 20 * DAY, size=n) * (pick.random(n) < 0.3)
    viewers = pick.integers(VIEWERS, size=n)
    return viewers.astype(np.int32), posts.astype(np.float32), strengths.astype(np.float32), times


def learned(stream: Events, rules: InterestRules = DEFAULT) -> State:
    state = empty_interests(VIEWERS, DIMENSION)
    learn_batch(*state, *stream, rules)
    return state


def reference(stream: Events, rules: InterestRules = DEFAULT) -> State:
    """The rules in plain NumPy, an event at a time."""
    vector, weight, time_ms = empty_interests(VIEWERS, DIMENSION)
    for viewer, post, strength, t in zip(*stream, strict=True):
        length = np.linalg.norm(post.astype(np.float64))
        if np.isfinite(strength) and 0 < length < np.inf:
            unit = post.astype(np.float64) / length
            reference_step(
                vector[viewer], weight[viewer], time_ms[viewer], unit, float(strength), int(t), rules
            )
    return vector, weight, time_ms


def reference_step(
    vector: NDArray[np.float16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    unit: NDArray[np.float64],
    strength: float,
    t: int,
    rules: InterestRules,
) -> None:
    half_life_ms = rules.half_life_days * DAY
    held = weight > 0
    now = max([t, *time_ms[held]])
    weight[held] = weight[held] * 0.5 ** ((now - time_ms[held]) / half_life_ms)
    time_ms[held] = now
    empty(vector, weight, time_ms, held & (weight < rules.floor))
    strength *= 0.5 ** ((now - t) / half_life_ms)
    cosines = np.where(weight > 0, vector.astype(np.float64) @ unit, -2.0)
    if strength <= -rules.floor:
        reference_push(vector, weight, time_ms, unit, min(1.0, -strength * rules.away_step), cosines, rules)
    elif strength >= rules.floor:
        k, weakest = int(cosines.argmax()), int(weight.argmin())
        if cosines[k] < rules.same_cosine and weight[weakest] < strength:
            k, moved, weight[weakest] = weakest, unit, strength
        else:
            own = vector[k].astype(np.float64)
            moved = own + strength / (weight[k] + strength) * (unit - own)
            weight[k] += np.float32(strength)
        length = np.linalg.norm(moved)
        vector[k] = moved / length if length >= 0.1 else unit
        time_ms[k] = now


def reference_push(
    vector: NDArray[np.float16],
    weight: NDArray[np.float32],
    time_ms: NDArray[np.int64],
    unit: NDArray[np.float64],
    step: float,
    cosines: NDArray[np.float64],
    rules: InterestRules,
) -> None:
    for k in np.flatnonzero(cosines > 0):
        share = step * min(cosines[k], 1.0)
        moved = vector[k].astype(np.float64) - share * unit
        weight[k] *= 1 - share
        length = np.linalg.norm(moved)
        if weight[k] < rules.floor or length < 0.1:
            empty(vector, weight, time_ms, k)
        else:
            vector[k] = moved / length


def empty(
    vector: NDArray[np.float16], weight: NDArray[np.float32], time_ms: NDArray[np.int64], slots: object
) -> None:
    for column in (vector, weight, time_ms):
        column[slots] = 0  # type: ignore[index]


@given(events())
def test_the_kernel_does_what_the_reference_does(stream: Events) -> None:
    for kernel, plain in zip(learned(stream), reference(stream), strict=True):
        np.testing.assert_allclose(kernel.astype(float), plain.astype(float), atol=5e-3)


@given(events(), st.lists(st.integers(0, 40), max_size=6))
def test_cuts_between_batches_do_not_matter_to_a_bit(stream: Events, cuts: list[int]) -> None:
    state = empty_interests(VIEWERS, DIMENSION)
    edges = [0, *sorted(cuts), len(stream[0])]
    for start, end in pairwise(edges):
        learn_batch(*state, *(column[start:end] for column in stream))
    assert [part.tobytes() for part in state] == [part.tobytes() for part in learned(stream)]


@given(events())
def test_other_viewers_do_not_matter_to_a_bit(stream: Events) -> None:
    mine = stream[0] == 1
    alone = learned(tuple(column[mine] for column in stream))  # type: ignore[arg-type]
    assert [part[1].tobytes() for part in alone] == [part[1].tobytes() for part in learned(stream)]


@given(events())
def test_an_event_at_a_time_is_the_same_as_a_batch(stream: Events) -> None:
    vector, weight, time_ms = empty_interests(VIEWERS, DIMENSION)
    for viewer, post, strength, t in zip(*stream, strict=True):
        learn(vector[viewer], weight[viewer], time_ms[viewer], post, float(strength), int(t))
    assert vector.tobytes() == learned(stream)[0].tobytes()


@given(events())
def test_a_slot_is_empty_or_holds_a_unit_vector_with_a_weight(stream: Events) -> None:
    vector, weight, time_ms = learned(stream)
    held = weight > 0
    assert np.isfinite(weight).all()
    np.testing.assert_allclose(np.linalg.norm(vector[held].astype(float), axis=1), 1, atol=2e-3)
    assert not vector[~held].any()
    assert not weight[~held].any()
    assert not time_ms[~held].any()


@given(events(), st.integers(-30 * DAY, 400 * DAY))
def test_reading_is_strongest_first_and_changes_nothing(stream: Events, t_ms: int) -> None:
    state = learned(stream)
    before = [part.tobytes() for part in state]
    vectors, weights = read(*state, viewer=0, t_ms=t_ms)
    assert vectors.shape == (len(weights), DIMENSION)
    assert (weights > 0).all()
    assert (np.diff(weights) <= 0).all()
    assert [part.tobytes() for part in state] == before


@given(st.integers(0, 4), st.integers(1, 10), st.randoms(use_true_random=False))
def test_a_topic_liked_again_and_again_is_the_strongest_interest(
    topic: int, likes: int, chance: random.Random
) -> None:
    liked = [*range(5), *[topic] * likes]
    chance.shuffle(liked)
    stream = stream_of(np.eye(DIMENSION, dtype=np.float32)[liked], np.ones(len(liked)))
    vectors, weights = read(*learned(stream), viewer=0, t_ms=0)
    assert vectors[0].argmax() == topic
    assert weights.tolist() == [likes + 1, 1, 1, 1, 1]


@given(st.integers(0, 2**32 - 1), st.floats(-4, -0.1))
def test_showing_less_moves_away_and_weighs_less(seed: int, strength: float) -> None:
    pick = np.random.default_rng(seed)
    liked = unit(pick.normal(size=DIMENSION))
    post = unit(liked + 0.5 * pick.normal(size=DIMENSION) / DIMENSION**0.5)
    state = learned(stream_of(np.stack([liked, post]), np.array([1.0, strength])))
    vectors, weights = read(*state, viewer=0, t_ms=0)
    assert len(weights) == 0 or (vectors[0] @ post < liked @ post and weights[0] < 1)


def test_showing_less_leaves_what_looks_elsewhere_alone() -> None:
    posts = np.eye(DIMENSION, dtype=np.float32)[[0, 1, 1]]
    vector, weight, _ = learned(stream_of(posts, np.array([1.0, 1.0, -2.0])))
    assert vector[0, 0].tolist() == posts[0].tolist()
    assert weight[0].tolist() == [1, 0, 0, 0, 0]


def test_a_new_topic_takes_the_place_of_the_weakest() -> None:
    posts = np.eye(DIMENSION, dtype=np.float32)[:6]
    vector, weight, _ = learned(stream_of(posts, np.array([3.0, 3, 0.5, 3, 3, 1])))
    assert vector[0, 2].tolist() == posts[5].tolist()
    assert weight[0].tolist() == [3, 3, 1, 3, 3]


def test_a_weak_event_among_strong_interests_joins_the_nearest() -> None:
    posts = np.eye(DIMENSION, dtype=np.float32)[:6]
    posts[5, 3] = 0.1
    _, weight, _ = learned(stream_of(posts, np.array([3.0, 3, 3, 3, 3, 1])))
    assert weight[0].tolist() == [3, 3, 3, 4, 3]


def test_a_weight_halves_in_a_half_life_and_never_grows_backwards() -> None:
    state = learned(stream_of(TOPICS[:1], np.ones(1)))
    assert read(*state, viewer=0, t_ms=7 * DAY)[1].tolist() == [0.5]
    assert read(*state, viewer=0, t_ms=-7 * DAY)[1].tolist() == [1]


@given(st.permutations(range(6)))
def test_late_likes_of_one_post_weigh_the_same_in_any_order(order: list[int]) -> None:
    times = np.array(order) * 5 * DAY
    stream = np.zeros(6, np.int32), TOPICS[[0] * 6], np.ones(6, np.float32), times
    weights = read(*learned(stream), viewer=0, t_ms=25 * DAY)[1]
    assert weights == pytest.approx([sum(0.5 ** (5 * late / 7) for late in range(6))], rel=1e-5)


def test_an_unknown_viewer_has_no_interests() -> None:
    vectors, weights = read(*empty_interests(1, DIMENSION), viewer=0, t_ms=0)
    assert vectors.shape == (0, DIMENSION)
    assert weights.shape == (0,)


def test_a_viewer_outside_the_state_is_an_error_and_nothing_is_learned() -> None:
    state = empty_interests(1, DIMENSION)
    viewers = np.array([0, 1], np.int32)
    with pytest.raises(IndexError, match="rows of the state, 0 to 0"):
        learn_batch(*state, viewers, TOPICS[:2], np.ones(2, np.float32), np.zeros(2, np.int64))
    assert not state[1].any()


def test_columns_of_unequal_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 viewers need posts of shape"):
        learn_batch(
            *empty_interests(1, DIMENSION),
            np.zeros(2, np.int32),
            TOPICS[:1],
            np.ones(2, np.float32),
            np.zeros(2, np.int64),
        )


def test_every_finite_half_is_widened_as_numpy_does() -> None:
    halves = np.arange(2**16, dtype=np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))]
    widened = np.array([_widened(int(half)) for half in halves])
    np.testing.assert_array_equal(widened, halves.view(np.float16).astype(np.float64))


@settings(max_examples=1000)
@given(
    st.floats(-60_000, 60_000, width=32)
    | st.floats(-(2.0**-13), 2.0**-13, width=32)
    | st.floats(-1, 1, width=32)
)
def test_a_float_is_rounded_to_half_as_numpy_does(value: float) -> None:
    assert _rounded(value) == int(np.float32(value).astype(np.float16).view(np.uint16))


def test_the_middle_between_two_halves_is_rounded_to_the_even_one() -> None:
    halves = np.arange(0x7BFF, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2
    rounded = np.array([_rounded(float(middle)) for middle in middles], np.uint16)
    np.testing.assert_array_equal(rounded, middles.astype(np.float16).view(np.uint16))


def stream_of(posts: NDArray[np.float32], strengths: NDArray[np.float64]) -> Events:
    """Events of viewer 0, all at time 0."""
    n = len(posts)
    return (
        np.zeros(n, np.int32),
        posts.astype(np.float32),
        strengths.astype(np.float32),
        np.zeros(n, np.int64),
    )


def unit(vector: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
