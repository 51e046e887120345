"""Forests of decision trees, as a bundle stores them: the trees of every head as plain arrays.

They are numbered as LightGBM numbers them, and a row falls to the leaf that LightGBM's `Tree::Decision`
leads to. A `Forest` is verified when it is made, so nothing that reads it meets an index that leads outside
an array. `ranker.tree_kernel` scores rows with it.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from ranker.errors import BundleError

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Shorts = npt.NDArray[np.uint16]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

REPAIR = "train the bundle again, or copy it again from where it was made"
MAX_LEAVES = 4096
"""Leaves of one tree, at most: it bounds what a damaged bundle can cost in memory."""

WORD = 32  # categories in one word of bits
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
    ...     **no_categories(1),
    ... )
    >>> forest.width
    1
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
    """(nodes,): the child for values up to the threshold, or in the set of categories."""
    right: Ints
    """(nodes,): the child for others."""
    default_left: Bools
    """(nodes,): where a missing value goes. It has no meaning for a categorical node: NaN is in no set."""
    missing: Bytes
    """(nodes,): a `Missing`, without meaning for a categorical node."""
    leaf_value: Doubles
    """(leaves,): finite."""
    node_words: Ints
    """(nodes + 1,): the words of node n, in the same way. A node that has some is categorical: it compares
    with no threshold but looks up the value, cut to an integer, in its set."""
    words: Words
    """(words,): when bit b of a node's word w is set, the category 32 * w + b is in its set."""

    def __post_init__(self) -> None:
        for check in (_verify_types, _verify_ranges, _verify_nodes, _verify_children):
            check(self)

    @property
    def width(self) -> int:
        """How many columns a row must have at least."""
        return int(self.feature.max(initial=-1)) + 1

    @property
    def categorical(self) -> Bools:
        """(nodes,): which nodes look up a set of categories."""
        return np.diff(self.node_words) > 0


def forest_arrays() -> dict[str, np.dtype[Any]]:
    """The arrays of a Forest with their dtypes, in the order of its fields."""
    hints = get_type_hints(Forest)
    arrays = (field.name for field in fields(Forest) if field.name != "heads")
    return {name: np.dtype(get_args(get_args(hints[name])[1])[0]) for name in arrays}


def no_categories(nodes: int) -> dict[str, Ints | Words]:
    """The arrays of a forest of so many nodes that say that none is categorical."""
    return {"node_words": np.zeros(nodes + 1, np.int32), "words": np.zeros(0, np.uint32)}


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
    words = len(forest.words)
    _require(
        _cuts(forest.node_words, nodes, words), f"node_words does not cut {words} words into {nodes} nodes"
    )
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
