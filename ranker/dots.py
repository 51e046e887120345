"""Cosines of stored half-precision rows with float32 queries.

One kernel serves the index, its re-ranking and the features, so that a (post, query) pair has one cosine, bit
for bit, whatever else is in the call. The order of the additions is written out as vector operations and no
multiplication is fused with an addition: the result is the same on every processor with IEEE 754 arithmetic.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

# Partial sums a row: four 512-bit registers, enough to hide the latency of an addition.
LANES = 64
_LINE = 64
# Rows that are asked for before their turn comes.
_AHEAD = 4

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_HALVES = ir.VectorType(ir.HalfType(), LANES)


def _row_address(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    fields = context.make_array(array_type)(context, builder, array)
    stride = builder.extract_value(fields.strides, 0)
    return builder.add(builder.ptrtoint(fields.data, stride.type), builder.mul(row, stride))


def _block(builder: Any, address: Any, index: Any, kind: Any, item_bytes: int) -> Any:
    """Load the lanes of one block, which need not lie on a vector boundary."""
    offset = builder.mul(index, index.type(LANES * item_bytes))
    pointer = builder.inttoptr(builder.add(address, offset), kind.as_pointer())
    return builder.load(pointer, align=item_bytes, typ=kind)


def _sum_of_lanes(builder: Any, lanes: Any) -> Any:
    """Add the upper half to the lower half until one number is left."""
    width = LANES
    while width > 1:
        width //= 2
        indices = ir.VectorType(ir.IntType(32), width)
        low, high = (
            builder.shuffle_vector(
                lanes,
                ir.Constant(lanes.type, ir.Undefined),
                ir.Constant(indices, list(range(start, start + width))),
            )
            for start in (0, width)
        )
        lanes = builder.fadd(low, high)
    return builder.extract_element(lanes, ir.IntType(32)(0))


def _declare_dot(_: Any, rows: Any, row: Any, queries: Any, query: Any, blocks: Any) -> Any:  # noqa: ARG001
    """The dot product of `rows[row]` (half-precision bits) and `queries[query]` over whole blocks."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        left = _row_address(context, builder, signature.args[0], values[0], values[1])
        right = _row_address(context, builder, signature.args[2], values[2], values[3])
        total = cgutils.alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * LANES))  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, values[4]) as loop:
            halves = builder.fpext(_block(builder, left, loop.index, _HALVES, 2), _FLOATS)
            product = builder.fmul(halves, _block(builder, right, loop.index, _FLOATS, 4))
            builder.store(builder.fadd(builder.load(total), product), total)
        return _sum_of_lanes(builder, builder.load(total))

    return types.float32(rows, types.intp, queries, types.intp, types.intp), generate


_dot: Any = intrinsic(_declare_dot)


def _declare_fetch(_: Any, rows: Any, row: Any) -> Any:  # noqa: ARG001
    """Ask for a row's memory, which the processor brings while it computes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = _row_address(context, builder, signature.args[0], values[0], values[1])
        number = ir.IntType(32)
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        fields = context.make_array(signature.args[0])(context, builder, values[0])
        with cgutils.for_range_slice(
            builder, start.type(0), builder.extract_value(fields.strides, 0), start.type(_LINE)
        ) as (offset, _):
            place = builder.inttoptr(builder.add(start, offset), pointer)
            builder.call(prefetch, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(rows, types.intp), generate


_fetch: Any = intrinsic(_declare_fetch)


def _readable(item: Any, dimensions: int) -> Any:
    return types.Array(item, dimensions, "C", readonly=True)


@njit(
    types.void(
        _readable(types.uint16, 2),
        _readable(types.int32, 1),
        _readable(types.float32, 2),
        types.float32[:, ::1],
    ),
    nogil=True,
    cache=True,
)
def _fill(rows: Any, slots: Any, queries: Any, out: Any) -> None:
    blocks = rows.shape[1] // LANES
    for i in range(slots.shape[0]):
        slot = slots[i]
        if i + _AHEAD < slots.shape[0]:
            _fetch(rows, slots[i + _AHEAD])
        for query in range(queries.shape[0]):
            out[query, i] = _dot(rows, slot, queries, query, blocks)
        # Only a zero row gives zeros for certain, so others seldom pay for the look.
        if out.shape[0] and out[0, i] == 0 and not (rows[slot] & 0x7FFF).any():
            out[:, i] = math.nan


def cosines(
    vectors: NDArray[np.float16], slots: NDArray[np.int32], queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The cosines of some stored vectors with each query.

    `vectors` (capacity, D) float16, unit rows or zero rows, C order. `slots` (n,) int32. `queries` (q, D)
    float32, unit rows. Returns (n, q) float32; a zero row, which stands for "no vector yet", gives NaN. The
    result is a transposed view: the cosines of one query lie together in memory. Other threads run meanwhile.

    Raises IndexError for a slot outside `vectors` and ValueError for queries of another dimension.

    >>> stored = np.zeros((3, 4), np.float16)
    >>> stored[1, 2] = 1
    >>> cosines(stored, np.array([1, 0], np.int32), np.eye(4, dtype=np.float32)[2:]).tolist()
    [[1.0, 0.0], [nan, nan]]
    """
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise ValueError(f"queries of shape {queries.shape} do not fit vectors of {vectors.shape[1]} numbers")
    if slots.size and not 0 <= slots.min() <= slots.max() < len(vectors):
        raise IndexError(f"slots {slots.min()} to {slots.max()} are not all within {len(vectors)} vectors")
    if vectors.shape[1] % LANES:
        vectors, slots = _whole_blocks(vectors[slots]), np.arange(len(slots), dtype=np.int32)
        queries = _whole_blocks(queries)
    out = np.empty((len(queries), len(slots)), np.float32)
    _fill(
        np.ascontiguousarray(vectors).view(np.uint16),
        np.ascontiguousarray(slots, np.int32),
        np.ascontiguousarray(queries, np.float32),
        out,
    )
    return out.T


def _whole_blocks(rows: NDArray[Any]) -> NDArray[Any]:
    """Pad rows with zeros to a multiple of the lanes: a copy, so such dimensions are right but slower."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % LANES)))
