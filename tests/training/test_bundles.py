"""Boosters to bundles: what is converted, what is refused, and that a bundle is whole or absent."""

import os
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from ranker.bundle import FOREST, RANKING, Facts, HeadFacts, load
from ranker.errors import BundleError
from ranker.tree_kernel import raw_scores
from ranker.tree_steps import steps_of
from ranker.trees import Forest
from training.bundles import forest_from_boosters, pinned, save_bundle

FEATURES = tuple(f"f{i}" for i in range(4))
ROWS = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)


def booster(rounds: int = 5, labels: Any = None, names: Any = "auto", **settings: Any) -> lightgbm.Booster:
    labels = ROWS[:, 0] > 0.2 if labels is None else labels
    categories = settings.pop("categories", "auto")
    data = lightgbm.Dataset(ROWS, labels, feature_name=list(names) if names != "auto" else names)
    data.set_categorical_feature(categories)
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    return lightgbm.train({**fixed, **settings}, data, rounds)


def facts(**changes: Any) -> Facts:
    fixed: dict[str, Any] = {
        "version": "2026-11-22",
        "created_ms": 5,
        "features": FEATURES,
        "heads": (HeadFacts(name="like", examples=300, positives=120),),
        "from_ms": 1,
        "to_ms": 4,
        "seed": 7,
        "metrics": {},
        "data_licence": "CC0-1.0",
    }
    return Facts(**{**fixed, **changes})


def scores_of(forest: Forest, rows: NDArray[np.float32] = ROWS) -> NDArray[np.float64]:
    return raw_scores(steps_of(forest), rows)


def test_thresholds_and_leaves_are_the_same_doubles() -> None:
    model = booster()
    forest = forest_from_boosters({"like": model})
    trees = [tree["tree_structure"] for tree in model.dump_model()["tree_info"]]
    assert [tree["threshold"] for tree in trees] == forest.threshold[forest.tree_nodes[:-1]].tolist()
    leaves = [model.get_leaf_output(tree, 0) for tree in range(5)]
    assert leaves == forest.leaf_value[forest.tree_nodes[:-1] + np.arange(5)].tolist()


def test_a_label_that_never_varies_gives_a_constant_score() -> None:
    model = booster(labels=np.zeros(300))
    scores = scores_of(forest_from_boosters({"like": model}))
    assert np.array_equal(scores[:, 0], model.predict(ROWS, raw_score=True))
    assert len(np.unique(scores)) == 1


def test_a_booster_ends_at_its_best_iteration() -> None:
    model = booster()
    model.best_iteration = 3
    forest = forest_from_boosters({"like": model})
    assert len(forest.tree_nodes) - 1 == 3
    assert np.array_equal(scores_of(forest)[:, 0], model.predict(ROWS, raw_score=True))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averages its trees"),
        ({"linear_tree": True}, "has linear trees"),
        ({"objective": "multiclass", "num_class": 2}, "has several classes"),
        ({"objective": "regression"}, "does not predict the plain sigmoid"),
        ({"sigmoid": 2.0}, "does not predict the plain sigmoid"),
    ],
)
def test_a_model_of_another_kind_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=f"the booster of head like {sentence}.*: train"):
        forest_from_boosters({"like": booster(**settings)})


def of_categories() -> tuple[lightgbm.Booster, NDArray[np.float32]]:
    """Two columns of categories up to 99, which decide together with a number."""
    random = np.random.default_rng(2)
    rows = np.column_stack([random.integers(0, 100, (900, 2)), random.normal(size=900)]).astype(np.float32)
    labels = (rows[:, 0] % 3 == 0) ^ (rows[:, 1] % 5 < 2) ^ (rows[:, 2] > 1)
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_per_group": 1}
    data = lightgbm.Dataset(rows, labels, categorical_feature=[0, 1], params={"max_bin": 100})
    return lightgbm.train({**fixed, "cat_smooth": 1, "min_data_in_leaf": 3}, data, 5), rows


def test_categorical_splits_keep_their_sets() -> None:
    model, rows = of_categories()
    forest = forest_from_boosters({"like": model})
    assert 0 < forest.categorical.sum() < len(forest.feature)
    assert np.array_equal(scores_of(forest, rows)[:, 0], model.predict(rows, raw_score=True))


@pytest.mark.parametrize("value", [-3.0, -0.5, 7.5, 64.0, 99.0, 1e6, 3e38])
def test_a_column_of_categories_is_pinned_too(value: float) -> None:
    model, rows = of_categories()
    forest = pinned(forest_from_boosters({"like": model}), 0, value)
    held = rows.copy()
    held[:, 0] = value
    assert np.array_equal(scores_of(forest, rows)[:, 0], model.predict(held, raw_score=True))
    assert forest.categorical.any()


def test_boosters_of_different_features_are_refused() -> None:
    other = booster(names=("f3", "f2", "f1", "f0"))
    with pytest.raises(BundleError, match="train all heads on the same columns"):
        forest_from_boosters({"like": booster(names=FEATURES), "click": other})


def test_a_saved_model_scores_as_the_booster_did(tmp_path: Path) -> None:
    model = booster()
    folder = save_bundle(tmp_path, forest_from_boosters({"like": model}), facts())
    probabilities = load(folder, FEATURES, ["like"]).predict(ROWS).probabilities
    assert probabilities[:, 0] == pytest.approx(model.predict(ROWS), rel=1e-12)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    forest = forest_from_boosters({"like": booster()})
    one, two = (save_bundle(tmp_path, forest, facts(version=version)) for version in ("a", "b"))
    assert (one / FOREST).read_bytes() == (two / FOREST).read_bytes()


def test_the_manifest_names_the_libraries(tmp_path: Path) -> None:
    folder = save_bundle(tmp_path, forest_from_boosters({"like": booster()}), facts())
    libraries = load(folder, FEATURES, ["like"]).manifest.libraries
    assert libraries["lightgbm"] == lightgbm.__version__
    assert libraries["numpy"] == np.__version__


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    forest = forest_from_boosters({"like": booster()})
    save_bundle(tmp_path, forest, facts())
    with pytest.raises(BundleError, match="exists already: choose another version"):
        save_bundle(tmp_path, forest, facts(seed=8))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = forest_from_boosters({"like": booster()})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_bundle(tmp_path, forest, facts())
    assert list(tmp_path.iterdir()) == []


def test_facts_about_other_heads_are_refused(tmp_path: Path) -> None:
    forest = forest_from_boosters({"click": booster()})
    with pytest.raises(BundleError, match="the facts describe the heads"):
        save_bundle(tmp_path, forest, facts())


def test_facts_that_name_too_few_features_are_refused(tmp_path: Path) -> None:
    forest = forest_from_boosters({"like": booster()})
    with pytest.raises(BundleError, match="name them all"):
        save_bundle(tmp_path, forest, facts(features=()))


@pytest.mark.parametrize("version", ["../m1", "", ".m1", "a/b"])
def test_a_version_that_is_no_folder_name_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="version"):
        facts(version=version)


def test_two_boosters_of_a_head_are_averaged() -> None:
    one, two = booster(), booster(labels=ROWS[:, 1] > 0)
    scores = scores_of(forest_from_boosters({"like": [one, two]}))[:, 0]
    expected = (one.predict(ROWS, raw_score=True) + two.predict(ROWS, raw_score=True)) / 2
    assert scores == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("value", [-0.4, 0.0, 0.7])
@pytest.mark.parametrize("column", [0, 3])
def test_a_pinned_forest_scores_as_if_the_column_held_the_value(value: float, column: int) -> None:
    trees = booster(labels=ROWS[:, 0] + ROWS[:, 3] > 0.2, zero_as_missing=value == 0)
    forest = pinned(forest_from_boosters({"like": trees}), column, value)
    held = ROWS.copy()
    held[:, column] = value
    assert np.array_equal(scores_of(forest)[:, 0], trees.predict(held, raw_score=True))
    assert column not in forest.feature


def test_a_tree_that_tests_the_pinned_column_only_becomes_a_leaf() -> None:
    alone = lightgbm.Dataset(ROWS[:, :1], ROWS[:, 0] > 0)
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    forest = pinned(forest_from_boosters({"like": lightgbm.train(fixed, alone, 3)}), 0, 1.0)
    assert (len(forest.feature), len(forest.leaf_value), forest.width) == (0, 3, 0)
    assert len(np.unique(scores_of(forest))) == 1


def test_a_part_that_learned_the_order_is_taken_for_the_ranking_only() -> None:
    grades = (ROWS[:, 0] > 0.2).astype(int)
    data = lightgbm.Dataset(ROWS, grades, group=[30] * 10)
    fixed = {"objective": "lambdarank", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    model = lightgbm.train(fixed, data, 3)
    assert forest_from_boosters({RANKING: model}).heads == (RANKING,)
    with pytest.raises(BundleError, match="does not predict the plain sigmoid"):
        forest_from_boosters({"like": model})
