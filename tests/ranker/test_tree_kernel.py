"""The kernel against LightGBM and against a plain walk."""

import re
from typing import Any

import lightgbm
import llvmlite.binding
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from ranker.tree_kernel import BLOCK, _scan, raw_scores
from ranker.tree_steps import MOST_RANKS, SCANNED, steps_of
from ranker.trees import Forest
from tests.ranker.forests import FEATURES, HUGE, chain, random_forest, rows_of, walked
from training.bundles import forest_from_boosters

SEEDS = st.integers(0, 2**32 - 1)
MISSING = ({}, {"zero_as_missing": True}, {"use_missing": False})
LEAVES = (2, 3, 31, 32, 33, 64, 65, 255, 256, 257, 300)
CATEGORIES = FEATURES - 2


def booster(seed: int, leaves: int = 31, trees: int = 8, **settings: Any) -> lightgbm.Booster:
    rows = rows_of(seed, 800)
    rows[rows == HUGE] = 500  # a set of categories has a bit for each up to its largest
    labels = np.random.default_rng(seed).random(800) < 0.3 + 0.4 * (np.nan_to_num(rows[:, 0]) > 0)
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 1}
    data = lightgbm.Dataset(rows, labels, categorical_feature=settings.pop("categories", "auto"))
    return lightgbm.train({**fixed, "num_leaves": leaves, **settings}, data, trees)


def scores_of(forest: Forest, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return raw_scores(steps_of(forest), rows)


def said_by(model: lightgbm.Booster, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.asarray(model.predict(rows, raw_score=True, num_threads=1))


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(LEAVES), st.sampled_from(MISSING))
def test_scores_are_those_of_lightgbm_bit_for_bit(seed: int, leaves: int, missing: dict[str, bool]) -> None:
    model = booster(seed, leaves, **missing)
    rows = rows_of(seed + 1, 100)
    assert np.array_equal(scores_of(forest_from_boosters({"like": model}), rows)[:, 0], said_by(model, rows))


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.sampled_from(LEAVES), st.sampled_from(({}, {"max_cat_to_onehot": 100})))
def test_categorical_splits_are_those_of_lightgbm(seed: int, leaves: int, kind: dict[str, int]) -> None:
    loose = {"cat_smooth": 1.0, "cat_l2": 0.0, "min_data_per_group": 1, **kind}
    model = booster(seed, leaves, categories=[CATEGORIES], **loose)
    forest, rows = forest_from_boosters({"like": model}), rows_of(seed + 1, 100)
    assert (forest.feature[forest.categorical] == CATEGORIES).all()
    assert np.array_equal(scores_of(forest, rows)[:, 0], said_by(model, rows))


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 150), st.integers(1, 6), st.sampled_from((0.0, 0.1, 1.0)))
def test_scores_are_those_of_a_walk_whatever_the_trees(
    seed: int, leaves: int, trees: int, sets: float
) -> None:
    forest = random_forest(seed, leaves, trees, sets)
    rows = rows_of(seed + 1, 20)
    assert scores_of(forest, rows)[:, 0].tolist() == [walked(forest, row) for row in rows]


@pytest.mark.parametrize("leaves", [SCANNED - 1, SCANNED, SCANNED + 1, 4096])
def test_large_trees_score_as_a_walk_does(leaves: int) -> None:
    forest, rows = random_forest(leaves, leaves, trees=2), rows_of(leaves, 30)
    assert scores_of(forest, rows)[:, 0].tolist() == [walked(forest, row) for row in rows]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("leaves", [40, SCANNED, 1000])
def test_the_deepest_trees_score_as_a_walk_does(side: str, leaves: int) -> None:
    forest, rows = chain(side, leaves), rows_of(5, 30)
    assert scores_of(forest, rows)[:, 0].tolist() == [walked(forest, row) for row in rows]


def test_a_feature_with_more_thresholds_than_a_byte_counts_is_scored() -> None:
    forest, rows = random_forest(2, 200, trees=60), rows_of(8, 40)
    steps = steps_of(forest)
    assert steps.column_first.max() >= 2 * MOST_RANKS
    assert raw_scores(steps, rows)[:, 0].tolist() == [walked(forest, row) for row in rows]


@pytest.mark.parametrize("n", [1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 2000])
def test_any_number_of_rows_is_scored(n: int) -> None:
    model, rows = booster(1), rows_of(2, n)
    assert np.array_equal(scores_of(forest_from_boosters({"like": model}), rows)[:, 0], said_by(model, rows))


def test_no_rows_have_no_scores() -> None:
    assert scores_of(random_forest(1, 5), rows_of(1, 0)).shape == (0, 1)


def test_each_head_has_its_column() -> None:
    models = {f"head{i}": booster(i, leaves=2 + 20 * i, trees=1 + i) for i in range(5)}
    rows = rows_of(9, 300)
    expected = np.stack([said_by(model, rows) for model in models.values()], axis=1)
    assert np.array_equal(scores_of(forest_from_boosters(models), rows), expected)


def test_rows_in_any_memory_order_score_the_same() -> None:
    forest, rows = random_forest(3, 40), rows_of(4, 33)
    assert np.array_equal(scores_of(forest, np.asfortranarray(rows)), scores_of(forest, rows))


def test_rows_that_nobody_may_write_to_are_scored() -> None:
    forest, rows = random_forest(3, 40), rows_of(4, 33)
    expected = scores_of(forest, rows)
    rows.flags.writeable = False
    assert np.array_equal(scores_of(forest, rows), expected)


WRONG_ROWS = (np.zeros((4, FEATURES)), np.zeros((4, 1), np.float32), np.zeros(4, np.float32))


@pytest.mark.parametrize("rows", WRONG_ROWS)
def test_rows_of_another_kind_are_refused(rows: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="build them with the bundle's features"):
        scores_of(random_forest(3, 40), rows)


SCAN = "void(uint8[:,::1], int32[::1], uint8[::1], uint8[::1], uint8[::1], uint16[:,::1], intp, intp, intp)"
ARM = "aarch64-unknown-linux-gnu"


def scan_alone() -> Any:
    """The scan of a tree, compiled anew: the assembly of cached code can't be read."""

    def scan(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: int, h: int, i: int) -> None:
        _scan(a, b, c, d, e, f, g, h, i)

    alone = njit(_nrt=False, no_cpython_wrapper=True)(scan)
    alone.compile(SCAN)
    return alone


def test_the_kernel_compares_whole_vectors() -> None:
    (assembly,) = scan_alone().inspect_asm().values()
    assert re.search(r"vpcmp\w*b\s|pmaxub\s|cmhi\s+v\d+\.16b", assembly), "the loop compares single bytes"


def test_on_arm_too_whole_vectors_are_compared() -> None:
    (code,) = scan_alone().inspect_llvm().values()
    llvmlite.binding.initialize_all_targets()
    llvmlite.binding.initialize_all_asmprinters()
    machine = llvmlite.binding.Target.from_triple(ARM).create_target_machine(opt=3)
    portable = re.sub(r'target (triple|datalayout) = ".*"\n', "", code)
    assembly = machine.emit_assembly(llvmlite.binding.parse_assembly(portable))
    assert re.search(r"cmhi\s+v\d+\.16b", assembly)
