import threading

import faiss
import numpy as np

from ranker.codes import Codes

VECTORS = np.random.default_rng(0).standard_normal((1024, 16)).astype(np.float32)


def test_a_search_keeps_to_one_processor_in_whatever_thread_it_runs() -> None:
    codes, used = Codes(VECTORS, seed=1), []

    def search() -> None:
        codes.nearest(VECTORS[:1], 5, 1.0, None)
        used.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert used == [1]


def test_rows_that_are_not_selected_do_not_answer() -> None:
    selected = np.arange(1024) % 7 == 3
    rows, _ = Codes(VECTORS, seed=1).nearest(VECTORS[:5], 200, 1.0, selected)
    assert (rows[rows >= 0] % 7 == 3).all()
    assert ((rows >= 0).sum(axis=1) == selected.sum()).all()


def test_bytes_grow_by_codes_and_row_numbers() -> None:
    one, two = Codes(VECTORS[:512], seed=1), Codes(np.repeat(VECTORS[:512], 2, axis=0), seed=1)
    centroids = 4 * 16 * 2
    assert two.nbytes - one.nbytes == 512 * (2 + 8) + centroids
