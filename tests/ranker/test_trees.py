"""Forests: what is refused as damaged."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from ranker.errors import BundleError
from ranker.trees import MAX_LEAVES, Forest, forest_arrays
from tests.ranker.forests import random_forest


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
        ("node_words", 0, 1, "does not cut"),
        ("node_words", 60, 1 << 30, "does not cut"),
        ("node_words", 60, -1, "does not cut"),
        ("node_words", -1, 1, "does not cut"),
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
