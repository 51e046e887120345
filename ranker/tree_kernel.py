"""The kernel that scores rows with the trees of all heads, many rows at a time.

Rows are scored in blocks. First a block's values become ranks: the number of a feature's thresholds that lie
below the value, one byte each, so that one vector holds the ranks of 64 rows and "x <= threshold" is a
comparison of bytes. This is done once for all heads, and it is exact: ranks compare as the values do. It is
the binning of gradient boosting (Chen and Guestrin, KDD 2016; Ke et al., NIPS 2017), with the thresholds that
the trees use as the bins; Koschel, Buschjäger, Lucchese and Morik (2023) score quantised trees likewise.

Then a tree is scanned: its nodes are visited once, parents before children, for all rows of the block
together. A row's place is one byte, the leftmost leaf that it can still reach. A row whose place is the
leftmost leaf below the node is at the node, as what lies between has passed its tests; if its test fails, its
place becomes the leftmost leaf on the node's right. After the last node the place is the leaf. A node is two
comparisons and one masked move for 64 rows, without branches and without a look-up by row: it is predicated
execution of the whole tree (Asadi, Lin and de Vries, TKDE 2014, score by predication too). Unlike
QuickScorer (Lucchese et al., SIGIR 2015, and US patent 11,106,685) it holds no bit vector of leaves and
takes trees one after another, not interleaved feature by feature.

A scan costs a step for each node, whatever the tree's depth; a walk from node to node costs more a step, but
only for the nodes on the way. Measured on one AVX-512 core, 512 rows, random trees: 31 leaves 0.6 us scanned
and 8.5 us walked, 255 leaves 1.5 us and 15 us. So trees of up to 256 leaves are scanned, and larger ones,
whose leaves no byte can number, are walked.

The vectors are LLVM's, 64 lanes of bytes, which it turns into the instructions of the processor: one AVX-512
register, two of AVX2, four of NEON.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ranker.tree_steps import AT_ONCE, EACH, MOST_RANKS, SCANNED, Steps
from ranker.trees import WORD, ZERO, Bytes, Doubles, Ints, Shorts, Singles, Words

LANES = 64  # rows in one vector
VECTORS = 8  # whose places AVX-512 holds in registers; AVX2 keeps some in memory and is as fast as with four
BLOCK = LANES * VECTORS
WHOLE = 16  # values that are compared at once
LINE = 64  # bytes of a cache line

_BYTES = ir.VectorType(ir.IntType(8), LANES)
_SHORTS = ir.VectorType(ir.IntType(16), LANES)
_NOTHING = ir.Constant(_BYTES, ir.Undefined)
_FIRST_LEAF = ir.Constant(_BYTES, [0] * LANES)
_FIRST_LANE = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


def raw_scores(steps: Steps, rows: Singles) -> Doubles:
    """The sum of the leaves that each row falls into: float64 (n, heads), before the sigmoid.

    `rows` is float32 (n, f) with f at least `steps.width`; it may hold NaN and infinities. ValueError when
    it is not. The sums are LightGBM's, bit for bit. Holds no lock: threads may share the steps.
    """
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] < steps.width:
        needed = f"float32 (n, {steps.width} or more)"
        raise ValueError(
            f"rows are {rows.dtype} {rows.shape}, not {needed}: build them with the bundle's features"
        )
    scores = np.empty((len(rows), len(steps.head_groups) - 1))
    _score(np.require(rows, requirements=["C", "A", "W"]), steps, scores)
    return scores


def _declare_scan(
    _: Any,
    ranks: Any,
    column: Any,
    cut: Any,
    first: Any,
    stop: Any,
    leaf: Any,
    row: Any,  # noqa: ARG001
    root: Any,  # noqa: ARG001
    end: Any,  # noqa: ARG001
) -> Any:
    """Scan the nodes [root, end) for the rows of a block, and write the leaf that each falls into."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[:6], values[:6], strict=True)
        ]
        places = [cgutils.alloca_once_value(builder, _FIRST_LEAF) for _ in range(VECTORS)]  # type: ignore[no-untyped-call]
        root, end = values[7:]
        with cgutils.for_range_slice(builder, root, end, root.type(1)) as (node, _):
            _step(builder, arrays, node, places)
        out = builder.gep(arrays[5], [builder.mul(values[6], values[6].type(BLOCK))])
        for vector, place in enumerate(places):
            leaves = builder.zext(builder.load(place), _SHORTS)
            builder.store(leaves, _vector(builder, out, vector, _SHORTS), align=2)
        return context.get_dummy_value()

    arrays = (ranks, column, cut, first, stop, leaf)
    return types.void(*arrays, types.intp, types.intp, types.intp), generate


_scan: Any = intrinsic(_declare_scan)


def _step(builder: Any, arrays: list[Any], node: Any, places: list[Any]) -> None:
    """Moves the rows that are at the node and fail its test."""
    ranks, column, *numbers, _ = arrays
    start = builder.mul(builder.sext(_item(builder, column, node), node.type), node.type(BLOCK))
    cut, first, stop = (_in_all_lanes(builder, _item(builder, array, node)) for array in numbers)
    for vector, place in enumerate(places):
        pointer = _vector(builder, builder.gep(ranks, [start]), vector, _BYTES)
        fails = builder.icmp_unsigned(">", builder.load(pointer, align=LINE), cut)
        now = builder.load(place)
        moves = builder.and_(fails, builder.icmp_unsigned("==", now, first))
        builder.store(builder.select(moves, stop, now), place)


def _item(builder: Any, array: Any, index: Any) -> Any:
    return builder.load(builder.gep(array, [index]))


def _vector(builder: Any, array: Any, number: int, kind: Any) -> Any:
    return builder.gep(builder.bitcast(array, kind.as_pointer()), [ir.IntType(64)(number)])


def _in_all_lanes(builder: Any, byte: Any) -> Any:
    alone = builder.insert_element(_NOTHING, byte, ir.IntType(32)(0))
    return builder.shuffle_vector(alone, _NOTHING, _FIRST_LANE)


@njit(cache=True, nogil=True)
def _score(rows: Singles, steps: Steps, scores: Doubles) -> None:
    ranks = _bytes_on_lines(len(steps.column_first) + steps.most_sets)
    leaf = np.empty((AT_ONCE, BLOCK), np.uint16)
    total = np.empty(BLOCK)
    nodes, leaf_value, column = steps.tree_nodes, steps.leaf_value, steps.column
    cut, first, stop = steps.cut, steps.first, steps.stop
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        _rank(some, steps, ranks)
        for head in range(len(steps.head_groups) - 1):
            total[:] = 0.0
            for group in range(steps.head_groups[head], steps.head_groups[head + 1]):
                for place in range(AT_ONCE):
                    tree = group * AT_ONCE + place
                    root, end = nodes[tree], nodes[tree + 1]
                    if steps.tree_sets[tree + 1] > steps.tree_sets[tree]:
                        _look_up_sets(tree, some, steps, ranks)
                    if end - root < SCANNED:
                        _scan(ranks, column, cut, first, stop, leaf, place, root, end)
                    else:
                        _walk(root, len(some), steps, ranks, leaf[place])
                _add_leaves(group * AT_ONCE, len(some), nodes, leaf_value, leaf, total)
            scores[start : start + len(some), head] = total[: len(some)]


@njit(cache=True, nogil=True)
def _bytes_on_lines(columns: int) -> Bytes:
    """Bytes (columns, BLOCK) whose rows begin on cache lines, so that no load of a vector spans two."""
    room = np.empty(columns * BLOCK + LINE, np.uint8)
    skipped = -room.ctypes.data % LINE
    return room[skipped : skipped + columns * BLOCK].reshape(columns, BLOCK)


@njit(cache=True, nogil=True)
def _rank(rows: Singles, steps: Steps, ranks: Bytes) -> None:
    """Fills the columns for a block of rows, feature by feature."""
    x, rank = np.zeros(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    lanes = (len(rows) + WHOLE - 1) // WHOLE * WHOLE
    for tested in range(len(steps.feature)):
        feature = steps.feature[tested]
        for row in range(len(rows)):
            value = rows[row, feature]
            x[row] = np.float32(0) if abs(value) <= ZERO else value
        cuts = steps.cuts[steps.feature_cuts[tested] : steps.feature_cuts[tested + 1]]
        _count(x[:lanes], cuts, steps.feature_stride[tested], rank)
        for column in range(steps.feature_columns[tested], steps.feature_columns[tested + 1]):
            first, zero, nan = steps.column_first[column], steps.column_zero[column], steps.column_nan[column]
            out = ranks[column]
            for lane in range(lanes):
                below = np.uint8(min(max(rank[lane] - first, 0), MOST_RANKS))
                below = zero if x[lane] == 0 else below
                out[lane] = nan if np.isnan(x[lane]) else below


@njit(cache=True, nogil=True)
def _count(x: Singles, cuts: Singles, stride: int, rank: Ints) -> None:
    """Writes how many cuts lie below each value: each stride-th is compared, then the distance is halved."""
    rank[: len(x)] = 0
    for first in range(stride - 1, len(cuts), EACH * stride):
        a, b, c, d = (
            cuts[first],
            cuts[first + stride],
            cuts[first + 2 * stride],
            cuts[first + 3 * stride],
        )
        e, f, g, h = (
            cuts[first + 4 * stride],
            cuts[first + 5 * stride],
            cuts[first + 6 * stride],
            cuts[first + 7 * stride],
        )
        for lane in range(len(x)):
            v = x[lane]
            rank[lane] += (v > a) + (v > b) + (v > c) + (v > d) + (v > e) + (v > f) + (v > g) + (v > h)
    while stride > 1:
        stride //= 2
        for lane in range(len(x)):
            below = 2 * rank[lane]
            rank[lane] = below + (x[lane] > cuts[np.uint64((below + 1) * stride - 1)])


@njit(cache=True, nogil=True)
def _look_up_sets(tree: int, rows: Singles, steps: Steps, ranks: Bytes) -> None:
    """Fills the columns of a tree's categorical nodes."""
    columns = len(steps.column_first)
    for place, one in enumerate(range(steps.tree_sets[tree], steps.tree_sets[tree + 1])):
        words = steps.words[steps.set_words[one] : steps.set_words[one + 1]]
        _look_up(rows[:, steps.set_feature[one]], words, ranks[columns + place])


@njit(cache=True, nogil=True)
def _look_up(values: Singles, words: Words, out: Bytes) -> None:
    """Writes 0 for values whose integer part is in the set, and 1 for others, NaN among them."""
    beyond = WORD * len(words)
    for row in range(len(values)):
        out[row] = 1
        if -1 < values[row] < beyond:
            category = np.uint32(values[row])
            out[row] = 1 - (words[category // WORD] >> (category % WORD) & 1)


@njit(cache=True, nogil=True)
def _walk(root: int, count: int, steps: Steps, ranks: Bytes, leaf: Shorts) -> None:
    for row in range(count):
        node = 0
        while node >= 0:
            at = root + node
            fails = ranks[steps.column[at], row] > steps.cut[at]
            node = steps.right[at] if fails else steps.left[at]
        leaf[row] = ~node


@njit(cache=True, nogil=True)
def _add_leaves(tree: int, count: int, nodes: Ints, value: Doubles, leaf: Shorts, total: Doubles) -> None:
    """Adds the leaves of a group of trees, in order. Unsigned places need no look at negative ones."""
    a, b = np.uint64(nodes[tree] + tree), np.uint64(nodes[tree + 1] + tree + 1)
    c, d = np.uint64(nodes[tree + 2] + tree + 2), np.uint64(nodes[tree + 3] + tree + 3)
    for row in range(count):
        sum_ = total[row] + value[a + leaf[0, row]]
        sum_ += value[b + leaf[1, row]]
        sum_ += value[c + leaf[2, row]]
        total[row] = sum_ + value[d + leaf[3, row]]
