"""Training: from a small made-up history to a bundle that the server takes."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import features
from ranker.bundle import load
from ranker.heads import NAMES
from ranker.state import State
from training.examples import Examples
from training.histories import of_rows
from training.metrics import auc
from training.replay import Replay
from training.rows import Row
from training.train import Knobs, TrainingFailed, fit, split_by_time, train

T0 = 1_700_000_000_000
KNOBS = Knobs(trees=30, leaves=7, threads=1, least_examples_a_leaf=20)
CLICK = NAMES.index("click")


@cache
def history(viewers: int = 40, posts: int = 60, visits: int = 1_500) -> Examples:
    """Viewers click on posts of their own topic, four times in five, and hardly on others."""
    random = np.random.default_rng(5)
    rows: list[Row] = [
        t.Post(id=f"p{i}", author_id=f"a{i % 10}", text="words", created_ms=T0, topics=[f"topic {i % 3}"])
        for i in range(posts)
    ]
    for visit in range(visits):
        viewer, post = int(random.integers(viewers)), int(random.integers(posts))
        fields: dict[str, Any] = {
            "viewer_id": f"v{viewer}",
            "post_id": f"p{post}",
            "time_ms": T0 + visit * 10_000,
        }
        rows.append(t.Event(kind=t.EVENT_KIND_IMPRESSION, **fields))
        if random.random() < (0.8 if viewer % 3 == post % 3 else 0.1):
            rows.append(t.Event(kind=t.EVENT_KIND_CLICK, **fields))
    replay = Replay(State(4))
    replay.run(of_rows(rows))
    return replay.examples()


def test_the_server_takes_the_bundle_and_it_predicts_what_was_trained(tmp_path: Path) -> None:
    path, trained = train(history(), tmp_path, "CC0-1.0", KNOBS)
    served = load(path, features.NAMES, NAMES).predict(history().features).probabilities
    assert served == pytest.approx(trained.probabilities(history().features), rel=1e-9)


def test_a_trained_model_ranks_unseen_examples_better_than_chance() -> None:
    learn, late = split_by_time(history(), 0.3)
    score = fit(learn, KNOBS).probabilities(late.features)[:, CLICK]
    assert auc(late.labels[:, CLICK] == 1, score) > 0.7


def test_the_same_seed_trains_the_same_model() -> None:
    one, two = (fit(history(), KNOBS).heads["click"].booster.model_to_string() for _ in range(2))
    assert one == two


def test_a_head_without_positives_is_left_out_and_named() -> None:
    trained = fit(history(), KNOBS)
    assert list(trained.heads) == ["click"]
    assert trained.left_out["report"] == "0 of 1200 examples are positive"


def test_probabilities_are_as_high_as_clicks_are_frequent() -> None:
    _, late = split_by_time(history(), KNOBS.held_back)
    predicted = fit(history(), KNOBS).probabilities(late.features)[:, CLICK]
    assert predicted.mean() == pytest.approx(late.labels[:, CLICK].mean(), abs=0.05)


def test_the_manifest_says_what_the_model_comes_from(tmp_path: Path) -> None:
    path, trained = train(history(), tmp_path, "CC0-1.0", KNOBS)
    manifest = load(path, features.NAMES, NAMES).manifest
    assert (manifest.from_ms, manifest.to_ms) == (T0, int(history().time_ms.max()) + 1)
    assert manifest.heads[0].positives == history().labels[:, CLICK].sum()
    assert manifest.metrics["click_auc"] == trained.heads["click"].metrics["auc"]
    assert (manifest.seed, manifest.data_licence) == (KNOBS.seed, "CC0-1.0")


def test_the_held_back_part_comes_last_and_cuts_no_group() -> None:
    learn, late = split_by_time(history(), 0.25)
    assert learn.time_ms.max() <= late.time_ms.min()
    assert not set(learn.group) & set(late.group)
    assert len(late) == pytest.approx(0.25 * len(history()), abs=1)


def test_a_history_without_impressions_trains_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="none of the heads has 50 positives among 0 examples"):
        train(history()[:0], tmp_path, "CC0-1.0", KNOBS)
    assert list(tmp_path.iterdir()) == []
