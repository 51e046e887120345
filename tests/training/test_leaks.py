"""Planted features that know the future are found and named; honest ones pass."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray

from ranker import features
from ranker.heads import NAMES
from ranker.state import State
from training.examples import Examples, not_logged
from training.histories import of_rows
from training.leaks import check, drawn_outcomes
from training.replay import Replay
from training.rows import Row

CLICK = NAMES.index("click")
POSTS, ROWS, LIST = 120, 4_800, 8


@cache
def honest(seed: int = 1) -> Examples:
    """Posts of some quality; `post_click_rate` is what was known of it, `agreement` a hunch of it."""
    random = np.random.default_rng(seed)
    post = random.integers(0, POSTS, ROWS)
    quality = random.beta(2, 6, POSTS)
    clicked = random.random(ROWS) < quality[post]
    columns = random.random((ROWS, len(features.NAMES))).astype(np.float32)
    clicks, views = np.zeros(POSTS), np.zeros(POSTS)
    for row in range(ROWS):
        columns[row, features.NAMES.index("post_click_rate")] = (clicks[post[row]] + 1) / (
            views[post[row]] + 4
        )
        clicks[post[row]] += clicked[row]
        views[post[row]] += 1
    columns[:, features.NAMES.index("agreement")] = quality[post] + random.normal(0, 0.1, ROWS)
    labels = np.zeros((ROWS, len(NAMES)), np.uint8)
    labels[:, CLICK] = clicked
    group = (np.arange(ROWS) // LIST).astype(np.int32)
    return Examples(
        **not_logged(ROWS),
        features=columns,
        viewer=group % 100,
        post=post.astype(np.int32),
        request=group,
        group=group,
        time_ms=10**12 + group.astype(np.int64) * 1_000,
        place=(np.arange(ROWS) % LIST).astype(np.int32),
        surface=np.ones(ROWS, np.int8),
        labels=labels,
        weight=np.ones(ROWS, np.float32),
    )


def planted(values: NDArray[Any]) -> Examples:
    """The same, but that `hour` says something else."""
    columns = honest().features.copy()
    columns[:, features.NAMES.index("hour")] = values
    return replace(honest(), features=columns)


def found(examples: Examples) -> dict[str, str]:
    """The sentences of the checks that found a leak."""
    return {one.name: one.sentence for one in check(examples) if one.leak}


def totals() -> NDArray[np.float64]:
    """All clicks of each example's post, later ones too."""
    return np.bincount(honest().post, honest().labels[:, CLICK], POSTS)[honest().post]


@pytest.mark.parametrize("seed", [1, 2])
def test_honest_features_pass(seed: int) -> None:
    assert found(honest(seed)) == {}


def test_too_few_lists_raise_no_alarm() -> None:
    few = [check(honest()[row : row + 10 * LIST])[0] for row in range(0, ROWS, 10 * LIST)]
    assert all(one.sentence.startswith("not checked") for one in few)


def test_a_feature_that_is_its_own_label_is_named() -> None:
    noise = np.random.default_rng(3).normal(0, 0.2, ROWS)
    assert "hour" in found(planted(honest().labels[:, CLICK] + noise))["single features"]


def test_a_count_of_all_clicks_later_ones_too_is_named() -> None:
    assert "hour" in found(planted(totals()))["foresight"]


def test_a_leave_one_out_rate_is_named() -> None:
    views = np.bincount(honest().post, minlength=POSTS)[honest().post]
    rate = (totals() - honest().labels[:, CLICK]) / (views - 1)
    assert "hour" in found(planted(rate))["single features"]


def test_a_feature_of_the_viewers_next_answer_is_named() -> None:
    later = np.roll(honest().labels[:, CLICK], -LIST * 100)
    noise = np.random.default_rng(3).random(ROWS)
    assert "hour" in found(planted(later * 0.5 + noise))["next answer"]


def history() -> list[Row]:
    """Viewers see posts and click on what is good."""
    random = np.random.default_rng(2)
    rows: list[Row] = [
        t.Post(id=f"p{i}", author_id=f"a{i % 9}", text="words", created_ms=10**12) for i in range(60)
    ]
    for visit in range(2_000):
        post = int(random.integers(60))
        fields: dict[str, Any] = {
            "viewer_id": f"v{visit % 40}",
            "post_id": f"p{post}",
            "time_ms": 10**12 + visit * 10_000,
        }
        rows.append(t.Event(kind=t.EVENT_KIND_IMPRESSION, **fields))
        if random.random() < post / 60:
            rows.append(t.Event(kind=t.EVENT_KIND_CLICK, **fields))
    return rows


class Late(Replay):
    """A replay with a mistake: the click rate counts the outcome of the impression itself."""

    def examples(self, until_ms: int | None = None) -> Examples:
        honest = super().examples(until_ms)
        column = features.NAMES.index("post_click_rate")
        columns = honest.features.copy()
        columns[:, column] += 0.1 * honest.labels[:, CLICK]
        return replace(honest, features=columns)


def test_our_replay_can_not_tell_what_dice_will_show() -> None:
    result = drawn_outcomes(of_rows(history()))
    assert not result.leak
    assert "at chance" in result.sentence


def test_a_feature_folded_after_its_own_outcome_is_named() -> None:
    result = drawn_outcomes(of_rows(history()), Late(State(1)))
    assert result.leak
    assert "post_click_rate tells the most" in result.sentence
