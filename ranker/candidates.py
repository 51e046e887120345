"""Candidates: the posts that may be in a timeline, as columns of equal length."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ranker.kernels import fetch, kernel
from ranker.sets import grouped, members
from ranker.slices import Slices
from ranker.state import NONE, State
from ranker.state.columns import Array, Slots

Mask = NDArray[np.bool_]

_AHEAD = 32
"""Posts whose columns are asked for before their turn comes."""


@dataclass(frozen=True)
class View:
    """What the post side reads: the state's columns and the vector index."""

    state: State
    slices: Slices


class Found(NamedTuple):
    """What a source brings: post slots, int32 (n,), and its own score of each, float32 (n,), best first."""

    slot: Slots
    score: NDArray[np.float32]


NOTHING = Found(np.zeros(0, np.int32), np.zeros(0, np.float32))


class Read(NamedTuple):
    """Columns of posts that nearly every stage wants, read together."""

    author: Slots
    created_ms: NDArray[np.int64]
    form: NDArray[np.uint8]
    parent: Slots
    deleted: Mask

    def at(self, rows: Array | slice) -> "Read":
        """Those of some rows."""
        return Read(
            self.author[rows], self.created_ms[rows], self.form[rows], self.parent[rows], self.deleted[rows]
        )


class Candidates:
    """Posts by slot, each once, with the sources that brought it; other columns are read when asked for.

    slot: int32 (n,). brought: uint32 (n,), bit `s` is set when source number `s` brought the post.
    score: float32 (n,), that of the first source.
    """

    def __init__(self, state: State, slot: Slots, brought: NDArray[np.uint32], score: Array) -> None:
        self.state = state
        self.slot = slot
        self.brought = brought
        self.score = score

    @classmethod
    def merged(cls, state: State, found: list[Found]) -> "Candidates":
        """What several sources found, without repeats; the order is that of the sources."""
        slot = np.concatenate([np.zeros(0, np.int32), *(one.slot for one in found)])
        score = np.concatenate([np.zeros(0, np.float32), *(one.score for one in found)])
        bit = np.repeat(
            np.uint32(1) << np.arange(len(found), dtype=np.uint32), [len(one.slot) for one in found]
        )
        return cls(state, *_merged(slot, bit, score))

    @classmethod
    def of(cls, state: State, slot: Slots) -> "Candidates":
        """Posts that the caller brings."""
        return cls(state, slot, np.ones(len(slot), np.uint32), np.zeros(len(slot), np.float32))

    def including(self, slot: int) -> "Candidates":
        """The same with one more post, which no source brought, if it is not there yet."""
        if slot in self.slot:
            return self
        return Candidates(
            self.state,
            np.append(self.slot, np.int32(slot)),
            np.append(self.brought, np.uint32(0)),
            np.append(self.score, np.float32(np.nan)),
        )

    def __len__(self) -> int:
        return len(self.slot)

    def __getitem__(self, rows: Array | slice) -> "Candidates":
        some = Candidates(self.state, self.slot[rows], self.brought[rows], self.score[rows])
        if "_read" in vars(self):  # what lies together here is cheaper than what lies anywhere there
            some._read = self._read.at(rows)
        return some

    @cached_property
    def _read(self) -> Read:
        posts = self.state.posts
        return Read(
            *_read(self.slot, posts.author, posts.created_ms, posts.form, posts.parent, posts.deleted)
        )

    @property
    def author(self) -> Slots:
        """int32 (n,)."""
        return self._read.author

    @property
    def created_ms(self) -> NDArray[np.int64]:
        """int64 (n,)."""
        return self._read.created_ms

    @property
    def form(self) -> NDArray[np.uint8]:
        """uint8 (n,), bits REPLY, REPOST, QUOTE, REMIX."""
        return self._read.form

    @property
    def parent(self) -> Slots:
        """int32 (n,)."""
        return self._read.parent

    @property
    def deleted(self) -> Mask:
        """bool (n,)."""
        return self._read.deleted

    @cached_property
    def language(self) -> Slots:
        """int32 (n,)."""
        return self.state.posts.language[self.slot]

    @cached_property
    def community(self) -> Slots:
        """int32 (n,)."""
        return self.state.posts.community[self.slot]

    @cached_property
    def topics(self) -> Slots:
        """int32 (n, 16), padded with NONE."""
        return self.state.posts.topics[self.slot]

    @cached_property
    def provenance(self) -> NDArray[np.uint8]:
        """uint8 (n,)."""
        return self.state.posts.provenance[self.slot]

    @cached_property
    def first_source(self) -> NDArray[np.intp]:
        """The lowest set bit of `brought`, as a number (n,); -1 for a post that no source brought."""
        lowest = self.brought & (~self.brought + np.uint32(1))
        return np.where(lowest > 0, np.log2(np.maximum(lowest, 1)), NONE).astype(np.intp)


def among(values: Slots, sorted_keys: Slots) -> Mask:
    """Which values are among sorted keys; bool, of the values' shape. NONE never is."""
    if not len(sorted_keys):
        return np.zeros(values.shape, np.bool_)
    found: Mask = members(values.ravel(), sorted_keys).reshape(values.shape)
    return found


def any_among(values: Slots, sorted_keys: Slots) -> Mask:
    """Which rows, of values (n, k), hold one of the sorted keys; bool (n,)."""
    if not len(sorted_keys):
        return np.zeros(len(values), np.bool_)
    return np.asarray(among(values, sorted_keys).any(axis=1))


@numba.njit(cache=True, nogil=True)
def _merged(slot: Slots, bit: NDArray[np.uint32], score: Array) -> tuple[Slots, NDArray[np.uint32], Array]:
    """Each slot once, where it first came, with all its bits and its first score."""
    different, number = grouped(slot)
    brought, first = np.zeros(len(different), np.uint32), np.empty(len(different), np.float32)
    for i in range(len(slot) - 1, -1, -1):
        brought[number[i]] |= bit[i]
        first[number[i]] = score[i]
    return different, brought, first


@kernel
def _read(
    slots: Slots,
    author: Slots,
    created_ms: NDArray[np.int64],
    form: NDArray[np.uint8],
    parent: Slots,
    deleted: Mask,
) -> tuple[Slots, NDArray[np.int64], NDArray[np.uint8], Slots, Mask]:
    """The columns at some slots. They lie anywhere in memory and are asked for early, all at once."""
    n = len(slots)
    read = (
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        np.empty(n, np.uint8),
        np.empty(n, np.int32),
        np.empty(n, np.bool_),
    )
    for i in range(-_AHEAD, n):
        if i + _AHEAD < n:
            ahead = slots[i + _AHEAD]
            fetch(author, ahead)
            fetch(created_ms, ahead)
            fetch(form, ahead)
            fetch(parent, ahead)
            fetch(deleted, ahead)
        if i >= 0:
            slot = slots[i]
            read[0][i], read[1][i], read[2][i] = author[slot], created_ms[slot], form[slot]
            read[3][i], read[4][i] = parent[slot], deleted[slot]
    return read
