"""Compressed vectors of one sealed slice: the only file that knows FAISS.

An inverted file of 4-bit product quantisation codes, four numbers of a vector a code, searched by "fast scan"
(André et al., "Accelerated Nearest Neighbor Search with Quick ADC", 2017; Douze et al., "The Faiss library",
2024). The scores are estimates: the caller ranks the best ones again with exact cosines.
"""

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

# FAISS ships types that leave out what its Python wrappers add.
_faiss: Any = faiss

# So many vectors share a coarse centroid.
_VECTORS_A_LIST = 256


class Codes:
    """Codes of n vectors, known by their row, 0 to n - 1. Unchanging, so that any thread may search.

    `vectors` (n, D) float32 unit rows, D a multiple of 4, are learned from and encoded. The same vectors and
    `seed` give the same codes.
    """

    def __init__(self, vectors: NDArray[np.float32], seed: int) -> None:
        rows, dimension = vectors.shape
        lists = max(1, rows // _VECTORS_A_LIST)
        _use_one_thread()
        self._index = _faiss.index_factory(
            dimension, f"IVF{lists},PQ{dimension // 4}x4fs", _faiss.METRIC_INNER_PRODUCT
        )
        self._index.cp.seed = self._index.pq.cp.seed = seed
        self._index.train(vectors)
        self._index.add(vectors)

    def nearest(
        self, queries: NDArray[np.float32], count: int, share: float, selected: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows with the greatest estimated cosines, best first.

        `queries` (q, D) float32 unit rows. `share` of the lists is visited, 0 to 1. `selected` (n,) bool says
        which rows may answer; None means all. Returns rows (q, count) int64, -1 where fewer were found, and
        their estimates (q, count) float32.
        """
        _use_one_thread()
        visits = min(self._index.nlist, math.ceil(self._index.nlist * share))
        choice = (
            None if selected is None else _faiss.IDSelectorBitmap(np.packbits(selected, bitorder="little"))
        )
        scores, rows = self._index.search(
            queries, count, params=_faiss.SearchParametersIVF(nprobe=visits, sel=choice)
        )
        return rows, scores

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, their row numbers and the centroids."""
        centroids = self._index.d * (self._index.nlist + self._index.pq.ksub)
        return int(self._index.ntotal * (self._index.code_size + 8) + 4 * centroids)


def _use_one_thread() -> None:
    # OpenMP keeps this number for each calling thread, so setting it at import would not reach the others.
    _faiss.omp_set_num_threads(1)
