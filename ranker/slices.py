"""Time slices of posts, searched by vector.

Posts enter the newest slice, which is open and append only. It is sealed when it is full or spans long
enough, and the next one opens. A sealed slice is scanned exactly until `compact_next` compresses it.
Deletes are a bit in a mask; slices leave whole when they age out. No slice holds vectors: exact cosines are
read from the state's column, so a slice costs 13 bytes a post while it is exact and about 80 when compressed.

One writer calls what changes the index, and no search runs meanwhile: the caller holds a lock for that,
shared by searches and by the short locked moments of compaction, exclusive for the writer.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.codes import Codes
from ranker.dots import cosines
from ranker.errors import SettingsError
from ranker.slice import Cosines, Mask, Slice, SliceReport, SliceSettings, Slots, Times

Reading = Callable[[], AbstractContextManager[object]]

# Rows that compaction copies while it holds the lock: about 2 ms of work.
_ROWS_A_COPY = 2048


class Found(NamedTuple):
    """Posts that a search found, best first.

    `slots` (q, k) int32, -1 where fewer were found. `cosines` (q, k) float32, NaN there.
    """

    slots: Slots
    cosines: Cosines


class Slices:
    """The vector index over a column that the state owns.

    `vectors()` gives the column (capacity, D) float16 indexed by post slot, unit rows, zero where there is no
    vector; it is asked for at each use, so the state may replace the array. D must be a multiple of 4.

    >>> column = np.eye(8, dtype=np.float16)
    >>> slices = Slices(8, SliceSettings(), lambda: column)
    >>> slices.add(np.array([2, 5, 6], np.int32), np.array([10, 20, 30]))
    >>> slices.remove(np.array([6], np.int32))
    >>> slices.search(column[5:6].astype(np.float32), 3)
    Found(slots=array([[ 5,  2, -1]], dtype=int32), cosines=array([[ 1.,  0., nan]], dtype=float32))
    """

    def __init__(
        self, dimension: int, settings: SliceSettings, vectors: Callable[[], NDArray[np.float16]]
    ) -> None:
        if dimension % 4:
            raise SettingsError(f"the vector dimension is {dimension}; choose a multiple of 4")
        self._dimension = dimension
        self._settings = settings
        self._vectors = vectors
        self._numbers = 0
        # Which slice and row holds each slot, -1 for none. Searches do not read them.
        self._home: Slots = np.empty(0, np.int32)
        self._row: Slots = np.empty(0, np.int32)
        self._slices: tuple[Slice, ...] = (self._empty(),)

    # Changes, by the one writer.

    def add(self, slots: Slots, times_ms: Times) -> None:
        """Make posts retrievable: `slots` (n,) int32 whose vectors are in the column, `times_ms` (n,) int64.

        A slot that is there already is taken out first, so a post put again answers by its new vector only.
        """
        slots, times_ms = _last_of_each(slots, times_ms)
        self.remove(slots)
        self._reserve(slots)
        while len(slots):
            newest = self._slices[-1]
            room = self._settings.slice_posts - newest.rows
            self._row[slots[:room]] = newest.append(slots[:room], times_ms[:room])
            self._home[slots[:room]] = newest.number
            slots, times_ms = slots[room:], times_ms[room:]
            if self._due(newest):
                self.seal()

    def remove(self, slots: Slots) -> None:
        """Take posts out, `slots` (n,) int32; those that are not there are passed over."""
        slots = slots[slots < len(self._home)]
        homes = self._home[slots]
        for part in self._slices:
            of_part = slots[homes == part.number]
            if len(of_part):
                part.alive[self._row[of_part]] = False
                part.measure()
        self._home[slots] = -1

    def drop_before(self, time_ms: int) -> None:
        """Drop the slices whose posts are all older than `time_ms`."""
        kept = tuple(part for part in self._slices if not part.rows or part.newest_ms >= time_ms)
        self._slices = kept if self._slices[-1] in kept else (*kept, self._empty())

    def renumber(self, mapping: Slots) -> None:
        """Follow the state's new slots: `mapping` (old slots,) int32 gives the new one, -1: gone."""
        self._home[:] = -1
        for part in self._slices:
            slots = mapping[part.slots[: part.rows]]
            part.alive[: part.rows] &= slots >= 0
            part.slots[: part.rows] = np.maximum(slots, 0)
            part.measure()
            self._settle(part)

    def rebuild(self, slots: Slots, times_ms: Times) -> None:
        """Forget all and add these posts in the order of time, as after a restart."""
        self._home[:] = -1
        self._slices = (self._empty(),)
        order = np.argsort(times_ms, kind="stable")
        self.add(slots[order], times_ms[order])

    def seal(self) -> None:
        """Close the newest slice and open the next; nothing while it is empty."""
        if self._slices[-1].rows:
            self._slices = (*self._slices, self._empty())

    # Reading, by any number of threads.

    def search(
        self, queries: Cosines, k: int, *, allowed: Mask | None = None, after_ms: int | None = None
    ) -> Found:
        """The `k` posts nearest to each query by cosine.

        `queries` (q, D) float32, unit rows. `allowed` (at least the highest slot + 1,) bool says which slots
        may answer. `after_ms` leaves out posts that are older. Cosines are those of `ranker.dots`, exact for
        the stored vectors; among compressed slices a few near posts may be missing, in open ones none.
        """
        vectors = self._vectors()
        scanned, estimated = self._candidates(queries, k, allowed, after_ms)
        exact = cosines(vectors, scanned, queries).T
        found = Found(
            np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), np.nan, np.float32)
        )
        for i, promising in enumerate(estimated):
            reranked = cosines(vectors, promising, queries[i : i + 1])[:, 0]
            slots, values = _best(np.append(scanned, promising), np.append(exact[i], reranked), k)
            found.slots[i, : len(slots)], found.cosines[i, : len(slots)] = slots, values
        return found

    def __len__(self) -> int:
        """Posts that can be found."""
        return sum(part.posts for part in self._slices)

    @property
    def nbytes(self) -> int:
        """Bytes of all slices and of the places of slots; the vectors are the state's."""
        return sum(part.nbytes for part in self._slices) + self._home.nbytes + self._row.nbytes

    def describe(self) -> list[SliceReport]:
        """One row a slice, oldest first."""
        slices = self._slices
        return [
            SliceReport(
                "compressed" if part.codes else "open" if part is slices[-1] else "exact",
                part.posts,
                part.rows,
                part.oldest_ms,
                part.newest_ms,
                part.nbytes,
            )
            for part in slices
        ]

    # Compaction, by one thread beside the writer and the searches.

    def compact_pending(self) -> bool:
        """Whether a sealed slice waits for compaction."""
        return bool(self._due_group())

    def compact_next(self, reading: Reading = nullcontext) -> bool:
        """Compact the oldest sealed slice that needs it; False when none does.

        `reading()` takes the lock that searches share. It is held while rows are copied and for the swap,
        which is one assignment, and not while codes are learned (about 1 s for 32,768 x 384).
        """
        with reading():
            group = self._due_group()
            rows = [np.flatnonzero(part.alive[: part.rows]) for part in group]
        if not group:
            return False
        codes = None
        if sum(map(len, rows)) > self._settings.exact_posts:
            codes = Codes(self._copies(group, rows, reading), self._settings.seed)
        with reading():
            self._replace(group, rows, codes)
        return True

    def compact(self) -> None:
        """Compact all that waits, with nobody else at work."""
        while self.compact_next():
            pass

    def _due_group(self) -> tuple[Slice, ...]:
        """Two small neighbours to merge, or one slice to compress or to clear of deleted rows."""
        small = self._settings.exact_posts
        sealed = self._slices[:-1]
        for part, follower in pairwise((*sealed, None)):
            if part and follower and max(part.posts, follower.posts) <= small:
                return part, follower
            if part and (2 * part.posts < part.rows or (not part.codes and part.posts > small)):
                return (part,)
        return ()

    def _copies(
        self, group: tuple[Slice, ...], rows: list[NDArray[np.intp]], reading: Reading
    ) -> NDArray[np.float32]:
        copies = np.empty((sum(map(len, rows)), self._dimension), np.float32)
        filled = 0
        for part, numbers in zip(group, rows, strict=True):
            for start in range(0, len(numbers), _ROWS_A_COPY):
                some = numbers[start : start + _ROWS_A_COPY]
                # Slots are read under the lock of their vectors: both may have moved since the last copy.
                with reading():
                    copies[filled : filled + len(some)] = self._vectors()[part.slots[some]]
                filled += len(some)
        return copies

    def _replace(self, group: tuple[Slice, ...], rows: list[NDArray[np.intp]], codes: Codes | None) -> None:
        """Swap slices for one with the chosen rows of all, unless they were dropped meanwhile."""
        if not set(group) <= set(self._slices):
            return
        fresh = Slice(
            self._next_number(),
            np.concatenate([part.slots[chosen] for part, chosen in zip(group, rows, strict=True)]),
            np.concatenate([part.times[chosen] for part, chosen in zip(group, rows, strict=True)]),
            np.concatenate([part.alive[chosen] for part, chosen in zip(group, rows, strict=True)]),
            sum(map(len, rows)),
            codes,
        )
        self._settle(fresh)
        place = self._slices.index(group[0])
        middle = (fresh,) if fresh.posts else ()
        self._slices = (*self._slices[:place], *middle, *self._slices[place + len(group) :])

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _empty(self) -> Slice:
        length = self._settings.slice_posts
        return Slice(
            self._next_number(),
            np.zeros(length, np.int32),
            np.zeros(length, np.int64),
            np.zeros(length, np.bool_),
            rows=0,
        )

    def _due(self, newest: Slice) -> bool:
        span_ms = newest.newest_ms - newest.oldest_ms
        long = span_ms > 1000 * self._settings.slice_span_s and newest.posts > self._settings.exact_posts
        return long or newest.rows == self._settings.slice_posts

    def _reserve(self, slots: Slots) -> None:
        length = int(slots.max(initial=-1)) + 1
        if length > len(self._home):
            more = np.full(max(length, 2 * len(self._home)) - len(self._home), -1, np.int32)
            self._home = np.append(self._home, more)
            self._row = np.append(self._row, more)

    def _settle(self, part: Slice) -> None:
        """Note the places of a slice's living posts."""
        living = part.living()
        self._reserve(living)
        self._home[living] = part.number
        self._row[living] = np.flatnonzero(part.alive[: part.rows])

    # Candidates of a search.

    def _candidates(
        self, queries: Cosines, k: int, allowed: Mask | None, after_ms: int | None
    ) -> tuple[Slots, list[Slots]]:
        """Slots to scan for all queries, and for each query the slots that compressed slices propose."""
        scanned: list[Slots] = [np.empty(0, np.int32)]
        estimates: list[tuple[Slots, Cosines]] = []
        for part in self._slices:
            selected = part.selected(allowed, after_ms)
            estimate = self._estimate(part, selected, queries, k)
            if estimate is None:
                scanned.append(part.slots[: part.rows][selected])
            else:
                estimates.append(estimate)
        return np.concatenate(scanned), _promising(estimates, len(queries), self._reranked(k))

    def _estimate(
        self, part: Slice, selected: Mask, queries: Cosines, k: int
    ) -> tuple[Slots, Cosines] | None:
        """Slots and estimated cosines of a compressed slice; None when it must be scanned."""
        posts = int(np.count_nonzero(selected))
        if posts <= self._settings.exact_posts:
            return None
        proposed = max(k * self._settings.proposed_per_result, self._reranked(k) // len(self._slices))
        estimate = part.estimate(queries, proposed, self._settings.visited_share, selected)
        # A filter may leave next to nothing in the lists near a query: never answer less than there is.
        starved = estimate is not None and (estimate[0][:, min(k, posts) - 1] < 0).any()
        return None if starved else estimate

    def _reranked(self, k: int) -> int:
        return max(self._settings.reranked_least, self._settings.reranked_per_result * k)


def _last_of_each(slots: Slots, times: Times) -> tuple[Slots, Times]:
    """Drop all but the last row of each slot."""
    _, from_end = np.unique(slots[::-1], return_index=True)
    kept = np.sort(len(slots) - 1 - from_end)
    return slots[kept], times[kept]


def _promising(estimates: list[tuple[Slots, Cosines]], queries: int, count: int) -> list[Slots]:
    """For each query the `count` slots with the greatest estimates over all slices."""
    if not estimates:
        return [np.empty(0, np.int32)] * queries
    slots, scores = (np.concatenate(column, axis=1) for column in zip(*estimates, strict=True))
    best = np.argpartition(-scores, min(count, scores.shape[1]) - 1, axis=1)[:, :count]
    return [row[row >= 0] for row in np.take_along_axis(slots, best, axis=1)]


def _best(slots: Slots, values: Cosines, k: int) -> tuple[Slots, Cosines]:
    """The at most `k` greatest cosines, without NaN, best first, equal ones by slot."""
    kept = np.argpartition(-values, k - 1)[:k] if len(values) > k else np.arange(len(values))
    kept = kept[np.lexsort((slots[kept], -values[kept]))]
    kept = kept[~np.isnan(values[kept])]
    return slots[kept], values[kept]
