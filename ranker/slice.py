"""One time slice: which posts it holds, when they were made, and which can be found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ranker.codebook import Codebook
from ranker.codes import Codes

Mask = NDArray[np.bool_]
Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Cosines = NDArray[np.float32]

GONE = np.iinfo(np.int64).min
"""The time of a row that can't be found: a deleted post, or filling."""


class SliceSettings(BaseModel):
    """How posts are cut into slices, and how hard compressed slices are searched."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    slice_posts: int = Field(default=2_048, ge=1)
    """Posts after which a slice is sealed. Until it is compressed, it is scanned exactly."""
    merged_posts: int = Field(default=524_288, ge=1)
    """Compressed neighbours become one slice of at most so many posts."""
    exact_posts: int = Field(default=8_192, ge=1_024)
    """An index, or what a filter leaves of it, is scanned exactly while it has no more posts."""
    visited_lists: int = Field(default=48, ge=1)
    """Lists of compressed slices that a search visits, of 1,024; a filter or many results make it more."""
    reranked_per_result: float = Field(default=3.0, ge=1)
    """Estimated posts that get an exact cosine, for each result asked for."""
    reranked_least: int = Field(default=360, ge=1)
    """Estimated posts that get an exact cosine, at least."""
    seed: int = 1
    """Of what compressed slices are learned from."""


class SliceReport(NamedTuple):
    """One slice for the memory report. Posts are those that can be found; rows include deleted ones."""

    form: Literal["open", "exact", "compressed"]
    posts: int
    rows: int
    oldest_ms: int
    newest_ms: int
    nbytes: int


@dataclass(eq=False)
class Slice:
    """Posts of one span of time. The arrays are as long as the slice may become; `rows` of them are used.

    The rows of a compressed slice are those of its codes.
    """

    number: int
    slots: Slots
    times: Times
    rows: int
    codes: Codes | None = None
    taken: int = field(init=False)
    posts: int = field(init=False)
    oldest_ms: int = field(init=False)
    newest_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.measure()
        self.taken = self.posts

    def measure(self) -> None:
        """Take the number of posts and the span of time from the rows."""
        times = self.times[: self.rows]
        times = times[times != GONE]
        self.posts = len(times)
        self.oldest_ms, self.newest_ms = (int(times.min()), int(times.max())) if len(times) else (0, 0)

    def append(self, slots: Slots, times: Times) -> Slots:
        """Write rows at the end; returns their numbers."""
        rows = np.arange(self.rows, self.rows + len(slots), dtype=np.int32)
        self.slots[rows], self.times[rows] = slots, times
        oldest, newest = int(times.min()), int(times.max())
        self.oldest_ms = min(self.oldest_ms, oldest) if self.posts else oldest
        self.newest_ms = max(self.newest_ms, newest) if self.posts else newest
        self.rows, self.posts, self.taken = (n + len(slots) for n in (self.rows, self.posts, self.taken))
        return rows

    def take_out(self, rows: Slots) -> None:
        """Rows, each of a post that can be found, that can't be found any more."""
        self.times[rows] = GONE
        self.posts -= len(rows)

    def renumber(self, mapping: Slots) -> None:
        """Follow new slots; a post that has none is taken out."""
        slots = mapping[self.slots[: self.rows]]
        self.times[: self.rows][slots < 0] = GONE
        self.slots[: self.rows] = np.maximum(slots, 0)
        self.measure()

    def living(self) -> Slots:
        """The rows of the posts that can be found."""
        return np.flatnonzero(self.times[: self.rows] != GONE).astype(np.int32)

    def posts_after(self, after_ms: int) -> int:
        """About how many posts are not older, as if their times were evenly spread."""
        span_ms = self.newest_ms - self.oldest_ms + 1
        return min(self.posts, max(0, self.posts * (self.newest_ms - after_ms + 1) // span_ms))

    def selected(self, allowed: Mask | None, after_ms: int) -> Slots:
        """The slots that may answer."""
        slots = self.slots[: self.rows][self.times[: self.rows] >= after_ms]
        return slots if allowed is None else slots[allowed[slots]]

    @property
    def form(self) -> Literal["exact", "compressed"]:
        """How it is searched."""
        return "compressed" if self.codes else "exact"

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """The rows, and the codes without their codebook."""
        yield "slots", self.slots[: self.rows]
        yield "times", self.times[: self.rows]
        yield "taken", np.array([self.taken])
        if self.codes:
            yield from ((name, getattr(self.codes, name)) for name in ("words", "scales", "starts"))

    @classmethod
    def load(
        cls, number: int, arrays: Mapping[str, NDArray[Any]], codebook: Codebook | None, room: int
    ) -> "Slice":
        """Take over what `arrays` gave; with room for so many rows, if it has fewer."""
        rows = len(arrays["slots"])
        spare = np.zeros(max(room - rows, 0), np.int64)
        codes = None
        if codebook is not None:
            codes = Codes(codebook, arrays["words"], arrays["scales"], arrays["starts"])
        slots, times = np.append(arrays["slots"], spare.astype(np.int32)), np.append(arrays["times"], spare)
        loaded = cls(number, slots, times, rows, codes)
        loaded.taken = int(arrays["taken"][0])
        return loaded

    @property
    def nbytes(self) -> int:
        """Bytes of the rows and codes."""
        return self.slots.nbytes + self.times.nbytes + (self.codes.nbytes if self.codes else 0)
