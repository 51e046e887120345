"""Cosines of stored half-precision rows with float32 queries.

One kernel serves the index, its re-ranking and the features, so that a (post, query) pair has one cosine, bit
for bit, whatever else is in the call. The order of the additions is written out as vector operations, and
each multiplication is fused with its addition: the result is the same on every processor with IEEE 754
arithmetic.
"""

import math
from typing import Any

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from ranker.kernels import fetch, row_address

LANES = 16
"""Partial sums a pair: one 512-bit register."""
_ROWS = 4
_QUERIES = 4 if binding.get_host_cpu_features().get("avx512f") else 1
"""A tile is so many rows by so many queries: their partial sums stay in registers, and whatever is read is
used several times. The size of a tile shows in no bit."""
_AHEAD = 16
"""Rows asked for before their turn comes, and made float32 together: they stay in the nearest cache."""
_FEW = 3
"""For up to so many queries a row is made float32 as it is read."""

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_HALVES = ir.VectorType(ir.HalfType(), LANES)
_INDEX = ir.IntType(32)


def _place(builder: Any, address: Any, index: Any, kind: Any, item_bytes: int) -> Any:
    """Where a vector of a row lies; not on a vector boundary, as a rule."""
    offset = builder.mul(index, index.type(kind.count * item_bytes))
    return builder.inttoptr(builder.add(address, offset), kind.as_pointer())


def _shuffled(builder: Any, one: Any, other: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(
        one, other, ir.Constant(ir.VectorType(_INDEX, len(lanes)), [_INDEX(lane) for lane in lanes])
    )


def _sums_of_lanes(builder: Any, vectors: list[Any]) -> Any:
    """The sum over the lanes of each of 2^k vectors, as one vector.

    The upper half of the lanes is added to the lower half until one is left; two vectors share one addition.
    """
    width = LANES
    while width > 1:
        width //= 2
        halved = []
        for one, other in zip(vectors[::2], vectors[1::2] or vectors, strict=True):
            lanes = range(one.type.count * (1 + (len(vectors) > 1)))
            low, high = (
                _shuffled(builder, one, other, [i for i in lanes if (i // width) % 2 == half])
                for half in (0, 1)
            )
            halved.append(builder.fadd(low, high))
        vectors = halved
    return vectors[0]


def _halves(builder: Any, address: Any, index: Any) -> Any:
    """A vector of a row of halves, made float32."""
    bits = builder.load(_place(builder, address, index, _HALVES, 2), align=2, typ=_HALVES)
    return builder.fpext(bits, _FLOATS)


def _floats(builder: Any, address: Any, index: Any) -> Any:
    """A vector of a row of float32."""
    return builder.load(_place(builder, address, index, _FLOATS, 4), align=4, typ=_FLOATS)


def _declare_widen(_: Any, rows: Any, row: Any, out: Any, place: Any, blocks: Any) -> Any:  # noqa: ARG001
    """Write `rows[row]` (half-precision bits) to `out[place]` as float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source = row_address(context, builder, signature.args[0], values[0], values[1])
        target = row_address(context, builder, signature.args[2], values[2], values[3])
        with cgutils.for_range(builder, values[4]) as loop:
            floats = _halves(builder, source, loop.index)
            builder.store(floats, _place(builder, target, loop.index, _FLOATS, 4), align=4)
        return context.get_dummy_value()

    return types.void(rows, types.intp, out, types.intp, types.intp), generate


widen: Any = intrinsic(_declare_widen)
"""`widen(rows, row, out, place, blocks)` in a kernel: see `in_blocks`."""


def _tile_of(read: Any, together: int) -> Any:
    """The intrinsic for tiles of so many queries, with rows of what `read` reads."""

    def declare(
        _: Any, rows: Any, _four: Any, queries: Any, _query: Any, out: Any, _at: Any, _blocks: Any
    ) -> Any:
        """The dot products of four rows and the queries from `query` on: into `out` from (query, at) on."""
        places = types.UniTuple(types.intp, _ROWS)  # type: ignore[no-untyped-call]
        arguments = (rows, places, queries, types.intp, out, types.intp, types.intp)
        return types.void(*arguments), _tile_code(read, together)

    return intrinsic(declare)


def _tile_code(read: Any, together: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def address(argument: int, row: Any) -> Any:
            return row_address(context, builder, signature.args[argument], values[argument], row)

        first, at = values[3], values[5]
        left = [address(0, builder.extract_value(values[1], i)) for i in range(_ROWS)]
        right = [address(2, builder.add(first, first.type(j))) for j in range(together)]
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(_ROWS * together)]  # type: ignore[no-untyped-call]
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, values[6]) as loop:
            rows = [read(builder, one, loop.index) for one in left]
            for j in range(together):
                query = _floats(builder, right[j], loop.index)
                for row, total in zip(rows, sums[j * _ROWS :], strict=False):
                    builder.store(builder.call(fused, [row, query, builder.load(total)]), total)
        result = _sums_of_lanes(builder, [builder.load(total) for total in sums])
        for j in range(together):
            part = _shuffled(builder, result, result, list(range(j * _ROWS, (j + 1) * _ROWS)))
            place = builder.add(address(4, builder.add(first, first.type(j))), builder.mul(at, at.type(4)))
            builder.store(part, builder.inttoptr(place, part.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return generate


_tile: Any = _tile_of(_floats, _QUERIES)
_narrow_tile: Any = _tile_of(_floats, 1)
_direct_tile: Any = _tile_of(_halves, 1)


@njit(nogil=True)
def nearest(one: Any, others: Any, first: int, end: int, tile: Any) -> Any:
    """In a kernel: the greatest cosine of a row (1, D) with others, from `first` up to `end`; -1 for none.

    Both float32, D a multiple of LANES. `tile`: room for the cosines of a tile, float32 (1, 4). A zero row
    has the cosine 0.
    """
    most, last = np.float32(-1), end - 1
    for at in range(first, end, _ROWS):
        four = (at, min(at + 1, last), min(at + 2, last), min(at + 3, last))
        _narrow_tile(others, four, one, 0, tile, 0, one.shape[1] // LANES)
        for i in range(_ROWS):
            most = max(most, tile[0, i])
    return most


def _readable(item: Any, dimensions: int) -> Any:
    return types.Array(item, dimensions, "C", readonly=True)


@njit(nogil=True)
def aligned(rows: int, columns: int) -> Any:
    """Room for rows of whole blocks, float32, where no block lies across two lines of the cache.

    In a kernel. Reading such a block takes half the time.
    """
    room = np.empty(rows * columns + LANES, np.float32)
    first = -room.ctypes.data % (4 * LANES) // 4
    return room[first : first + rows * columns].reshape(rows, columns)


@njit(nogil=True)
def _fill_directly(rows: Any, slots: Any, queries: Any, out: Any) -> None:
    last, blocks = len(slots) - 1, rows.shape[1] // LANES
    for i in range(0, len(slots), _ROWS):
        for ahead in range(i + _AHEAD, min(i + _AHEAD + _ROWS, len(slots))):
            fetch(rows, slots[ahead])
        four = (slots[i], slots[min(i + 1, last)], slots[min(i + 2, last)], slots[min(i + 3, last)])
        for query in range(len(queries)):
            _direct_tile(rows, four, queries, query, out, i, blocks)


@njit(nogil=True)
def _fill_widened(rows: Any, slots: Any, queries: Any, out: Any) -> None:
    blocks = rows.shape[1] // LANES
    widened = aligned(_AHEAD, rows.shape[1])
    for first in range(0, len(slots), _AHEAD):
        here = min(_AHEAD, len(slots) - first)
        for i in range(here):
            widen(rows, slots[first + i], widened, i, blocks)
            if first + i + _AHEAD < len(slots):
                fetch(rows, slots[first + i + _AHEAD])
        whole = len(queries) // _QUERIES * _QUERIES
        for query in range(0, whole, _QUERIES):
            for i in range(0, here, _ROWS):
                _tile(widened, (i, i + 1, i + 2, i + 3), queries, query, out, first + i, blocks)
        for query in range(whole, len(queries)):
            for i in range(0, here, _ROWS):
                _narrow_tile(widened, (i, i + 1, i + 2, i + 3), queries, query, out, first + i, blocks)


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
    """Fill `out` (queries, slots filled up to whole tiles)."""
    for i in range(min(_AHEAD, len(slots))):
        fetch(rows, slots[i])
    if len(queries) > _FEW:
        _fill_widened(rows, slots, queries, out)
    else:
        _fill_directly(rows, slots, queries, out)
    for i in range(len(slots)):
        # Only a zero row gives zeros for certain, so others seldom pay for the look.
        if len(queries) and out[0, i] == 0 and not (rows[slots[i]] & 0x7FFF).any():
            out[:, i] = math.nan


@njit(
    types.void(_readable(types.uint16, 2), _readable(types.int32, 1), types.float32[:, ::1]),
    nogil=True,
    cache=True,
)
def _widen_all(rows: Any, slots: Any, out: Any) -> None:
    for slot in slots:
        fetch(rows, slot)
    for i in range(len(slots)):
        widen(rows, slots[i], out, i, rows.shape[1] // LANES)


@njit(types.boolean(_readable(types.int32, 1), types.intp), nogil=True, cache=True)
def _within(slots: Any, rows: int) -> bool:
    inside = True
    for slot in slots:
        inside &= 0 <= slot < rows
    return inside


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
    halves, slots = in_blocks(vectors, slots)
    if queries.shape[1] % LANES:
        queries = _whole_blocks(queries)
    out = np.empty((len(queries), -(-len(slots) // _ROWS) * _ROWS), np.float32)
    _fill(halves, slots, np.ascontiguousarray(queries, np.float32), out)
    return out[:, : len(slots)].T


def in_blocks(
    vectors: NDArray[np.float16], slots: NDArray[np.int32]
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Some stored vectors as kernels read them: bits of rows of whole blocks of LANES, and which rows.

    Where the vectors are of whole blocks, these are the vectors and slots themselves; else a copy, which is
    right but slower. Raises IndexError for a slot outside `vectors`.
    """
    slots = _checked(slots, vectors)
    if vectors.shape[1] % LANES:
        vectors, slots = _whole_blocks(vectors[slots]), np.arange(len(slots), dtype=np.int32)
    return np.ascontiguousarray(vectors).view(np.uint16), slots


def widened(vectors: NDArray[np.float16], slots: NDArray[np.int32]) -> NDArray[np.float32]:
    """Some stored vectors as float32 (n, D): `vectors[slots].astype(np.float32)` in a tenth of its time.

    Raises IndexError for a slot outside `vectors`.
    """
    slots = _checked(slots, vectors)
    if vectors.shape[1] % LANES:
        return vectors[slots].astype(np.float32)
    out = np.empty((len(slots), vectors.shape[1]), np.float32)
    _widen_all(np.ascontiguousarray(vectors).view(np.uint16), slots, out)
    return out


def _checked(slots: NDArray[np.int32], vectors: NDArray[np.float16]) -> NDArray[np.int32]:
    """Slots that are all within the vectors."""
    slots = np.ascontiguousarray(slots, np.int32)
    if not _within(slots, len(vectors)):
        raise IndexError(f"slots {slots.min()} to {slots.max()} are not all within {len(vectors)} vectors")
    return slots


def _whole_blocks(rows: NDArray[Any]) -> NDArray[Any]:
    """Pad rows with zeros to a multiple of the lanes: a copy, so such dimensions are right but slower."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % LANES)))
