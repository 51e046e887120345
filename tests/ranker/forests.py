"""Random forests with all that a bundle may hold, odd rows for them, and a walk that scores them."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ranker.trees import WORD, Forest, Missing

FEATURES = 6
HUGE = 1e9
ODD_VALUES = (
    np.nan,
    0.0,
    -0.0,
    1e-36,
    -1e-36,
    1e-35,
    -1e-35,
    2e-35,
    np.inf,
    -np.inf,
    -0.5,
    7.9,
    64,
    -3,
    HUGE,
)


def rows_of(seed: int, n: int) -> npt.NDArray[np.float32]:
    """Normal values, a fifth of them odd; the last but one column has categories, the last is constant."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, FEATURES)).astype(np.float32)
    rows[:, -2] = rng.integers(0, 70, n)
    odd = rng.random(rows.shape) < 0.2
    rows[odd] = rng.choice(np.array(ODD_VALUES, np.float32), odd.sum())
    rows[:, -1] = 3.0
    return rows


def random_forest(seed: int, leaves: int, trees: int = 3, sets: float = 0.1) -> Forest:
    """Trees of any shape, whose nodes mix all kinds of missing values, thresholds that rows meet exactly and
    sets of categories, which a share `sets` of the nodes has."""
    rng = np.random.default_rng(seed)
    children = [random_tree(rng, leaves) for _ in range(trees)]
    nodes = trees * (leaves - 1)
    thresholds = np.concatenate([rows_of(seed, 500).ravel().astype(np.float64), [0.1, 1e300, -1e300]])
    lengths = rng.integers(1, 4, nodes) * (rng.random(nodes) < sets)
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
        node_words=np.append(0, np.cumsum(lengths)).astype(np.int32),
        words=rng.integers(0, 2**32, lengths.sum(), np.uint32),
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


def chain(side: str, leaves: int = 40) -> Forest:
    """One tree that goes down one side only: each node has a leaf on the other."""
    down, leaf = np.arange(1, leaves, dtype=np.int32), ~np.arange(leaves - 1, dtype=np.int32)
    down[-1] = ~np.int32(leaves - 1)
    forest = random_forest(1, leaves, trees=1, sets=0)
    sides = {"left": down, "right": leaf} if side == "left" else {"left": leaf, "right": down}
    return replace(forest, **sides)


def walked(forest: Forest, row: npt.NDArray[np.float32]) -> float:
    """The score of one row for the first head, node by node, after LightGBM's Tree::Decision."""
    total = 0.0
    for tree, first in enumerate(forest.tree_nodes[:-1]):
        node = 0 if forest.tree_nodes[tree + 1] > first else ~0
        while node >= 0:
            node = (forest.left if goes_left(forest, first + node, row) else forest.right)[first + node]
        total += forest.leaf_value[first + tree + ~node]
    return total


def goes_left(forest: Forest, node: int, row: npt.NDArray[np.float32]) -> bool:
    x, missing = float(row[forest.feature[node]]), forest.missing[node]
    if forest.categorical[node]:
        words = forest.words[forest.node_words[node] : forest.node_words[node + 1]]
        inside = not np.isnan(x) and -1 < x < WORD * len(words)
        return inside and bool(int(words[int(x) // WORD]) >> (int(x) % WORD) & 1)
    x = 0.0 if abs(x) <= np.float32(1e-35) or (np.isnan(x) and missing != Missing.NAN) else x
    absent = x == 0.0 if missing == Missing.ZERO else np.isnan(x)
    return bool(forest.default_left[node] if absent else x <= forest.threshold[node])
