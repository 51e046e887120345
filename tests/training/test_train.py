"""Training: from small made-up histories to a bundle that the server takes."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import features
from ranker.bundle import load
from ranker.heads import NAMES, WEIGHTS
from ranker.state import State
from training import train as training
from training.bench import parts_by_time
from training.examples import About, Examples, ExampleSet, Posts, not_logged
from training.histories import of_rows
from training.metrics import auc
from training.replay import Replay
from training.rows import Row
from training.train import Knobs, TrainingFailed, fit, metrics, train

T0 = 1_700_000_000_000
KNOBS = Knobs(trees=30, leaves=7, learning_rate=0.1, threads=1, least_examples_a_leaf=20)
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


def example_set() -> ExampleSet:
    none = np.zeros(0, np.int64)
    posts = Posts(
        ids=none.astype(object),
        author=none.astype(np.int32),
        language=none.astype(np.int32),
        created_ms=none,
        vector=np.zeros((0, 4), np.float16),
        languages=(),
    )
    return ExampleSet(history(), posts, About(made_by="replay", licence="CC0-1.0"))


@cache
def made_up(rows: int = 40_000, seed: int = 1) -> Examples:
    """Pages of ten whose clicks depend on a feature and, less, on the place; nothing is known of the rest."""
    random = np.random.default_rng(seed)
    group = np.arange(rows) // 10
    place = (np.arange(rows) % 10).astype(np.int32)
    rank = features.NAMES.index("post_age")
    columns = np.full((rows, len(features.NAMES)), np.nan, np.float32)
    columns[:, rank] = random.normal(size=rows)
    columns[:, features.NAMES.index("author_negative")] = random.exponential(size=rows)
    chance = 1 / (1 + np.exp(1.5 - columns[:, rank])) * np.exp(-place / 10)
    labels = np.zeros((rows, len(NAMES)), np.uint8)
    labels[:, CLICK] = random.random(rows) < chance
    labels[:, NAMES.index("like")] = labels[:, CLICK] & (random.random(rows) < 0.3)
    numbers = {name: np.zeros(rows, np.int32) for name in ("viewer", "post", "request")}
    return Examples(
        features=columns,
        **numbers,
        group=group.astype(np.int32),
        time_ms=T0 + group * 1_000,
        place=place,
        surface=np.ones(rows, np.int8),
        **not_logged(rows),
        labels=labels,
        weight=np.ones(rows, np.float32),
    )


def test_the_server_takes_the_bundle_and_it_predicts_what_was_trained(tmp_path: Path) -> None:
    path, trained = train(example_set(), tmp_path, knobs=KNOBS)
    served, meant = (of.predict(history().features) for of in (load(path, features.NAMES, NAMES), trained))
    assert np.array_equal(served.probabilities, meant.probabilities)
    assert np.array_equal(served.value, meant.value)


def test_a_trained_model_ranks_unseen_examples_better_than_chance() -> None:
    learn, late = (history()[rows] for rows in parts_by_time(history(), 0.3))
    score = fit(learn, KNOBS).probabilities(late.features)[:, CLICK]
    assert auc(late.labels[:, CLICK] == 1, score) > 0.7


def test_the_same_seed_trains_the_same_model_however_many_heads_at_once() -> None:
    one, two = (fit(made_up(), KNOBS.model_copy(update={"threads": n})).model for n in (1, 2))
    assert np.array_equal(one.forest.leaf_value, two.forest.leaf_value)
    assert one.heads == two.heads


def test_another_seed_trains_another_model() -> None:
    one, two = (fit(made_up(), KNOBS.model_copy(update={"seed": n})).model for n in (1, 2))
    assert not np.array_equal(one.forest.leaf_value, two.forest.leaf_value)


def test_a_head_without_positives_is_left_out_and_named() -> None:
    trained = fit(history(), KNOBS)
    assert list(trained.heads) == ["click"]
    assert trained.left_out["report"] == "0 of 1,050 examples are positive"


def test_a_head_that_the_examples_were_not_labelled_for_is_left_out() -> None:
    trained = fit(made_up(), KNOBS, heads=("click",))
    assert list(trained.heads) == ["click"]
    assert trained.left_out["like"] == "the examples have no labels of it"


@pytest.mark.parametrize("position", ["ignored", "place"])
def test_each_head_is_calibrated_on_what_neither_stopping_nor_calibration_saw(position: Any) -> None:
    trained = fit(made_up(), KNOBS.model_copy(update={"position": position}))
    assert {*trained.heads} == {"click", "like"}
    assert all(head.metrics["calibration_error"] <= 0.02 for head in trained.heads.values())
    assert all(head.metrics["log_loss"] < head.metrics["base_log_loss"] for head in trained.heads.values())


def test_probabilities_are_unbiased_when_a_tenth_of_the_negatives_was_kept() -> None:
    every = made_up(80_000)
    random = np.random.default_rng(3)
    kept = every.labels.any(axis=1) | (random.random(len(every)) < 0.1)
    weight = np.where(every.labels.any(axis=1), 1.0, 10.0).astype(np.float32)
    trained = fit(replace(every, weight=weight)[kept], KNOBS)
    predicted = trained.probabilities(every.features)
    for name in trained.heads:
        label, chance = every.labels[:, NAMES.index(name)], predicted[:, NAMES.index(name)]
        assert chance.mean() == pytest.approx(label.mean(), rel=0.05)
        assert metrics(label, chance, np.ones(len(label)))["calibration_error"] <= 0.02


def test_what_never_helps_never_raises_a_wanted_actions_chance() -> None:
    model = fit(made_up(), KNOBS).model
    rows = made_up().features[:200].copy()
    column = features.NAMES.index("author_negative")
    found = []
    for more in (0.0, 0.5, 1.0, 2.0, 4.0):
        rows[:, column] = more
        found.append(model.predict(rows).probabilities[:, CLICK])
    assert (np.diff(found, axis=0) <= 1e-12).all()


def test_a_feature_that_never_helps_and_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "NEVER_HELPS", ("post_sins",))
    with pytest.raises(TrainingFailed, match=r"names post_sins, which ranker\.features does not have"):
        fit(made_up(), KNOBS)


def test_no_test_of_the_place_is_left_in_the_bundle() -> None:
    trained = fit(made_up(), KNOBS.model_copy(update={"position": "place"}))
    assert trained.position.startswith("the place was a column in training")
    assert trained.model.forest.width <= len(features.NAMES)


def test_examples_without_places_are_trained_on_without() -> None:
    nowhere = replace(made_up(), place=np.full(len(made_up()), -1, np.int32))
    assert fit(nowhere, KNOBS.model_copy(update={"position": "place"})).position == "no place is known"


def test_forests_of_several_seeds_are_averaged_and_their_figures_spread() -> None:
    trained = fit(made_up(), KNOBS.model_copy(update={"seeds": 2}))
    click = trained.heads["click"]
    assert 0 < click.spread["auc"] < 0.05
    first, end = trained.model.forest.head_trees[:2].tolist()
    assert click.facts.trees < end - first <= 2 * click.facts.trees


def test_the_ranking_part_does_not_reward_what_must_never_help() -> None:
    examples = made_up(12_000)
    columns, labels = examples.features.copy(), examples.labels.copy()
    blocked = columns[:, features.NAMES.index("author_negative")]
    labels[:, CLICK] = np.random.default_rng(3).random(12_000) < 0.1 + 0.4 * (blocked > 1)
    rows = np.full((2, len(features.NAMES)), np.nan, np.float32)
    rows[:, features.NAMES.index("author_negative")] = 0.1, 3
    for ranking in (False, True):
        trained = fit(replace(examples, labels=labels), KNOBS.model_copy(update={"ranking": ranking}))
        low, high = trained.predict(rows).value
        assert high <= low


def test_the_ranking_part_learns_the_order_of_value() -> None:
    trained = fit(made_up(), KNOBS.model_copy(update={"ranking": True}))
    if (ranking := trained.model.ranking) is None:
        assert trained.left_out["ranking"].startswith("no ranking part")
    else:
        assert 0 < ranking.share <= 1
        assert trained.model.forest.heads[-1] == "ranking"
    rows = made_up().features[-4_000:]
    value = (made_up().labels @ WEIGHTS)[-4_000:]
    assert np.corrcoef(trained.predict(rows).value, value)[0, 1] > 0.2


def test_the_manifest_says_what_the_model_comes_from(tmp_path: Path) -> None:
    path, trained = train(example_set(), tmp_path, knobs=KNOBS, examples_from="there")
    manifest = load(path, features.NAMES, NAMES).manifest
    assert (manifest.from_ms, manifest.to_ms) == example_set().window
    assert manifest.heads[0].positives == history().labels[:, CLICK].sum()
    assert manifest.metrics["click_auc"] == trained.heads["click"].metrics["auc"]
    assert (manifest.knobs, manifest.data_licence) == (KNOBS.model_dump(), "CC0-1.0")
    assert (manifest.examples_sha256, manifest.examples_from) == (example_set().sha256, "there")


def test_the_parts_follow_each_other_in_time_and_cut_no_group() -> None:
    parts = [history()[rows] for rows in parts_by_time(history(), 0.2, 0.1)]
    assert parts[0].time_ms.max() <= parts[1].time_ms.min()
    assert parts[1].time_ms.max() <= parts[2].time_ms.min()
    assert not set(parts[1].group) & (set(parts[0].group) | set(parts[2].group))
    assert [len(part) for part in parts] == pytest.approx([0.7 * 1_500, 0.2 * 1_500, 0.1 * 1_500], abs=1)


def test_a_history_without_impressions_trains_nothing(tmp_path: Path) -> None:
    empty = replace(example_set(), examples=history()[:0])
    with pytest.raises(TrainingFailed, match="none of the heads has 50 positives among 0 examples"):
        train(empty, tmp_path, knobs=KNOBS)
    assert list(tmp_path.iterdir()) == []
