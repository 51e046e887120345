"""A forest as the kernel reads it: thresholds as ranks, and each node as a step of its tree's scan."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ranker.trees import Bytes, Doubles, Forest, Ints, Longs, Missing, Singles, Words

AT_ONCE = 4
"""Trees in a group: their leaves are added together, so that a row's sum stays in a register."""
SCANNED = 256
"""Leaves of a tree that is scanned, at most: a place is one byte."""
MOST_RANKS = 255
"""Thresholds of a column, at most: a rank is one byte, from 0 to the number of thresholds."""
EACH = 8
"""Thresholds that are compared in one pass over the rows."""

_COUNTED = 96  # thresholds of a feature that are all compared; with more, halving the distance is faster


class Steps(NamedTuple):
    """A forest, turned for the kernel. Offsets as in `Forest`: one more than what they cut.

    A tested feature has its thresholds in rising order, and one or more columns: one for each way to treat
    missing values and for each 255 thresholds. A column holds one byte for each row: how many of the
    column's thresholds lie below the row's value.
    """

    width: int
    """How many columns a row must have at least."""
    most_sets: int
    """Categorical nodes of one tree, at most."""
    head_groups: Ints
    """(heads + 1,): the groups of each head. Its last group is filled up with trees of one leaf, 0."""
    tree_nodes: Ints
    """(trees + 1,): the nodes of each tree. Its leaves begin at tree_nodes[t] + t."""
    tree_sets: Ints
    """(trees + 1,): the categorical nodes of each tree."""
    column: Ints
    """(nodes,): the column that the node tests. After the columns come those of the tree's sets."""
    cut: Bytes
    """(nodes,): a greater rank fails the test."""
    first: Bytes
    """(nodes,): the leftmost leaf below the node. 0 in trees that are walked."""
    stop: Bytes
    """(nodes,): the leftmost leaf on its right. 0 in trees that are walked."""
    left: Ints
    """(nodes,): as in the forest."""
    right: Ints
    """(nodes,): as in the forest."""
    leaf_value: Doubles
    """(leaves,): tree by tree, from left to right; as in the forest in trees that are walked."""
    feature: Ints
    """(tested,): the features that nodes compare, rising."""
    feature_stride: Ints
    """(tested,): each so many-th threshold is compared with all rows; a power of two."""
    feature_cuts: Ints
    """(tested + 1,): the thresholds of each feature, filled up with inf, at least one."""
    feature_columns: Ints
    """(tested + 1,): its columns."""
    cuts: Singles
    """(cuts,): thresholds."""
    column_first: Ints
    """(columns,): the column's first threshold among its feature's."""
    column_zero: Bytes
    """(columns,): what the column holds for 0."""
    column_nan: Bytes
    """(columns,): what it holds for NaN."""
    set_feature: Ints
    """(sets,): the feature whose categories a categorical node looks up, node by node."""
    set_words: Ints
    """(sets + 1,): the set's words."""
    words: Words
    """(words,): as in the forest."""


def steps_of(forest: Forest) -> Steps:
    """Prepares a forest for `ranker.tree_kernel.raw_scores`: once, within milliseconds."""
    cuts = _cuts(forest)
    columns = _columns(forest, cuts)
    column, cut = _tests(forest, columns)
    first, stop, position = _leaf_spans(forest.tree_nodes, forest.left, forest.right)
    leaf_value = np.empty_like(forest.leaf_value)
    leaf_value[position] = forest.leaf_value
    head_groups, tree_nodes, leaf_value = _in_groups(forest, leaf_value)
    tree_sets = _offsets(forest.categorical)[tree_nodes]
    return Steps(
        width=forest.width,
        most_sets=int(np.diff(tree_sets).max(initial=0)),
        head_groups=head_groups,
        tree_nodes=tree_nodes,
        tree_sets=tree_sets,
        column=column,
        cut=cut,
        first=first,
        stop=stop,
        left=forest.left,
        right=forest.right,
        leaf_value=leaf_value,
        feature=cuts.feature,
        feature_stride=cuts.stride,
        feature_cuts=cuts.start,
        feature_columns=columns.start,
        cuts=cuts.value,
        column_first=columns.first,
        column_zero=columns.zero,
        column_nan=columns.nan,
        set_feature=forest.feature[forest.categorical],
        set_words=np.append(forest.node_words[:-1][forest.categorical], forest.node_words[-1:]),
        words=forest.words,
    )


class _Cuts(NamedTuple):
    """The thresholds of each tested feature, and which of them each comparing node has."""

    feature: Ints
    stride: Ints
    start: Ints
    value: Singles
    below_zero: Longs
    """(tested,): how many of a feature's thresholds lie below 0."""
    tested: Longs
    """(comparing nodes,): the place of the node's feature in `feature`."""
    rank: Longs
    """(comparing nodes,): the place of its threshold among the feature's."""


def _cuts(forest: Forest) -> _Cuts:
    node_feature = forest.feature[~forest.categorical]
    values, value = np.unique(_rounded_down(forest.threshold[~forest.categorical]), return_inverse=True)
    pairs, pair = np.unique(node_feature * np.int64(len(values)) + value, return_inverse=True)
    pair_feature, pair_value = np.divmod(pairs, max(len(values), 1))
    feature, begin, count = np.unique(pair_feature, return_index=True, return_counts=True)
    stride = np.array([_stride(thresholds) for thresholds in count.tolist()], np.int64)
    start = _offsets((count // (EACH * stride) + 1) * EACH * stride)
    cuts = np.full(start[-1], np.inf, np.float32)
    cuts[np.arange(len(pairs)) + np.repeat(start[:-1] - begin, count)] = values[pair_value]
    tested = np.searchsorted(feature, node_feature)
    negative = np.searchsorted(feature, pair_feature[values[pair_value] < 0])
    return _Cuts(
        feature=feature.astype(np.int32),
        stride=stride.astype(np.int32),
        start=start,
        value=cuts,
        below_zero=np.bincount(negative, minlength=len(feature)),
        tested=tested,
        rank=pair - begin[tested],
    )


def _stride(thresholds: int) -> int:
    return 1 << (max(thresholds - 1, 0) // _COUNTED).bit_length()


def _rounded_down(threshold: Doubles) -> Singles:
    """The greatest float32 that is not above each threshold: it splits float32 values in the same way."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


class _Columns(NamedTuple):
    """The columns, feature by feature, and what each comparing node compares with them."""

    start: Ints
    first: Ints
    zero: Bytes
    nan: Bytes
    column: Longs
    """(comparing nodes,): the node's column."""
    cut: Bytes
    """(comparing nodes,): see `Steps`."""


def _columns(forest: Forest, cuts: _Cuts) -> _Columns:
    compares = ~forest.categorical
    kind = forest.missing[compares]
    left = forest.default_left[compares] & (kind != Missing.NONE)
    piece, cut = np.divmod(cuts.rank, MOST_RANKS)
    kinds = (max(len(cuts.feature), 1), len(Missing), 2, int(piece.max(initial=0)) + 1)
    of_node = np.ravel_multi_index((cuts.tested, kind, left, piece), kinds)
    numbers, column = np.unique(of_node, return_inverse=True)
    tested, missing, default_left, pieces = np.unravel_index(numbers, kinds)
    first = pieces * MOST_RANKS
    zero = np.clip(cuts.below_zero[tested] - first, 0, MOST_RANKS)
    instead = np.where(default_left, 0, MOST_RANKS)
    return _Columns(
        start=np.searchsorted(tested, np.arange(len(cuts.feature) + 1)).astype(np.int32),
        first=first.astype(np.int32),
        zero=np.where(missing == Missing.ZERO, instead, zero).astype(np.uint8),
        nan=np.where(missing == Missing.NONE, zero, instead).astype(np.uint8),
        column=column,
        cut=cut.astype(np.uint8),
    )


def _tests(forest: Forest, columns: _Columns) -> tuple[Ints, Bytes]:
    """Each node's column and cut. In the column of a set, 0 is a category of the set and 1 any other."""
    categorical = forest.categorical
    column, cut = np.zeros(len(categorical), np.int32), np.zeros(len(categorical), np.uint8)
    column[~categorical], cut[~categorical] = columns.column, columns.cut
    before = _offsets(categorical)
    before_tree = np.repeat(before[forest.tree_nodes[:-1]], np.diff(forest.tree_nodes))
    column[categorical] = len(columns.first) + (before[:-1] - before_tree)[categorical]
    return column, cut


@njit(cache=True)
def _leaf_spans(tree_nodes: Ints, left: Ints, right: Ints) -> tuple[Bytes, Bytes, Ints]:
    """Of each node the leftmost leaf below it and below its right child; the position of each leaf.

    Leaves are counted from left to right. In a tree that is walked they keep their places.
    """
    first, stop = np.zeros(len(left), np.uint8), np.zeros(len(left), np.uint8)
    position = np.arange(len(left) + len(tree_nodes) - 1, dtype=np.int32)
    size = np.ones_like(left)
    for tree in range(len(tree_nodes) - 1):
        root, end, leaves = tree_nodes[tree], tree_nodes[tree + 1], tree_nodes[tree] + tree
        if end - root >= SCANNED:
            continue
        for node in range(end - 1, root - 1, -1):
            below_left = size[root + left[node]] if left[node] >= 0 else 1
            below_right = size[root + right[node]] if right[node] >= 0 else 1
            size[node] = below_left + below_right
            stop[node] = below_left
        for node in range(root, end):
            stop[node] += first[node]
            for child, begin in ((left[node], first[node]), (right[node], stop[node])):
                if child >= 0:
                    first[root + child] = begin
                else:
                    position[leaves + ~child] = leaves + begin
    return first, stop, position


def _in_groups(forest: Forest, leaf_value: Doubles) -> tuple[Ints, Ints, Doubles]:
    """The groups of each head, and the trees' nodes and leaves with the trees that fill up its last one."""
    trees = np.diff(forest.head_trees)
    groups = (trees + AT_ONCE - 1) // AT_ONCE
    at = np.repeat(forest.head_trees[1:], groups * AT_ONCE - trees)
    node = forest.tree_nodes[at]
    return _offsets(groups), np.insert(forest.tree_nodes, at, node), np.insert(leaf_value, node + at, 0.0)


def _offsets(counts: npt.NDArray[Any]) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
