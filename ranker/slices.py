"""Time slices of posts, searched by vector.

Posts enter the newest slice, which is open and append only. It is sealed when it is full, and the next one
opens. Once the index is no longer small, `compact_next` compresses sealed slices with one codebook, and
merges neighbours until each slice is much larger than the next: a search meets few, and a merge copies
codes. The codebook is learned again when the posts have become four times as many, or when as many
were encoded as there are; slices of the old one are then encoded again, one by one. Deletes are a mark on a
row. No slice holds vectors: exact cosines are read from the state's column, so a slice costs 12 bytes a post
while it is exact and about 80 when compressed.

One writer calls what changes the index, and no search runs meanwhile: the caller holds a lock for that,
shared by searches and by the short locked moments of compaction, exclusive for the writer.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.codebook import Asked, Codebook, Encoded, sample_for
from ranker.codes import Codes, Pool
from ranker.dots import cosines
from ranker.greatest import greatest
from ranker.slice import GONE, Cosines, Mask, Slice, SliceReport, SliceSettings, Slots, Times

Reading = Callable[[], AbstractContextManager[object]]

# Rows that compaction copies while it holds the lock: about 2 ms of work.
_ROWS_A_COPY = 2048
# Neighbours stay apart where one is so many times as large: a search pays for each slice and each list.
_MUCH_LARGER = 4
# A slice with a smaller share of its posts is cleared of the others.
_MOSTLY_THERE = 0.75
# The results for which a search visits twice as many lists as for one.
_WIDE = 1000
# With a filter the visited lists grow slower than what it leaves shrinks: most of these are still near.
_NARROW = 0.3


class Found(NamedTuple):
    """Posts that a search found, best first.

    `slots` (q, k) int32, -1 where fewer were found. `cosines` (q, k) float32, NaN there.
    """

    slots: Slots
    cosines: Cosines


class Slices:
    """The vector index over a column that the state owns.

    `vectors()` gives the column (capacity, D) float16 indexed by post slot, unit rows, zero where there is no
    vector; it is asked for at each use, so the state may replace the array.

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
        self._dimension = dimension
        self._settings = settings
        self._vectors = vectors
        self._numbers = 0
        self._codebook: Codebook | None = None
        # Posts that were encoded since the codebook was learned.
        self._encoded = 0
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
            if newest.rows == self._settings.slice_posts:
                self.seal()

    def remove(self, slots: Slots) -> None:
        """Take posts out, `slots` (n,) int32; those that are not there are passed over."""
        slots = np.unique(slots[slots < len(self._home)])
        homes = self._home[slots]
        for part in self._slices if (homes >= 0).any() else ():
            of_part = slots[homes == part.number]
            if len(of_part):
                part.take_out(self._row[of_part])
        self._home[slots] = -1

    def renumber(self, mapping: Slots) -> None:
        """Follow the state's new slots: `mapping` (old slots,) int32 gives the new one, -1: gone."""
        self._home[:] = -1
        for part in self._slices:
            part.renumber(mapping)
            self._settle(part)

    def rebuild(self, slots: Slots, times_ms: Times) -> None:
        """Forget all and add these posts in the order of time, as after a restart."""
        self._home[:] = -1
        self._slices = (self._empty(),)
        self._codebook, self._encoded = None, 0
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
        scanned, estimated = self._candidates(queries, k, allowed, GONE + 1 if after_ms is None else after_ms)
        exact = cosines(vectors, scanned, queries).T
        found = Found(
            np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), np.nan, np.float32)
        )
        for i, promising in enumerate(estimated):
            reranked = cosines(vectors, promising, queries[i : i + 1])[:, 0]
            both = np.concatenate((scanned, promising)), np.concatenate((exact[i], reranked))
            slots, values = greatest(*both, k)
            found.slots[i, : len(slots)], found.cosines[i, : len(slots)] = slots, values
        return found

    def __len__(self) -> int:
        """Posts that can be found."""
        return sum(part.posts for part in self._slices)

    @property
    def nbytes(self) -> int:
        """Bytes of all slices and of the places of slots; the vectors are the state's."""
        slices, codebook = self._slices, self._codebook
        held = sum(part.nbytes for part in slices) + (codebook.nbytes if codebook else 0)
        return held + self._home.nbytes + self._row.nbytes

    def describe(self) -> list[SliceReport]:
        """One row a slice, oldest first."""
        slices = self._slices
        return [
            SliceReport(
                "open" if part is slices[-1] else part.form,
                part.posts,
                part.taken,
                part.oldest_ms,
                part.newest_ms,
                part.nbytes,
            )
            for part in slices
        ]

    # On disk.

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All content as named arrays: codebooks, then slices, oldest first."""
        slices, newest = self._slices, self._codebook
        of_codes = [part.codes.codebook if part.codes else None for part in slices]
        books = [book for book in dict.fromkeys([newest, *of_codes]) if book is not None]
        yield "encoded", np.array([self._encoded if newest else -1])
        yield "books", np.array([books.index(book) if book else -1 for book in of_codes])
        parts = [(f"book{i}", book.arrays()) for i, book in enumerate(books)]
        for name, content in chain(parts, ((f"slice{i}", part.arrays()) for i, part in enumerate(slices))):
            yield from ((f"{name}.{part}", array) for part, array in content)

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave, for the same column of vectors; codes are not copied.

        Where that fails the index holds nothing, and can be rebuilt.
        """
        self.rebuild(np.empty(0, np.int32), np.empty(0, np.int64))
        encoded, numbers = int(arrays["encoded"][0]), arrays["books"].tolist()
        if not numbers:
            raise ValueError("an index has at least one slice")
        names = sorted({name.partition(".")[0] for name in arrays if name.startswith("book") and "." in name})
        books = {int(name[4:]): Codebook.load(_part(arrays, name)) for name in names}
        self._codebook, self._encoded = (books[0], encoded) if encoded >= 0 else (None, 0)
        room = [0] * (len(numbers) - 1) + [self._settings.slice_posts]
        self._slices = tuple(
            Slice.load(self._next_number(), _part(arrays, f"slice{i}"), books.get(book), room[i])
            for i, book in enumerate(numbers)
        )
        for part in self._slices:
            self._settle(part)
        if self._slices[-1].rows >= self._settings.slice_posts:
            self.seal()

    # Compaction, by one thread beside the writer and the searches.

    def compact_pending(self) -> bool:
        """Whether a sealed slice waits for compaction."""
        return bool(self._due_group())

    def compact_next(self, reading: Reading = nullcontext) -> bool:
        """Compact the oldest sealed slice that needs it; False when none does.

        `reading()` takes the lock that searches share. It is held while rows are copied and for the swap,
        which is one assignment, and not while vectors are learned from and encoded (about 10 s for a
        codebook of 1,000,000 posts, and 10 microseconds a post).
        """
        with reading():
            group = self._due_group()
            rows = [part.living() for part in group]
            large = len(self) > self._settings.exact_posts
        if not group:
            return False
        codes, places = None, np.arange(sum(map(len, rows)), dtype=np.int32)
        if large and len(places):
            codebook = self._codebook_for(reading)
            encoded = [
                self._encode(codebook, part, some, reading) for part, some in zip(group, rows, strict=True)
            ]
            codes, places = Codes.packed(codebook, _joined(encoded))
        with reading():
            self._replace(group, rows, codes, places)
        return True

    def compact(self) -> None:
        """Compact all that waits, with nobody else at work."""
        while self.compact_next():
            pass

    def _due_group(self) -> tuple[Slice, ...]:
        """A slice to compress or to clear of taken-out rows, or two neighbours to merge."""
        large = len(self) > self._settings.exact_posts
        sealed = self._slices[:-1]
        for part in sealed:
            stale = large and (part.codes is None or part.codes.codebook is not self._codebook)
            if stale or part.posts < _MOSTLY_THERE * part.taken:
                return (part,)
        most = self._settings.merged_posts if large else self._settings.exact_posts
        for part, follower in pairwise(sealed):
            if part.posts <= _MUCH_LARGER * follower.posts and part.posts + follower.posts <= most:
                return part, follower
        return ()

    def _codebook_for(self, reading: Reading) -> Codebook:
        """The codebook, learned again where the posts have outgrown it."""
        with reading():
            posts, known = len(self), self._codebook
            if known and self._encoded < min(3 * known.posts, posts):
                return known
            slots = np.flatnonzero(self._home >= 0).astype(np.int32)
        rng = np.random.default_rng(self._settings.seed)
        some = np.sort(rng.choice(slots, min(sample_for(posts), len(slots)), replace=False))
        sample = [np.zeros((0, self._dimension), np.float32)]
        for start in range(0, len(some), _ROWS_A_COPY):
            with reading():
                sample.append(self._vectors()[some[start : start + _ROWS_A_COPY]].astype(np.float32))
        vectors = np.concatenate(sample)
        # Posts may have left since they were chosen.
        vectors = vectors[vectors.any(axis=1)]
        self._codebook, self._encoded = Codebook.learned(vectors, posts, self._settings.seed), 0
        return self._codebook

    def _encode(self, codebook: Codebook, part: Slice, rows: Slots, reading: Reading) -> Encoded:
        """The codes of some rows: copied where they are of this codebook, else made."""
        if part.codes and part.codes.codebook is codebook:
            return part.codes.encoded(rows)
        if not part.codes:
            self._encoded += len(rows)
        pieces = []
        for start in range(0, len(rows), _ROWS_A_COPY):
            some = rows[start : start + _ROWS_A_COPY]
            # Slots are read under the lock of their vectors: both may have moved since the last copy.
            with reading():
                vectors = self._vectors()[part.slots[some]]
            pieces.append(codebook.encode(vectors.astype(np.float32)))
        return _joined(pieces)

    def _replace(
        self, group: tuple[Slice, ...], rows: list[Slots], codes: Codes | None, places: Slots
    ) -> None:
        """Swap slices for one with the chosen rows of all, unless all was rebuilt meanwhile."""
        if not set(group) <= set(self._slices):
            return
        length = len(codes) if codes else len(places)
        slots, times = np.zeros(length, np.int32), np.full(length, GONE)
        slots[places] = np.concatenate([part.slots[some] for part, some in zip(group, rows, strict=True)])
        times[places] = np.concatenate([part.times[some] for part, some in zip(group, rows, strict=True)])
        fresh = Slice(self._next_number(), slots, times, length, codes)
        self._settle(fresh)
        place = self._slices.index(group[0])
        middle = (fresh,) if fresh.posts else ()
        self._slices = (*self._slices[:place], *middle, *self._slices[place + len(group) :])

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _empty(self) -> Slice:
        length = self._settings.slice_posts
        return Slice(self._next_number(), np.zeros(length, np.int32), np.full(length, GONE), rows=0)

    def _reserve(self, slots: Slots) -> None:
        length = int(slots.max(initial=-1)) + 1
        if length > len(self._home):
            more = np.full(max(length, 2 * len(self._home)) - len(self._home), -1, np.int32)
            self._home = np.append(self._home, more)
            self._row = np.append(self._row, more)

    def _settle(self, part: Slice) -> None:
        """Note the places of a slice's living posts."""
        rows = part.living()
        slots = part.slots[rows]
        self._reserve(slots)
        self._home[slots], self._row[slots] = part.number, rows

    # Candidates of a search.

    def _candidates(
        self, queries: Cosines, k: int, allowed: Mask | None, after_ms: int
    ) -> tuple[Slots, list[Slots]]:
        """Slots to scan for all queries, and for each query the slots that compressed slices propose."""
        parts = [part for part in self._slices if part.posts and part.newest_ms >= after_ms]
        posts = sum(part.posts for part in parts)
        kept = sum(part.posts_after(after_ms) for part in parts)
        if allowed is not None:
            kept = min(kept, int(np.count_nonzero(allowed)))
        exactly = kept <= self._settings.exact_posts
        scanned = [part.selected(allowed, after_ms) for part in parts if exactly or not part.codes]
        promising = [np.empty(0, np.int32)] * len(queries)
        if not exactly:
            visits = self._settings.visited_lists * (1 + k / _WIDE) * (kept / posts) ** -_NARROW
            promising = self._promising(parts, queries, k, math.ceil(visits), allowed, after_ms)
        return np.concatenate([np.empty(0, np.int32), *scanned]), promising

    def _promising(
        self,
        parts: list[Slice],
        queries: Cosines,
        k: int,
        visits: int,
        allowed: Mask | None,
        after_ms: int,
    ) -> list[Slots]:
        """For each query the slots whose codes are best; `k` at least, where there are as many."""
        while True:
            pool = Pool.of(len(queries), self._reranked(k))
            asked: dict[Codebook, Asked] = {}
            for part in parts:
                if codes := part.codes:
                    if codes.codebook not in asked:
                        asked[codes.codebook] = codes.codebook.ask(queries, visits)
                    codes.scan(asked[codes.codebook], part.slots, part.times, after_ms, allowed, pool)
            found = pool.best()
            # A filter may leave next to nothing in the lists near a query: never answer less than there is.
            if min(map(len, found)) >= k or all(some.complete for some in asked.values()):
                return found
            visits *= 4

    def _reranked(self, k: int) -> int:
        return max(self._settings.reranked_least, math.ceil(self._settings.reranked_per_result * k))


def _joined(pieces: list[Encoded]) -> Encoded:
    return Encoded(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def _last_of_each(slots: Slots, times: Times) -> tuple[Slots, Times]:
    """Drop all but the last row of each slot."""
    _, from_end = np.unique(slots[::-1], return_index=True)
    kept = np.sort(len(slots) - 1 - from_end)
    return slots[kept], times[kept]


def _part(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {
        key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")
    }
