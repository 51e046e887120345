"""The kernel against LightGBM and against a plain walk; damaged forests."""

import dataclasses
import re

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from ranker.errors import BundleError
from ranker.trees import (
    BLOCK,
    MAX_LEAVES,
    Forest,
    Missing,
    _find_leaves,
    forest_arrays,
    raw_scores,
)
from training.bundles import forest_from_boosters

FEATURES = 6
SEEDS = st.integers(0, 2**32 - 1)
MISSING = ({}, {"zero_as_missing": True}, {"use_missing": False})
ODD_VALUES = (np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 2e-35, np.inf, -np.inf)


def rows_of(seed: int, n: int) -> npt.NDArray[np.float32]:
    """Normal values, a fifth of them odd; the last column is constant."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, FEATURES)).astype(np.float32)
    odd = rng.random(rows.shape) < 0.2
    rows[odd] = rng.choice(np.array(ODD_VALUES, np.float32), odd.sum())
    rows[:, -1] = 3.0
    return rows


def booster(seed: int, leaves: int = 31, trees: int = 8, **settings: object) -> lightgbm.Booster:
    rows = rows_of(seed, 800)
    labels = np.random.default_rng(seed).random(800) < 0.3 + 0.4 * (np.nan_to_num(rows[:, 0]) > 0)
    fixed = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 1}
    return lightgbm.train({**fixed, "num_leaves": leaves, **settings}, lightgbm.Dataset(rows, labels), trees)


def random_forest(seed: int, leaves: int, trees: int = 3) -> Forest:
    """Trees of any shape, whose nodes mix all kinds of missing values and thresholds that rows meet
    exactly."""
    rng = np.random.default_rng(seed)
    children = [random_tree(rng, leaves) for _ in range(trees)]
    nodes = trees * (leaves - 1)
    thresholds = np.concatenate([rows_of(seed, 50).ravel().astype(np.float64), [0.1, 1e300, -1e300]])
    return Forest(
        heads=("a",),
        head_trees=np.array([0, trees], np.int32),
        tree_nodes=np.arange(trees + 1, dtype=np.int32) * np.int32(leaves - 1),
        feature=rng.integers(0, FEATURES, nodes, np.int32),
        threshold=rng.choice(thresholds[~np.isnan(thresholds)], nodes),
        left=np.concatenate([left for left, _ in children]),
        right=np.concatenate([right for _, right in children]),
        default_left=rng.random(nodes) < 0.5,
        missing=rng.integers(0, 3, nodes).astype(np.uint8),
        leaf_value=rng.normal(size=trees * leaves),
    )


def random_tree(rng: np.random.Generator, leaves: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Children as LightGBM numbers them: each split turns one leaf into a node and appends a leaf."""
    side = np.zeros((2, leaves - 1), np.int32)
    place: list[tuple[int, int] | None] = [None]
    for node in range(leaves - 1):
        leaf = int(rng.integers(len(place)))
        if (parent := place[leaf]) is not None:
            side[parent] = node
        side[0, node], side[1, node] = ~leaf, ~len(place)
        place[leaf] = (0, node)
        place.append((1, node))
    return side[0], side[1]


def walked(forest: Forest, row: npt.NDArray[np.float32]) -> float:
    """The score of one row for the first head, node by node, after LightGBM's Tree::NumericalDecision."""
    total = 0.0
    for tree, first in enumerate(forest.tree_nodes[:-1]):
        node = 0 if forest.tree_nodes[tree + 1] > first else ~0
        while node >= 0:
            node = (forest.left if goes_left(forest, first + node, row) else forest.right)[first + node]
        total += forest.leaf_value[first + tree + ~node]
    return total


def goes_left(forest: Forest, node: int, row: npt.NDArray[np.float32]) -> bool:
    x, missing = float(row[forest.feature[node]]), forest.missing[node]
    x = 0.0 if abs(x) <= np.float32(1e-35) or (np.isnan(x) and missing != Missing.NAN) else x
    absent = x == 0.0 if missing == Missing.ZERO else np.isnan(x)
    return bool(forest.default_left[node] if absent else x <= forest.threshold[node])


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from((2, 3, 31, 32, 33, 64, 65, 255)), st.sampled_from(MISSING))
def test_scores_are_those_of_lightgbm_bit_for_bit(seed: int, leaves: int, missing: dict[str, bool]) -> None:
    model = booster(seed, leaves, **missing)
    rows = rows_of(seed + 1, 100)
    scores = raw_scores(forest_from_boosters({"like": model}), rows)
    assert np.array_equal(scores[:, 0], model.predict(rows, raw_score=True, num_threads=1))


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 150))
def test_scores_are_those_of_a_walk_whatever_the_trees(seed: int, leaves: int) -> None:
    forest = random_forest(seed, leaves)
    rows = rows_of(seed + 1, 20)
    assert raw_scores(forest, rows)[:, 0].tolist() == [walked(forest, row) for row in rows]


@pytest.mark.parametrize("n", [1, 15, 16, 17, 255, 256, 257, 1000])
def test_any_number_of_rows_is_scored(n: int) -> None:
    model = booster(1)
    rows = rows_of(2, n)
    scores = raw_scores(forest_from_boosters({"like": model}), rows)
    assert np.array_equal(scores[:, 0], model.predict(rows, raw_score=True, num_threads=1))


def test_no_rows_have_no_scores() -> None:
    assert raw_scores(random_forest(1, 5), rows_of(1, 0)).shape == (0, 1)


def test_each_head_has_its_column() -> None:
    models = {f"head{i}": booster(i, leaves=2 + 20 * i, trees=1 + i) for i in range(5)}
    rows = rows_of(9, 300)
    expected = [model.predict(rows, raw_score=True, num_threads=1) for model in models.values()]
    assert np.array_equal(raw_scores(forest_from_boosters(models), rows), np.stack(expected, axis=1))


def test_rows_in_any_memory_order_score_the_same() -> None:
    forest, rows = random_forest(3, 40), rows_of(4, 33)
    assert np.array_equal(raw_scores(forest, np.asfortranarray(rows)), raw_scores(forest, rows))


def test_rows_that_nobody_may_write_to_are_scored() -> None:
    forest, rows = random_forest(3, 40), rows_of(4, 33)
    expected = raw_scores(forest, rows)
    rows.flags.writeable = False
    assert np.array_equal(raw_scores(forest, rows), expected)


WRONG_ROWS = (np.zeros((4, FEATURES)), np.zeros((4, 1), np.float32), np.zeros(4, np.float32))


@pytest.mark.parametrize("rows", WRONG_ROWS)
def test_rows_of_another_kind_are_refused(rows: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="build them with the bundle's features"):
        raw_scores(random_forest(3, 40), rows)


def test_the_kernel_compares_whole_vectors() -> None:
    kernel = njit(_find_leaves.py_func)  # the assembly of cached code can't be read
    block, lanes = np.zeros((99, BLOCK), np.float32), np.zeros((2, BLOCK), np.uint32)
    kernel(0, random_forest(3, 40).steps, block, 16, lanes[0], lanes[1].view(np.int32))
    (assembly,) = kernel.inspect_asm().values()
    packed = re.search(r"cmp\w*ps\s|fcm\w+\s+v\d+\.4s", assembly)
    assert packed, "the inner loop compares one value at a time"


def changed(forest: Forest, name: str, index: int, value: float) -> dict[str, npt.NDArray[np.generic]]:
    array = getattr(forest, name).copy()
    array[index] = value
    return {name: array}


@pytest.mark.parametrize(
    ("name", "index", "value", "sentence"),
    [
        ("threshold", 3, np.nan, "a threshold is NaN"),
        ("leaf_value", 3, np.inf, "a leaf is not finite"),
        ("feature", 3, -1, "a negative number"),
        ("missing", 3, 3, "an unknown way"),
        ("left", 3, 39, "outside its tree"),
        ("right", 3, -41, "outside its tree"),
        ("left", 3, 3, "there is a cycle"),
        ("left", 38, 0, "there is a cycle"),
        ("right", 38, -1, "exactly one parent"),
        ("tree_nodes", 1, 120, "does not cut"),
        ("tree_nodes", 0, 1, "does not cut"),
        ("tree_nodes", 1, 38, "there is a cycle"),
        ("head_trees", 1, 2, "does not cut"),
    ],
)
def test_a_damaged_forest_is_refused(name: str, index: int, value: float, sentence: str) -> None:
    forest = random_forest(7, 40)
    with pytest.raises(BundleError, match=f"{sentence}.*train the bundle again"):
        dataclasses.replace(forest, **changed(forest, name, index, value))


@pytest.mark.parametrize("name", list(forest_arrays()))
def test_an_array_of_another_length_is_refused(name: str) -> None:
    forest = random_forest(7, 40)
    with pytest.raises(BundleError, match="the forest is damaged"):
        dataclasses.replace(forest, **{name: getattr(forest, name)[:-1]})


def test_an_array_of_another_dtype_is_refused() -> None:
    forest = random_forest(7, 40)
    with pytest.raises(BundleError, match="threshold is float32 of 1 dimensions, not float64 of 1"):
        dataclasses.replace(forest, threshold=forest.threshold.astype(np.float32))


def test_a_tree_of_too_many_leaves_is_refused() -> None:
    with pytest.raises(BundleError, match="a tree has 4097 leaves, more than 4096"):
        random_forest(7, MAX_LEAVES + 1, trees=1)
