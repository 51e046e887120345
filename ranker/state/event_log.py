"""What each viewer did lately, and which events count: the rules for repeats and undoing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.state.columns import Slots
from ranker.state.growing import Field, Int64s, Layout, move, widened

WIDTH = 128
"""Events remembered a viewer, impressions not among them."""


_A_LINE = 16
"""Places of a log in a line of memory, at least."""


class Logs(NamedTuple):
    """The viewers' logs, for kernels; good until the table grows."""

    post: Slots
    author: Slots
    kind: NDArray[np.uint8]
    ms: Int64s
    counts: NDArray[np.bool_]
    """Whether the event counts in the eyes of others."""
    rows: Layout
    entered: Int64s


def logs_of(post: Field, author: Field, kind: Field, ms: Field, counts: Field, count: Int64s) -> Logs:
    """The logs of fields that grow together."""
    return Logs(post.pool, author.pool, kind.pool, ms.pool, counts.pool, post.rows.layout, count)


def settle(
    log_post: Field,
    log_author: Field,
    log_kind: Field,
    log_ms: Field,
    log_counts: Field,
    count: Int64s,
    viewers: Slots,
    posts: Slots,
    authors: Slots,
    kinds: NDArray[np.int8],
    undo: NDArray[np.bool_],
    times_ms: Int64s,
    counts: NDArray[np.bool_],
    lasting: NDArray[np.bool_],
    impression: int,
) -> NDArray[np.float32]:
    """Enter a batch of events into the viewers' logs, in order, and say what each one counts.

    The log's fields grow together; count: int64 (rows,), events that were ever entered. Returns float32 (n,):
    +1 counts; 0 changes nothing (a repeat of a lasting kind, an undo of what is not remembered); -1 takes
    back an earlier event, whose time replaces `times_ms[i]`, as what it counts in the eyes of others replaces
    `counts[i]`. Events are the same when viewer, kind, post and author are. Impressions always count and are
    not entered; the kind 0 is nothing.
    """
    log_post.rows.reserve(len(viewers))
    logs = logs_of(log_post, log_author, log_kind, log_ms, log_counts, count)
    amounts: NDArray[np.float32] = settled(
        logs, viewers, posts, authors, kinds, undo, times_ms, counts, lasting, impression
    )
    return amounts


@kernel
def settled(
    logs: Logs,
    viewers: Slots,
    posts: Slots,
    authors: Slots,
    kinds: NDArray[np.int8],
    undo: NDArray[np.bool_],
    times_ms: Int64s,
    counts: NDArray[np.bool_],
    lasting: NDArray[np.bool_],
    impression: int,
) -> NDArray[np.float32]:
    """`settle`, for kernels: the pools have room for all."""
    # Once, and passed on one by one: passing the tuple on within the loop takes nine times as long.
    log_post, log_author, log_kind, log_ms, log_counts, held, count = logs
    start, room, _, width, _ = held
    amounts = np.ones(len(viewers), np.float32)
    _ask(log_post, log_author, log_kind, start, room, viewers, kinds, impression)
    for i in range(len(viewers)):
        viewer = viewers[i]
        if kinds[i] in (0, impression):
            amounts[i] = 0.0 if undo[i] or kinds[i] == 0 else 1.0
            continue
        found = -1
        if undo[i] or lasting[kinds[i]]:
            places = start[viewer], start[viewer] + room[viewer]
            found = _last(log_post, log_author, log_kind, *places, posts[i], authors[i], kinds[i])
        if undo[i]:
            amounts[i] = 0.0 if found < 0 else -1.0
            if found >= 0:
                times_ms[i] = log_ms[found]
                counts[i] = log_counts[found]
                log_kind[found] = 0
                log_post[found] = -1
                log_author[found] = -1
        elif found >= 0:
            amounts[i] = 0.0
        else:
            if count[viewer] == room[viewer] and room[viewer] < width:
                old = widened(held, viewer)
                first, kept = start[viewer], count[viewer]
                move(log_post, old, kept, first, room[viewer], -1)
                move(log_author, old, kept, first, room[viewer], -1)
                move(log_kind, old, kept, first, room[viewer], 0)
                move(log_ms, old, kept, first, room[viewer], 0)
                move(log_counts, old, kept, first, room[viewer], 0)
            at = start[viewer] + count[viewer] % width
            log_post[at] = posts[i]
            log_author[at] = authors[i]
            log_kind[at] = kinds[i]
            log_ms[at] = times_ms[i]
            log_counts[at] = counts[i]
            count[viewer] += 1
    return amounts


@kernel
def _ask(
    log_post: Slots,
    log_author: Slots,
    log_kind: NDArray[np.uint8],
    start: Int64s,
    room: Slots,
    viewers: Slots,
    kinds: NDArray[np.int8],
    impression: int,
) -> None:
    """Ask for the memory of all that will be changed."""
    for i in range(len(viewers)):
        if kinds[i] != impression:
            fetch(start, viewers[i])
            fetch(room, viewers[i])
    for i in range(len(viewers)):
        if kinds[i] != impression:
            first = start[viewers[i]]
            for place in range(first, first + room[viewers[i]], _A_LINE):
                fetch(log_post, place)
                fetch(log_author, place)
                fetch(log_kind, place)


@kernel
def _last(
    log_post: Slots,
    log_author: Slots,
    log_kind: NDArray[np.uint8],
    first: int,
    end: int,
    post: int,
    author: int,
    kind: int,
) -> int:
    """The last place that holds an event; -1 where none does."""
    found = -1
    for place in range(first, end):
        if log_post[place] == post and log_author[place] == author and log_kind[place] == kind:
            found = place
    return found
