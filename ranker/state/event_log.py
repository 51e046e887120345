"""What each viewer did lately, and which events count: the rules for repeats and undoing."""

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.state.columns import Slots

WIDTH = 128
"""Events remembered a viewer, impressions not among them."""


@numba.njit(cache=True, nogil=True)
def settle(
    log_post: Slots,
    log_author: Slots,
    log_kind: NDArray[np.uint8],
    log_ms: NDArray[np.int64],
    count: NDArray[np.int64],
    viewers: Slots,
    posts: Slots,
    authors: Slots,
    kinds: NDArray[np.int8],
    undo: NDArray[np.bool_],
    times_ms: NDArray[np.int64],
    lasting: NDArray[np.bool_],
    impression: int,
) -> NDArray[np.float32]:
    """Enter a batch of events into the viewers' logs, in order, and say what each one counts.

    Returns float32 (n,): +1 counts; 0 changes nothing (a repeat of a lasting kind, an undo of what is not
    remembered); -1 takes back an earlier event, whose time replaces `times_ms[i]`. Events are the same when
    viewer, kind, post and author are. Impressions always count and are not entered; the kind 0 is nothing.
    """
    amounts = np.ones(len(viewers), np.float32)
    width = log_post.shape[1]
    for i in range(len(viewers)):
        viewer = viewers[i]
        if kinds[i] == impression:
            amounts[i] = 0.0 if undo[i] else 1.0
            continue
        if kinds[i] == 0:
            amounts[i] = 0.0
            continue
        found = -1
        if undo[i] or lasting[kinds[i]]:
            for j in range(width):
                same = log_post[viewer, j] == posts[i] and log_author[viewer, j] == authors[i]
                if same and log_kind[viewer, j] == kinds[i]:
                    found = j
        if undo[i]:
            amounts[i] = 0.0 if found < 0 else -1.0
            if found >= 0:
                times_ms[i] = log_ms[viewer, found]
                log_kind[viewer, found] = 0
                log_post[viewer, found] = -1
                log_author[viewer, found] = -1
        elif found >= 0:
            amounts[i] = 0.0
        else:
            at = count[viewer] % width
            log_post[viewer, at] = posts[i]
            log_author[viewer, at] = authors[i]
            log_kind[viewer, at] = kinds[i]
            log_ms[viewer, at] = times_ms[i]
            count[viewer] += 1
    return amounts
