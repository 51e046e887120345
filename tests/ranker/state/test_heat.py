from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import snapshot
from ranker.events import COUNTERS
from ranker.state import State, counters, heat
from ranker.state.columns import Array
from tests.ranker.histories import DIMENSION, Ear, records
from tests.ranker.network import NOW

HOUR_MS = 3_600_000
WEIGHTS = {"like": 1.0, "reply": 1.5, "share": 2.0, "click": 0.2, "negative": -2.0}

counts = st.lists(
    st.tuples(st.sampled_from(COUNTERS), st.integers(0, 40), st.integers(0, 900 * HOUR_MS)),
    min_size=1,
    max_size=30,
)


def faded(counter: Array, counter_ms: Array, now_ms: int) -> Array:
    """Each post's weighted sum at a time, from its counters of six hours."""
    weights = np.array([WEIGHTS.get(name, 0.0) for name in COUNTERS])
    sums = counter[:, :, counters.HALF_LIVES.index("6h")] @ weights
    return np.asarray(sums * 0.5 ** ((now_ms - counter_ms) / (6 * HOUR_MS)))


def hot(rows: list[tuple[str, int, int]]) -> tuple[Array, Array, Array]:
    """Posts with one counter each, and what heat they come to."""
    counter = np.zeros((len(rows), len(COUNTERS), len(counters.HALF_LIVES)), np.float32)
    for i, (name, count, _) in enumerate(rows):
        counter[i, COUNTERS.index(name)] = count / 8
    counter_ms = np.array([NOW - age_ms for _, _, age_ms in rows])
    made = np.zeros(len(rows))
    heat.update(made, counter, counter_ms, np.arange(len(rows), dtype=np.int32))
    return counter, counter_ms, made


@settings(max_examples=200, deadline=None)
@given(counts, st.integers(0, 300 * HOUR_MS))
def test_heats_compare_as_the_faded_sums_do_at_any_time(
    rows: list[tuple[str, int, int]], later_ms: int
) -> None:
    counter, counter_ms, made = hot(rows)
    sums = faded(counter, counter_ms, NOW + later_ms)
    apart = np.abs(sums[:, None] - sums) > 1e-8 * np.maximum(np.abs(sums[:, None]), np.abs(sums))
    assert ((made[:, None] > made) == (sums[:, None] > sums))[apart].all()
    assert (np.sign(made) == np.sign(sums)).all()


@settings(max_examples=100, deadline=None)
@given(counts)
def test_a_heat_reads_as_the_sum_it_was_made_of(rows: list[tuple[str, int, int]]) -> None:
    counter, counter_ms, made = hot(rows)
    np.testing.assert_allclose(heat.read(made, NOW), faded(counter, counter_ms, NOW), rtol=1e-6, atol=1e-30)


def test_the_fold_keeps_it_and_a_snapshot_that_does_not_hold_it_brings_it_back(tmp_path: Path) -> None:
    folded, restored = Ear().hear(records(seed=3, count=400)).state, State(DIMENSION)
    snapshot.save(folded, tmp_path)
    assert not list(tmp_path.glob("*/post.heat.npy"))
    snapshot.restore(restored, tmp_path)
    held = folded.posts.heat[: folded.posts.size]
    assert (held != 0).any()
    assert restored.posts.heat[: restored.posts.size].tobytes() == held.tobytes()


def test_it_moves_with_its_posts_when_the_oldest_leave() -> None:
    state = Ear().hear(records(seed=3, count=400)).state
    kept = state.posts.heat[state.posts.size // 8 : state.posts.size].copy()
    state.drop_oldest_posts()
    assert state.posts.heat[: state.posts.size].tobytes() == kept.tobytes()
