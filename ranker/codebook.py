"""What the codes of vectors are learned from and made with: lists to put them in, and bits to keep of each.

A vector goes to the list whose centroid is nearest. What it differs by from that centroid is turned onto
principal axes, and each axis gets as many bits as its variance deserves (reverse water-filling: Cover and
Thomas, "Elements of Information Theory", 10.3.3). benchmarks/alternatives.py compares the search by such
codes with product quantisation, RaBitQ and graphs. An estimate is scaled as in RaBitQ (Gao and Long, SIGMOD
2024), so that the product of a vector's code with the vector is right.
"""

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import faiss
import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from ranker.dots import cosines
from ranker.greatest import greatest

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

# FAISS ships types that leave out what its Python wrappers add.
_faiss: Any = faiss

WORD = 64
PLANES = 6
"""Bits of a query's weights: with 6, a search ranks 1 % more to be as complete as with all."""

_MOST_BITS = 4  # of one axis
# What is left of a normal variable's variance after 0, 1, ... bits, and the best step (Max, 1960).
_LEFT = np.array([1.0, 0.3634, 0.1188, 0.0374, 0.0115])
_STEP = np.array([0.0, 1.5956, 0.9957, 0.5860, 0.3352])
_POSTS_A_LIST = 256
_LISTS = 1024
_SAMPLE_A_LIST = 64
_ITERATIONS = 8
_FURTHEST = np.float32(-2)
"""Below every cosine."""


class Encoded(NamedTuple):
    """Vectors as codes: their lists (n,) int32, bits (n, words) uint64 and scales (n,) float32."""

    lists: NDArray[np.int32]
    words: Words
    scales: Floats


class Asked(NamedTuple):
    """Queries as the scan of codes reads them.

    lists: (q, visits) int32, nearest first; near: (q, visits) float32, the cosine with each one's centroid
    times its length. planes: (q, words, 1 + PLANES) uint64: which bits count when they are 0, then the
    weights bit by bit. offsets, steps: (q,) float32, what no bit tells and what the lowest plane is worth.
    spread: (q,) float32, the standard deviation of a post's cosine about its list's nearness.
    """

    lists: NDArray[np.int32]
    near: Floats
    planes: Words
    offsets: Floats
    steps: Floats
    spread: Floats
    complete: bool
    """Whether all lists are visited."""


def lists_for(posts: int) -> int:
    """How many lists suit so many posts."""
    return min(_LISTS, max(1, posts // _POSTS_A_LIST))


def sample_for(posts: int) -> int:
    """Of how many vectors a codebook for so many posts is learned."""
    return min(posts, _SAMPLE_A_LIST * max(lists_for(posts), 64))


@dataclass(frozen=True, eq=False)
class Codebook:
    """`learned` makes one. Unchanging, so that any thread may use it.

    centroids: (lists, D) float16. axes: (m, D) float16, orthonormal rows. bits: (m,) int32 of each axis in a
    code. step: (m,) float32, between the levels that they tell apart, for a difference as long as `length`.
    posts: how many there were.
    """

    centroids: NDArray[np.float16]
    axes: NDArray[np.float16]
    bits: NDArray[np.int32]
    step: Floats
    length: float
    posts: int

    @classmethod
    def learned(cls, sample: Floats, posts: int, seed: int) -> "Codebook":
        """From some unit vectors (n, D) float32 of `posts`; the same ones give the same codebook."""
        centroids = _centroids(sample, min(lists_for(posts), len(sample)), seed)
        off = sample - centroids[_nearest(centroids, sample)].astype(np.float32)
        variance, axes = np.linalg.eigh(off.T @ off / len(off))
        variance, axes = np.maximum(variance[::-1], 1e-12), axes[:, ::-1].T
        bits = _shared_out(variance, WORD * words_for(sample.shape[1]))
        kept = np.flatnonzero(bits)
        step = (_STEP[bits[kept]] * np.sqrt(variance[kept])).astype(np.float32)
        return cls(
            centroids,
            np.ascontiguousarray(axes[kept], np.float16),
            bits[kept],
            step,
            float(np.sqrt(variance.sum())),
            posts,
        )

    def encode(self, vectors: Floats) -> Encoded:
        """Codes of unit vectors (n, D) float32."""
        lists = _nearest(self.centroids, vectors)
        off = vectors - self.centroids[lists]
        words = np.zeros((len(vectors), words_for(vectors.shape[1])), np.uint64)
        scales = np.empty(len(vectors), np.float32)
        _encode(
            off @ self.axes.astype(np.float32).T,
            _lengths(off),
            self.bits,
            self.step,
            self.length,
            words,
            scales,
        )
        return Encoded(lists, words, scales)

    def ask(self, queries: Floats, visits: int) -> Asked:
        """Make unit queries (q, D) float32 ready to visit so many lists each, or all."""
        every = np.arange(len(self.centroids), dtype=np.int32)
        # A centroid without a direction comes last.
        cosine = np.fmax(cosines(self.centroids, every, queries).T, _FURTHEST)
        visits = min(visits, len(every))
        lists, near = np.empty((len(queries), visits), np.int32), np.empty((len(queries), visits), np.float32)
        for query, one in enumerate(cosine):
            lists[query], near[query] = greatest(every, one, visits)
        along = cosines(self.axes, np.arange(len(self.axes), dtype=np.int32), queries).T * self.step
        planes = np.zeros((len(queries), words_for(queries.shape[1]), 1 + PLANES), np.uint64)
        offsets, steps, spread = np.empty((3, len(queries)), np.float32)
        _weigh(np.ascontiguousarray(along), self.bits, planes, offsets, steps, spread)
        return Asked(lists, near, planes, offsets, steps, spread, visits == len(every))

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All content as named arrays."""
        yield from ((name, getattr(self, name)) for name in ("centroids", "axes", "bits", "step"))
        yield "length", np.array([self.length])
        yield "posts", np.array([self.posts])

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> "Codebook":
        """Take over what `arrays` gave."""
        scalars = {"length": float(arrays["length"][0]), "posts": int(arrays["posts"][0])}
        return cls(**{**arrays, **scalars})  # type: ignore[arg-type]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.centroids.nbytes + self.axes.nbytes + self.bits.nbytes + self.step.nbytes


def words_for(dimension: int) -> int:
    """Words of a code: four bits for three numbers, at least."""
    return -(-4 * dimension // (3 * WORD))


def _centroids(sample: Floats, lists: int, seed: int) -> NDArray[np.float16]:
    _use_one_thread()
    clusters = _faiss.Kmeans(
        sample.shape[1],
        lists,
        niter=_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=_SAMPLE_A_LIST * 64,
    )
    clusters.train(sample)
    centroids: NDArray[np.float16] = clusters.centroids.astype(np.float16)
    return centroids


def _nearest(centroids: NDArray[np.float16], vectors: Floats) -> NDArray[np.int32]:
    """The list of each vector."""
    _use_one_thread()
    lists: NDArray[np.int64] = _faiss.knn(vectors, centroids.astype(np.float32), 1)[1][:, 0]
    return lists.astype(np.int32)


def _lengths(rows: Floats) -> Floats:
    lengths: Floats = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def _shared_out(variance: NDArray[Any], total: int) -> NDArray[np.int32]:
    """Bits of each axis: the next bit goes where it takes away most of what is left unknown."""
    bits = np.zeros(len(variance), np.int32)
    gain = -np.diff(_LEFT)
    queue = [(-spread * gain[0], axis) for axis, spread in enumerate(variance)]
    heapq.heapify(queue)
    for _ in range(min(total, _MOST_BITS * len(variance))):
        _, axis = heapq.heappop(queue)
        bits[axis] += 1
        if bits[axis] < _MOST_BITS:
            heapq.heappush(queue, (-variance[axis] * gain[bits[axis]], axis))
    return bits


def _use_one_thread() -> None:
    # OpenMP keeps this number for each calling thread, so setting it at import would not reach the others.
    _faiss.omp_set_num_threads(1)


def _array(item: Any, dimensions: int) -> Any:
    return types.Array(item, dimensions, "C", readonly=True)


@njit(
    types.void(
        _array(types.float32, 2),
        _array(types.float32, 1),
        _array(types.int32, 1),
        _array(types.float32, 1),
        types.float64,
        types.uint64[:, ::1],
        types.float32[::1],
    ),
    nogil=True,
    cache=True,
)
def _encode(along: Any, lengths: Any, bits: Any, step: Any, length: Any, words: Any, scales: Any) -> None:
    """Cut coordinates into levels, write these as bits, lowest first, axis after axis."""
    for row in range(along.shape[0]):
        stretch = length / max(lengths[row], 1e-12)
        product = 0.0
        at = 0
        for axis in range(bits.shape[0]):
            levels = 1 << bits[axis]
            level = math.floor(along[row, axis] * stretch / step[axis]) + levels // 2
            level = min(max(level, 0), levels - 1)
            product += along[row, axis] * (level - 0.5 * (levels - 1)) * step[axis]
            for bit in range(bits[axis]):
                words[row, at // 64] |= np.uint64((level >> bit) & 1) << np.uint64(at % 64)
                at += 1
        square = lengths[row] * lengths[row]
        scales[row] = square / max(product, 0.25 * square, 1e-12)


@njit(
    types.void(
        _array(types.float32, 2),
        _array(types.int32, 1),
        types.uint64[:, :, ::1],
        types.float32[::1],
        types.float32[::1],
        types.float32[::1],
    ),
    nogil=True,
    cache=True,
)
def _weigh(along: Any, bits: Any, planes: Any, offsets: Any, steps: Any, spread: Any) -> None:
    """A bit's weight is a power of two times its axis; negative ones count when the bit is 0 instead."""
    most = (1 << PLANES) - 1
    for query in range(along.shape[0]):
        heaviest = 1e-12
        for axis in range(bits.shape[0]):
            heaviest = max(heaviest, abs(along[query, axis]) * (1 << (bits[axis] - 1)))
        unit = heaviest / most
        offset = variance = 0.0
        at = 0
        for axis in range(bits.shape[0]):
            value = along[query, axis]
            variance += (value / _STEP[bits[axis]]) ** 2
            # All bits 0 is the lowest level for a positive weight, all bits 1 for a negative one.
            offset -= abs(value) * 0.5 * ((1 << bits[axis]) - 1)
            for bit in range(bits[axis]):
                weight = round(abs(value) * (1 << bit) / unit)
                word, place = planes[query, at // 64], np.uint64(at % 64)
                word[0] |= np.uint64(value < 0) << place
                for plane in range(PLANES):
                    word[1 + plane] |= np.uint64((weight >> plane) & 1) << place
                at += 1
        offsets[query], steps[query], spread[query] = offset, unit, math.sqrt(variance)
