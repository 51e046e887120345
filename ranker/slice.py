"""One time slice: which posts it holds, when they were made, and which can be found."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ranker.codes import Codes

Mask = NDArray[np.bool_]
Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Cosines = NDArray[np.float32]


class SliceSettings(BaseModel):
    """How posts are cut into slices, and how hard compressed slices are searched."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    slice_posts: int = Field(default=32_768, ge=1)
    """Posts after which a slice is sealed."""
    slice_span_s: int = Field(default=86_400, ge=1)
    """A slice that spans more is sealed, once it has more than `exact_posts`."""
    exact_posts: int = Field(default=8_192, ge=1_024)
    """A slice, or what filters leave of it, is scanned exactly while it has no more posts."""
    visited_share: float = Field(default=0.25, gt=0, le=1)
    """The share of a compressed slice's lists that a search visits; a filter raises it."""
    proposed_per_result: int = Field(default=3, ge=1)
    """Posts that each compressed slice proposes, at least, for each result asked for."""
    reranked_per_result: int = Field(default=16, ge=1)
    """Proposals of all slices together that get an exact cosine, for each result asked for."""
    reranked_least: int = Field(default=1_024, ge=1)
    """Proposals that get an exact cosine, at least."""
    seed: int = 1
    """Of the training of compressed slices."""


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
    """Rows of one span of time. The arrays are as long as the slice may become; `rows` of them are used."""

    number: int
    slots: Slots
    times: Times
    alive: Mask
    rows: int
    codes: Codes | None = None
    posts: int = field(init=False)
    oldest_ms: int = field(init=False)
    newest_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.measure()

    def measure(self) -> None:
        """Take the number of posts and the span of time from the rows."""
        times = self.times[: self.rows]
        self.posts = int(np.count_nonzero(self.alive[: self.rows]))
        self.oldest_ms, self.newest_ms = (int(times.min()), int(times.max())) if self.rows else (0, 0)

    def append(self, slots: Slots, times: Times) -> Slots:
        """Write rows at the end; returns their numbers."""
        rows = np.arange(self.rows, self.rows + len(slots), dtype=np.int32)
        self.slots[rows], self.times[rows], self.alive[rows] = slots, times, True
        self.rows += len(slots)
        self.measure()
        return rows

    def selected(self, allowed: Mask | None, after_ms: int | None) -> Mask:
        """The rows (rows,) bool that may answer."""
        mask = self.alive[: self.rows]
        if after_ms is not None and after_ms > self.oldest_ms:
            mask = mask & (self.times[: self.rows] >= after_ms)
        return mask if allowed is None else mask & allowed[self.slots[: self.rows]]

    def living(self) -> Slots:
        """The slots of the posts that can be found."""
        return self.slots[: self.rows][self.alive[: self.rows]]

    def estimate(
        self, queries: Cosines, count: int, share: float, selected: Mask
    ) -> tuple[Slots, Cosines] | None:
        """The slots (q, <= count) that the codes propose, -1 where there are fewer, and their estimates.

        `share` of the lists is visited, more where `selected` leaves few rows. None without codes.
        """
        if self.codes is None:
            return None
        posts = int(np.count_nonzero(selected))
        mask = None if posts == self.rows else selected
        rows, scores = self.codes.nearest(queries, min(posts, count), share * self.rows / posts, mask)
        return np.where(rows < 0, -1, self.slots[rows]), scores

    @property
    def nbytes(self) -> int:
        """Bytes of the rows and codes."""
        rows = self.slots.nbytes + self.times.nbytes + self.alive.nbytes
        return rows + (self.codes.nbytes if self.codes else 0)
