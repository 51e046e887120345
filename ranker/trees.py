"""Forests of decision trees, and the kernel that scores rows with them.

A `Forest` is what a bundle stores: the trees of every head as plain arrays, numbered as LightGBM numbers
them. It is verified when it is made, so the kernel never meets an index that leads outside an array.

The kernel does not walk from node to node. It follows QuickScorer (Lucchese et al., SIGIR 2015) in its
vectorised form (Lucchese et al., SIGIR 2016): the leaves of a tree are numbered from left to right and each
row holds one bit a leaf. Every node whose test fails ("x <= threshold" is false) clears the bits of its
left subtree; the lowest bit that is left is the leaf that a walk would reach. The tests of a tree are then
one straight line of steps without branches, which LLVM turns into vector compares over a block of rows.
Trees of more than 32 leaves take several words of 32 bits, each with its own steps.

Scores are those of LightGBM bit for bit: a feature is float32, so a threshold may be rounded down to
float32 without changing any answer, and leaves are added in LightGBM's order.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

from ranker.errors import BundleError

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

REPAIR = "train the bundle again, or copy it again from where it was made"
MAX_LEAVES = 4096
"""Leaves of one tree, at most: it bounds what a damaged bundle can cost in memory."""

BLOCK = 256  # rows that share one pass over the steps
LANES = 16  # a short block is filled up to whole vectors
WORD = 32  # leaves in one word of bits
ALL = np.uint32(0xFFFFFFFF)
ZERO = np.float32(1e-35)  # LightGBM's kZeroThreshold: what is this close to 0 is 0


class Missing(IntEnum):
    """Which values follow a node's default direction instead of its test."""

    NONE = 0
    """None: NaN is read as 0."""
    ZERO = 1
    """NaN and 0 (up to 1e-35 either way)."""
    NAN = 2
    """NaN."""


@dataclass(frozen=True, eq=False)
class Forest:
    """The trees of all heads. Making one verifies it; BundleError names what is wrong.

    A tree of k nodes has k + 1 leaves; node 0 is its root, and a child has a higher number than its parent.
    A child that is negative is a leaf: ~child is its number in the tree. A tree of no nodes is one leaf.

    >>> forest = Forest(
    ...     heads=("like",),
    ...     head_trees=np.array([0, 1], np.int32),
    ...     tree_nodes=np.array([0, 1], np.int32),
    ...     feature=np.array([0], np.int32),
    ...     threshold=np.array([0.5]),
    ...     left=np.array([-1], np.int32),
    ...     right=np.array([-2], np.int32),
    ...     default_left=np.array([True]),
    ...     missing=np.array([Missing.NAN], np.uint8),
    ...     leaf_value=np.array([-1.0, 2.0]),
    ... )
    >>> raw_scores(forest, np.array([[0.5], [0.6], [np.nan]], np.float32)).tolist()
    [[-1.0], [2.0], [-1.0]]
    """

    heads: tuple[str, ...]
    """Names, in the order of the trees and of the columns of a score."""
    head_trees: Ints
    """(heads + 1,): head h owns the trees head_trees[h] to head_trees[h + 1], the latter not included."""
    tree_nodes: Ints
    """(trees + 1,): the nodes of tree t, in the same way. Its leaves begin at tree_nodes[t] + t."""
    feature: Ints
    """(nodes,): the column of the row that the node tests."""
    threshold: Doubles
    """(nodes,): a value up to and including it goes left. Not NaN; may be infinite."""
    left: Ints
    """(nodes,): the child for values up to the threshold."""
    right: Ints
    """(nodes,): the child for values above it."""
    default_left: Bools
    """(nodes,): where a missing value goes."""
    missing: Bytes
    """(nodes,): a `Missing`."""
    leaf_value: Doubles
    """(leaves,): finite."""

    def __post_init__(self) -> None:
        for check in (_verify_types, _verify_ranges, _verify_nodes, _verify_children):
            check(self)

    @property
    def width(self) -> int:
        """How many columns a row must have at least."""
        return int(self.feature.max(initial=-1)) + 1

    @cached_property
    def steps(self) -> "Steps":
        """The forest as the kernel reads it. Made once."""
        return _steps(self)


def forest_arrays() -> dict[str, np.dtype[Any]]:
    """The arrays of a Forest with their dtypes, in the order of its fields."""
    hints = get_type_hints(Forest)
    arrays = (field.name for field in fields(Forest) if field.name != "heads")
    return {name: np.dtype(get_args(get_args(hints[name])[1])[0]) for name in arrays}


class Steps(NamedTuple):
    """A forest as straight lines of steps, one line for each 32 leaves of a tree."""

    head_trees: Ints
    """(heads + 1,): as in the forest."""
    tree_words: Ints
    """(trees + 1,): the words of each tree."""
    word_leaf: Ints
    """(words,): the leaf that the word's lowest bit stands for."""
    word_steps: Ints
    """(words + 1,): the steps of each word."""
    column: Ints
    """(steps,): the column that the step compares."""
    threshold: Singles
    """(steps,): the step applies to rows that are not at or below it."""
    mask: Words
    """(steps,): the bits that stay when the step applies."""
    leaf_value: Doubles
    """(leaves,): tree by tree, from left to right."""
    column_feature: Ints
    """(columns,): the feature that the column is read from."""
    column_zero: Singles
    """(columns,): what the column holds for 0. -inf passes every test, NaN fails every test."""
    column_nan: Singles
    """(columns,): what it holds for NaN."""


def raw_scores(forest: Forest, rows: Singles) -> Doubles:
    """The sum of the leaves that each row falls into: float64 (n, heads), before the sigmoid.

    `rows` is float32 (n, f) with f at least `forest.width`; it may hold NaN and infinities. ValueError when
    it is not. Holds no lock: threads may share a forest.
    """
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] < forest.width:
        needed = f"float32 (n, {forest.width} or more)"
        raise ValueError(
            f"rows are {rows.dtype} {rows.shape}, not {needed}: build them with the bundle's features"
        )
    scores = np.empty((len(rows), len(forest.heads)))
    _score(np.require(rows, requirements=["C", "A", "W"]), forest.steps, scores)
    return scores


@intrinsic
def _lowest_bit(_: Any, word: Any) -> Any:
    """The number of zeros below a uint32's lowest bit, as one instruction. The word is not 0."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return word(word), generate


@njit(cache=True, nogil=True)
def _score(rows: Singles, steps: Steps, scores: Doubles) -> None:
    block = np.zeros((len(steps.column_feature), BLOCK), np.float32)
    live = np.empty(BLOCK, np.uint32)
    leaf = np.empty(BLOCK, np.int32)
    total = np.empty(BLOCK, np.float64)
    for start in range(0, len(rows), BLOCK):
        count = min(BLOCK, len(rows) - start)
        lanes = (count + LANES - 1) // LANES * LANES
        _fill(rows[start : start + count], steps, block)
        for head in range(len(steps.head_trees) - 1):
            total[:] = 0.0
            for tree in range(steps.head_trees[head], steps.head_trees[head + 1]):
                _find_leaves(tree, steps, block, lanes, live, leaf)
                for lane in range(lanes):
                    total[lane] += steps.leaf_value[leaf[lane]]
            scores[start : start + count, head] = total[:count]


@njit(cache=True, nogil=True)
def _fill(rows: Singles, steps: Steps, block: Singles) -> None:
    """The block's columns: a feature's values, with what is missing replaced."""
    for column in range(len(steps.column_feature)):
        feature = steps.column_feature[column]
        zero, nan = steps.column_zero[column], steps.column_nan[column]
        for row in range(len(rows)):
            x = rows[row, feature]
            x = zero if abs(x) <= ZERO else x
            block[column, row] = nan if np.isnan(rows[row, feature]) else x


@njit(cache=True, nogil=True)
def _find_leaves(tree: int, steps: Steps, block: Singles, lanes: int, live: Words, leaf: Ints) -> None:
    """Writes the leaf that each lane reaches. The last word keeps a bit; an earlier word wins over it."""
    for word in range(steps.tree_words[tree + 1] - 1, steps.tree_words[tree] - 1, -1):
        live[:] = ALL
        for step in range(steps.word_steps[word], steps.word_steps[word + 1]):
            x, threshold, mask = block[steps.column[step]], steps.threshold[step], steps.mask[step]
            for lane in range(lanes):
                live[lane] &= ALL if x[lane] <= threshold else mask
        first = steps.word_leaf[word]
        for lane in range(lanes):
            if live[lane] != 0:
                leaf[lane] = first + np.int32(_lowest_bit(live[lane]))  # type: ignore[call-arg]


def _steps(forest: Forest) -> Steps:
    node_tree = np.repeat(np.arange(len(forest.tree_nodes) - 1), np.diff(forest.tree_nodes))
    tree_leaves = (forest.tree_nodes + np.arange(len(forest.tree_nodes))).astype(np.int32)
    tree_words = _offsets((np.diff(tree_leaves) + WORD - 1) // WORD)
    first, stop, position = _leaf_spans(forest.tree_nodes, forest.left, forest.right)
    leaf_value = np.empty_like(forest.leaf_value)
    leaf_value[position] = forest.leaf_value

    touched = (stop - 1) // WORD - first // WORD + 1
    node = np.repeat(np.arange(len(first)), touched)
    word = np.arange(len(node)) - np.repeat(np.cumsum(touched) - touched, touched) + first[node] // WORD
    mask = _cleared(first[node] - WORD * word, stop[node] - WORD * word)
    word += tree_words[node_tree[node]]
    order = np.argsort(word, kind="stable")
    column, column_feature, column_zero, column_nan = _columns(forest)
    return Steps(
        head_trees=forest.head_trees.copy(),
        tree_words=tree_words,
        word_leaf=_word_leaves(tree_words, tree_leaves),
        word_steps=_offsets(np.bincount(word, minlength=tree_words[-1])),
        column=column[node[order]],
        threshold=_rounded_down(forest.threshold)[node[order]],
        mask=mask[order],
        leaf_value=leaf_value,
        column_feature=column_feature,
        column_zero=column_zero,
        column_nan=column_nan,
    )


@njit(cache=True)
def _leaf_spans(tree_nodes: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
    """Leaves [first, stop) below each node's left child, from left to right; each leaf's position."""
    first, stop = np.zeros_like(left), np.zeros_like(left)
    position = np.zeros(len(left) + len(tree_nodes) - 1, np.int32)
    size = np.ones_like(left)
    for tree in range(len(tree_nodes) - 1):
        root, end, leaves = tree_nodes[tree], tree_nodes[tree + 1], tree_nodes[tree] + tree
        position[leaves] = leaves  # the only leaf of a tree without nodes; else overwritten
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


def _cleared(first: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> Words:
    """Words whose bits [first, stop) are 0 and all others 1; both ends are clipped to the word."""
    below_first = (np.int64(1) << np.clip(first, 0, WORD)) - 1
    below_stop = (np.int64(1) << np.clip(stop, 0, WORD)) - 1
    return (np.int64(ALL) & ~(below_stop & ~below_first)).astype(np.uint32)


def _word_leaves(tree_words: Ints, tree_leaves: Ints) -> Ints:
    tree = np.repeat(np.arange(len(tree_words) - 1), np.diff(tree_words))
    within = np.arange(tree_words[-1]) - tree_words[tree]
    return (tree_leaves[tree] + WORD * within).astype(np.int32)


def _columns(forest: Forest) -> tuple[Ints, Ints, Singles, Singles]:
    """Each node's column, and the columns' feature, value for 0 and value for NaN."""
    default = np.where(forest.missing == Missing.NONE, False, forest.default_left)
    kinds = np.stack([forest.feature, forest.missing, default], axis=1).astype(np.int32)
    kinds, column = np.unique(kinds, axis=0, return_inverse=True)
    feature, missing, left = kinds[:, 0].copy(), kinds[:, 1], kinds[:, 2] == 1
    instead = np.where(left, np.float32(-np.inf), np.float32(np.nan))
    zero = np.where(missing == Missing.ZERO, instead, np.float32(0))
    nan = np.where(missing == Missing.NONE, np.float32(0), instead)
    return column.astype(np.int32), feature, zero, nan


def _rounded_down(threshold: Doubles) -> Singles:
    """The greatest float32 that is not above each threshold: it splits float32 values in the same way."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _offsets(counts: npt.NDArray[np.int64] | Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _require(good: bool | np.bool_, what: str) -> None:
    if not good:
        raise BundleError(f"the forest is damaged: {what}: {REPAIR}")


def _verify_types(forest: Forest) -> None:
    for name, dtype in forest_arrays().items():
        array = getattr(forest, name)
        found = f"{array.dtype} of {array.ndim} dimensions"
        _require(array.dtype == dtype and array.ndim == 1, f"{name} is {found}, not {dtype} of 1")


def _verify_ranges(forest: Forest) -> None:
    """The offsets cut trees into heads and nodes into trees, and the arrays have the lengths that follow."""
    heads, trees, nodes = len(forest.heads), len(forest.tree_nodes) - 1, len(forest.feature)
    _require(len(set(forest.heads)) == heads, "two heads have the same name")
    _require(
        _cuts(forest.head_trees, heads, trees), f"head_trees does not cut {trees} trees into {heads} heads"
    )
    _require(
        _cuts(forest.tree_nodes, trees, nodes), f"tree_nodes does not cut {nodes} nodes into {trees} trees"
    )
    for name in ("threshold", "left", "right", "default_left", "missing"):
        length = len(getattr(forest, name))
        _require(length == nodes, f"{name} has {length} entries for {nodes} nodes")
    leaves = len(forest.leaf_value)
    _require(leaves == nodes + trees, f"leaf_value has {leaves} entries, not {nodes + trees}")
    most = int(np.diff(forest.tree_nodes).max(initial=0)) + 1
    _require(most <= MAX_LEAVES, f"a tree has {most} leaves, more than {MAX_LEAVES}")


def _cuts(offsets: Ints, pieces: int, total: int) -> bool:
    whole = pieces >= 0 and len(offsets) == pieces + 1 and offsets[0] == 0 and offsets[-1] == total
    return bool(whole and (offsets[1:] >= offsets[:-1]).all())


def _verify_nodes(forest: Forest) -> None:
    _require((forest.feature >= 0).all(), "a node tests a feature with a negative number")
    _require(not np.isnan(forest.threshold).any(), "a threshold is NaN")
    _require(np.isfinite(forest.leaf_value).all(), "a leaf is not finite")
    _require((forest.missing <= max(Missing)).all(), "a node treats missing values in an unknown way")


def _verify_children(forest: Forest) -> None:
    """Each node but the root, and each leaf, is the child of exactly one node, which comes before it.

    So nothing is shared, there is no cycle, and all is reached from the root.
    """
    trees = len(forest.tree_nodes) - 1
    tree = np.repeat(np.arange(trees), np.diff(forest.tree_nodes))
    root = forest.tree_nodes[:-1].astype(np.int64)[tree]
    number, count = np.arange(len(tree)) - root, np.diff(forest.tree_nodes)[tree]
    parents = np.zeros(len(forest.feature), np.int64)
    leaf_parents = np.zeros(len(forest.leaf_value), np.int64)
    for side in (forest.left, forest.right):
        child = side.astype(np.int64)
        inside = (child < count) & (~child <= count)
        _require(inside.all(), "a node has a child outside its tree")
        inner = child >= 0
        _require(
            (child > number)[inner].all(), "a node has a child that comes before it, so there is a cycle"
        )
        np.add.at(parents, (root + child)[inner], 1)
        np.add.at(leaf_parents, (root + tree + ~child)[~inner], 1)
    once = (parents[number > 0] == 1).all() and (leaf_parents[_in_a_split_tree(forest)] == 1).all()
    _require(once, "a node or leaf does not have exactly one parent")


def _in_a_split_tree(forest: Forest) -> Bools:
    """The leaves of trees that have nodes."""
    nodes = np.diff(forest.tree_nodes)
    return np.repeat(nodes > 0, nodes + 1)
