"""Compressed vectors of one sealed slice, in lists, and the scan that finds the promising ones.

A list is some blocks of eight codes, laid so that one vector register holds the same word of all eight. The
weights of a query are cut into planes of bits; the estimate of a code is a sum of population counts, plane by
plane (the bitwise form of RaBitQ, Gao and Long, SIGMOD 2024), written as vector operations so that LLVM finds
the processor's own. Each query keeps its best estimates in a pool that is cut back when it is full. Only what
beats the last cut enters it, and is asked there, together with others, whether it is there and new enough. A
filter is asked first, and blocks without a post that it allows are not read. Lists are visited until the next
is so far that hardly a post in it can be among the best.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from ranker.codebook import PLANES, Asked, Codebook, Encoded
from ranker.kernels import fetch, row_address

BLOCK = 8
"""Codes that are read together."""
_ROOM = 4  # a pool holds so many times what it keeps
_BINS = 256
_AHEAD = 12
"""Blocks asked for before their turn comes."""
_BEYOND = 4.0
"""By so many standard deviations a post is nearer than its list, at most."""

Rows = NDArray[np.int32]

_WORDS = ir.VectorType(ir.IntType(64), BLOCK)
_FLOATS = ir.VectorType(ir.FloatType(), BLOCK)
_NUMBERS = ir.VectorType(ir.IntType(32), BLOCK)
_EVERY = np.ones(0, np.bool_)
_ALL = np.uint8((1 << BLOCK) - 1)


@dataclass(eq=False)
class Pool:
    """The best estimates of some queries, q, so far.

    slots: (q, room + BLOCK) int32, scores: (q, room + BLOCK) float32, filled: (q,) int64, least: (q,)
    float32, what an estimate must beat.
    """

    keep: int
    slots: NDArray[np.int32]
    scores: NDArray[np.float32]
    filled: NDArray[np.int64]
    least: NDArray[np.float32]

    @classmethod
    def of(cls, queries: int, keep: int) -> "Pool":
        """An empty one that keeps so many."""
        room = _ROOM * keep + BLOCK
        return cls(
            keep,
            np.empty((queries, room), np.int32),
            np.empty((queries, room), np.float32),
            np.zeros(queries, np.int64),
            np.full(queries, -np.inf, np.float32),
        )

    def best(self) -> list[NDArray[np.int32]]:
        """For each query the slots that were kept, in no order: `keep`, some more, or all that there were."""
        _cut_all(self.slots, self.scores, self.filled, self.least, self.keep)
        return [slots[:filled] for slots, filled in zip(self.slots, self.filled, strict=True)]


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes in lists; `packed` makes them. Unchanging, so that any thread may search.

    words: (blocks, words, BLOCK) uint64. scales: (blocks BLOCK,) float32. starts: (lists + 1,) int64, the
    first block of each list.
    """

    codebook: Codebook
    words: NDArray[np.uint64]
    scales: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def packed(cls, codebook: Codebook, encoded: Encoded) -> "tuple[Codes, Rows]":
        """Codes, and the row (n,) int32 where each went; the other rows, up to `len`, are filling."""
        counts = np.bincount(encoded.lists, minlength=len(codebook.centroids))
        starts = np.append(0, np.cumsum(-(-counts // BLOCK))).astype(np.int64)
        words = np.zeros((starts[-1], encoded.words.shape[1], BLOCK), np.uint64)
        scales, rows = np.zeros(starts[-1] * BLOCK, np.float32), np.empty(len(encoded.lists), np.int32)
        _pack(*encoded, starts * BLOCK, words, scales, rows)
        return cls(codebook, words, scales, starts), rows

    def __len__(self) -> int:
        """Rows, with filling."""
        return len(self.scales)

    def encoded(self, rows: Rows) -> Encoded:
        """The codes of some rows (n,) int32."""
        lists = np.searchsorted(self.starts, rows // BLOCK, side="right") - 1
        words = np.empty((len(rows), self.words.shape[1]), np.uint64)
        _unpack(self.words, rows, words)
        return Encoded(lists.astype(np.int32), words, self.scales[rows])

    def scan(
        self,
        asked: Asked,
        slots: NDArray[np.int32],
        when_ms: NDArray[np.int64],
        after_ms: int,
        allowed: NDArray[np.bool_] | None,
        pool: Pool,
    ) -> None:
        """Put the best of the visited lists into the pool.

        `slots`, `when_ms` (len,): the post of each row and when it was made; a row that is older than
        `after_ms` does not answer, nor one whose slot is not `allowed`.
        """
        _scan(
            self.words,
            self.scales,
            self.starts,
            *asked[:-1],
            slots,
            when_ms,
            after_ms,
            allowed is not None,
            _EVERY if allowed is None else np.ascontiguousarray(allowed),
            pool.slots,
            pool.scores,
            pool.filled,
            pool.least,
            pool.keep,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the codes with their filling, and of the places of the lists."""
        return self.words.nbytes + self.scales.nbytes + self.starts.nbytes


class _Arguments(NamedTuple):
    """Those of `_estimate`, or their types."""

    words: Any
    block: Any
    planes: Any
    query: Any
    scales: Any
    fit: Any
    rows: Any
    scores: Any
    filled: Any
    answer: Any


@dataclass(frozen=True, eq=False)
class _Emitter:
    """Writes the instructions of `_estimate`."""

    context: Any
    builder: Any
    kinds: _Arguments
    values: _Arguments

    def weighed(self) -> Any:
        """The weighted count of the bits in which each code differs from the query, float32 (BLOCK,)."""
        builder, words, block = self.builder, self.kinds.words, self.values.block
        length = builder.extract_value(
            self.context.make_array(words)(self.context, builder, self.values.words).shape, 1
        )
        zero = ir.Constant(_WORDS, [0] * BLOCK)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(PLANES)]  # type: ignore[no-untyped-call]
        first, start = builder.mul(block, length), builder.mul(self.values.query, length)
        with cgutils.for_range(builder, length) as loop:
            code = self._loaded("words", builder.add(first, loop.index), _WORDS, align=8)
            weights = self._weights(builder.add(start, loop.index))
            counted = builder.xor(code, weights[0])
            for total, weight in zip(sums, weights[1:], strict=True):
                bits = self.ones(builder.and_(counted, weight), f"v{BLOCK}i64")
                builder.store(builder.add(builder.load(total), bits), total)
        whole = builder.load(sums[-1])
        for total in reversed(sums[:-1]):
            whole = builder.add(builder.add(whole, whole), builder.load(total))
        return builder.sitofp(builder.trunc(whole, ir.VectorType(ir.IntType(32), BLOCK)), _FLOATS)

    def estimated(self, whole: Any) -> tuple[Any, Any]:
        """The estimates, float32 (BLOCK,), and which are above the least and may be."""
        builder, block = self.builder, self.values.block
        offset, step, near, least = (
            self._spread_of("fit", block.type(part), ir.FloatType(), _FLOATS) for part in range(4)
        )
        scale = self._loaded("scales", block, _FLOATS, align=4)
        estimate = builder.fadd(near, builder.fmul(scale, builder.fadd(offset, builder.fmul(step, whole))))
        may = builder.bitcast(self.values.answer, ir.VectorType(ir.IntType(1), BLOCK))
        return estimate, builder.and_(builder.fcmp_ordered(">", estimate, least), may)

    def enter(self, estimate: Any, above: Any) -> None:
        """Write the chosen rows and their estimates."""
        builder, block = self.builder, self.values.block
        number = builder.trunc(builder.mul(block, block.type(BLOCK)), ir.IntType(32))
        lanes = ir.Constant(_NUMBERS, list(range(BLOCK)))
        self._store_some("rows", builder.add(_spread(builder, number, _NUMBERS), lanes), above)
        self._store_some("scores", estimate, above)

    def ones(self, value: Any, kind: str) -> Any:
        """How many bits are set in a value, or in each of a vector's; `kind`: what LLVM calls its type."""
        ones = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            self.builder.module, ir.FunctionType(value.type, [value.type]), f"llvm.ctpop.{kind}"
        )
        return self.builder.call(ones, [value])

    def _weights(self, place: Any) -> list[Any]:
        """The query's signs, and its planes, of one word."""
        builder, single = self.builder, ir.IntType(64)
        at = builder.mul(place, self.context.get_constant(types.intp, 1 + PLANES))
        return [
            self._spread_of("planes", builder.add(at, at.type(plane)), single, _WORDS)
            for plane in range(1 + PLANES)
        ]

    def _spread_of(self, argument: str, index: Any, item: Any, kind: Any) -> Any:
        """A vector of one item."""
        return _spread(self.builder, self._loaded(argument, index, item), kind)

    def _loaded(self, argument: str, index: Any, item: Any, align: int | None = None) -> Any:
        """An item of a contiguous array, counted in `item`s."""
        kind, value = getattr(self.kinds, argument), getattr(self.values, argument)
        data = self.context.make_array(kind)(self.context, self.builder, value).data
        start = self.builder.bitcast(data, item.as_pointer())
        return self.builder.load(self.builder.gep(start, [index], source_etype=item), align=align, typ=item)

    def _store_some(self, argument: str, lanes: Any, chosen: Any) -> None:
        """Write the chosen lanes, one after another, to the query's row of an argument."""
        builder, kind, value = self.builder, getattr(self.kinds, argument), getattr(self.values, argument)
        start = row_address(self.context, builder, kind, value, self.values.query)
        place = builder.inttoptr(
            builder.add(start, builder.mul(self.values.filled, start.type(4))), ir.IntType(8).as_pointer()
        )
        item = "f32" if lanes.type == _FLOATS else "i32"
        store = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module,
            ir.FunctionType(ir.VoidType(), [lanes.type, place.type, chosen.type]),
            f"llvm.masked.compressstore.v{BLOCK}{item}",
        )
        builder.call(store, [lanes, place, chosen])


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    """A vector of one value."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK)
    )


def _declare_estimate(
    _: Any,
    words: Any,
    block: Any,  # noqa: ARG001
    planes: Any,
    query: Any,  # noqa: ARG001
    scales: Any,
    fit: Any,
    rows: Any,
    scores: Any,
    filled: Any,  # noqa: ARG001
    answer: Any,  # noqa: ARG001
) -> Any:
    """Enter those of a block's codes whose estimates are above the least; returns how many are filled.

    `fit`: (4,) float32: the query's offset and step, the list's nearness, and the least. The numbers of their
    rows go to `rows[query, filled:]`, the estimates to `scores[query, filled:]`. `answer`: uint8, a
    bit for each code that may.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emitter = _Emitter(context, builder, _Arguments(*signature.args), _Arguments(*values))
        estimate, above = emitter.estimated(emitter.weighed())
        bits = builder.bitcast(above, ir.IntType(BLOCK))
        with builder.if_then(builder.icmp_unsigned("!=", bits, bits.type(0)), likely=False):
            emitter.enter(estimate, above)
        entered = builder.zext(emitter.ones(bits, f"i{BLOCK}"), ir.IntType(64))
        return builder.add(emitter.values.filled, entered)

    kinds = words, types.intp, planes, types.intp, scales, fit, rows, scores, types.int64, types.uint8
    return types.int64(*kinds), generate


_estimate: Any = intrinsic(_declare_estimate)


def _readable(item: Any, dimensions: int) -> Any:
    return types.Array(item, dimensions, "C", readonly=True)


_POOL = (types.int32[:, ::1], types.float32[:, ::1], types.int64[::1], types.float32[::1], types.intp)


@njit(types.void(*_POOL, types.intp), nogil=True, cache=True)
def _cut(slots: Any, scores: Any, filled: Any, least: Any, keep: Any, query: Any) -> None:
    """Keep the best, and what is in one bin with the last of them: what the next must beat."""
    count = filled[query]
    if count <= keep:
        return
    low = high = scores[query, 0]
    for i in range(count):
        low, high = min(low, scores[query, i]), max(high, scores[query, i])
    width = max((high - low) / _BINS, 1e-9)
    bins, bin_of = np.zeros(_BINS + 1, np.int64), np.empty(count, np.int16)
    for i in range(count):
        bin_of[i] = (scores[query, i] - low) / width
    for i in range(count):
        bins[bin_of[i]] += 1
    edge, above = _BINS, bins[_BINS]
    while above < keep:
        edge -= 1
        above += bins[edge]
    # Many equal estimates: any of them will do.
    most = min(above, 2 * keep)
    kept = 0
    for i in range(count):
        slots[query, kept], scores[query, kept] = slots[query, i], scores[query, i]
        kept += kept < most and bin_of[i] >= edge
    filled[query] = kept
    least[query] = low + edge * width


@njit(types.void(*_POOL), nogil=True, cache=True)
def _cut_all(slots: Any, scores: Any, filled: Any, least: Any, keep: Any) -> None:
    for query in range(len(filled)):
        _cut(slots, scores, filled, least, keep, query)


@njit(nogil=True)
def _blocks_in_order(starts: Any, lists: Any, slots: Any, some: Any, allowed: Any) -> Any:
    """The blocks of some lists, one after another, the last of them some times more; and where lists end.

    With them the codes that may answer, a bit each. Where only some slots are allowed, blocks without any are
    left out.
    """
    blocks = 0
    for part in lists:
        blocks += starts[part + 1] - starts[part]
    order = np.zeros(blocks + _AHEAD, np.int64)
    answer = np.full(blocks, _ALL, np.uint8)
    ends = np.empty(len(lists), np.int64)
    done = 0
    for visit in range(len(lists)):
        for block in range(starts[lists[visit]], starts[lists[visit] + 1]):
            order[done] = block
            if some:
                answer[done] = _allowed_of(block, slots, allowed)
                done += answer[done] > 0
            else:
                done += 1
        ends[visit] = done
    for place in range(done, done + _AHEAD):
        order[place] = order[done - 1] if done else 0
    return order, answer, ends


@njit(inline="always")
def _allowed_of(block: Any, slots: Any, allowed: Any) -> Any:
    """Which posts of a block are allowed, a bit each."""
    bits = 0
    for lane in range(BLOCK):
        bits |= allowed[slots[block * BLOCK + lane]] << lane
    return bits


@njit(nogil=True)
def _judge(found: Any, scores: Any, first: Any, count: Any, slots: Any, when_ms: Any, after_ms: Any) -> Any:
    """Replace rows, from the first on, by the slots of those that may answer; returns how many there are.

    No branch waits for what is read, so that many reads are under way.
    """
    kept = first
    for at in range(first, count):
        row, score = found[at], scores[at]
        found[kept], scores[kept] = slots[row], score
        kept += when_ms[row] >= after_ms
    return kept


@njit(nogil=True)
def _enter(
    found: Any,
    scores: Any,
    filled: Any,
    least: Any,
    keep: Any,
    query: Any,
    count: Any,
    slots: Any,
    when_ms: Any,
    after_ms: Any,
) -> None:
    """Enter the rows beyond the pool's room, which is cut back once it is full."""
    room = found.shape[1] - BLOCK
    for at in range(room, count):
        row, score = found[query, at], scores[query, at]
        if when_ms[row] < after_ms:
            continue
        if filled[query] == room:
            _cut(found, scores, filled, least, keep, query)
        kept = filled[query]
        found[query, kept], scores[query, kept] = slots[row], score
        filled[query] += 1


@njit(
    types.void(
        _readable(types.uint64, 3),
        _readable(types.float32, 1),
        _readable(types.int64, 1),
        _readable(types.int32, 2),
        _readable(types.float32, 2),
        _readable(types.uint64, 3),
        _readable(types.float32, 1),
        _readable(types.float32, 1),
        _readable(types.float32, 1),
        _readable(types.int32, 1),
        _readable(types.int64, 1),
        types.int64,
        types.boolean,
        _readable(types.bool_, 1),
        *_POOL,
    ),
    nogil=True,
    cache=True,
)
def _scan(
    words: Any,
    scales: Any,
    starts: Any,
    lists: Any,
    near: Any,
    planes: Any,
    offsets: Any,
    steps: Any,
    spread: Any,
    slots: Any,
    when_ms: Any,
    after_ms: Any,
    some: Any,
    allowed: Any,
    found: Any,
    scores: Any,
    filled: Any,
    least: Any,
    keep: Any,
) -> None:
    fit = np.empty(4, np.float32)
    room = found.shape[1] - BLOCK
    for query in range(lists.shape[0]):
        # What earlier slices hold says how far it is worth to go in this one.
        _cut(found, scores, filled, least, keep, query)
        fit[0], fit[1], fit[3] = offsets[query], steps[query], least[query]
        beyond = _BEYOND * spread[query]
        visits = 0
        while visits < lists.shape[1] and near[query, visits] + beyond >= least[query]:
            visits += 1
        order, answer, ends = _blocks_in_order(starts, lists[query, :visits], slots, some, allowed)
        for block in order[:_AHEAD]:
            fetch(words, block)
        done = 0
        count = judged = filled[query]
        for visit in range(len(ends)):
            fit[2] = near[query, visit]
            if fit[2] + beyond < least[query]:
                break
            for at in range(done, ends[visit]):
                ahead = order[at + _AHEAD]
                fetch(words, ahead)
                fetch(scales, ahead * BLOCK)
                count = _estimate(
                    words, order[at], planes, query, scales, fit, found, scores, count, answer[at]
                )
                if count > room:
                    filled[query] = _judge(
                        found[query], scores[query], judged, room, slots, when_ms, after_ms
                    )
                    _enter(found, scores, filled, least, keep, query, count, slots, when_ms, after_ms)
                    count = judged = filled[query]
                    fit[3] = least[query]
            done = ends[visit]
        filled[query] = _judge(found[query], scores[query], judged, count, slots, when_ms, after_ms)


@njit(
    types.void(
        _readable(types.int32, 1),
        _readable(types.uint64, 2),
        _readable(types.float32, 1),
        types.int64[::1],
        types.uint64[:, :, ::1],
        types.float32[::1],
        types.int32[::1],
    ),
    nogil=True,
    cache=True,
)
def _pack(lists: Any, words: Any, scales: Any, next_row: Any, blocks: Any, placed: Any, rows: Any) -> None:
    """Lists one after another, each in the order given."""
    for i in range(len(lists)):
        row = next_row[lists[i]]
        next_row[lists[i]] += 1
        block, lane = divmod(row, BLOCK)
        for word in range(words.shape[1]):
            blocks[block, word, lane] = words[i, word]
        placed[row], rows[i] = scales[i], row


@njit(
    types.void(_readable(types.uint64, 3), _readable(types.int32, 1), types.uint64[:, ::1]),
    nogil=True,
    cache=True,
)
def _unpack(blocks: Any, rows: Any, words: Any) -> None:
    for i in range(len(rows)):
        block, lane = divmod(rows[i], BLOCK)
        for word in range(words.shape[1]):
            words[i, word] = blocks[block, word, lane]
