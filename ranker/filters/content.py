"""Filters by what a post says and how it was made."""

from typing import Any

import numba
import numpy as np
from feedrank.v1 import types_pb2

from ranker.candidates import Candidates, Mask, any_among
from ranker.query import Query
from ranker.state import NONE
from ranker.state.columns import Slots
from ranker.state.tables import REPLY, REPOST, Bits, Int64s

_BUCKETS = 1_024
_SPACE = ord(" ")


def muted_words(query: Query, posts: Candidates) -> Mask:
    """It holds a word or phrase that the viewer muted."""
    columns = posts.state.posts
    dropped = np.zeros(len(posts), np.bool_)
    if query.muted_words:
        length = np.array([len(word) for word in query.muted_words])
        wanted = np.frombuffer(b"".join(query.muted_words), np.uint8), np.cumsum(length) - length, length
        for slots in (posts.slot, posts.parent):  # a repost, quote or reply is shown with its parent
            _mark_holders(
                columns.folded.pool, columns.folded.start, columns.folded.length, slots, *wanted, dropped
            )
    return dropped


@numba.njit(cache=True, nogil=True)
def _mark_holders(
    pool: Bits,
    start: Any,
    length: Any,
    slots: Slots,
    buffer: Bits,
    wanted_start: Int64s,
    wanted_length: Int64s,
    found: Mask,
) -> None:
    """Mark the slots whose folded text in the pool holds one of the wanted, folded words or phrases.

    Each text is read once, however many are wanted: a word of it is looked up among their first words.
    """
    first = np.full(_BUCKETS, -1, np.int32)
    other = np.full(len(wanted_start), -1, np.int32)
    for w in range(len(wanted_start)):
        begin = wanted_start[w]
        bucket = _word(buffer, begin, begin + wanted_length[w])[0]
        other[w], first[bucket] = first[bucket], w
    for i in range(len(slots)):
        if slots[i] < 0 or found[i]:
            continue
        at = start[slots[i]]
        end = at + length[slots[i]]
        while at + 1 < end and not found[i]:
            bucket, following = _word(pool, at, end)
            w = first[bucket]
            while w >= 0 and not found[i]:
                found[i] = _begins(pool, at, end, buffer, wanted_start[w], wanted_length[w])
                w = other[w]
            at = following


@numba.njit(cache=True, nogil=True)
def _word(text: Bits, at: int, end: int) -> tuple[int, int]:
    """The bucket of the word after a space (FNV-1a), and where the space after it is."""
    found, at = np.uint32(2_166_136_261), at + 1
    while at < end and text[at] != _SPACE:
        found = np.uint32((found ^ text[at]) * np.uint32(16_777_619))
        at += 1
    return int((found ^ found >> np.uint32(15)) & np.uint32(_BUCKETS - 1)), at


@numba.njit(cache=True, nogil=True)
def _begins(text: Bits, at: int, end: int, wanted: Bits, start: int, length: int) -> bool:
    same = 0
    while same < length <= end - at and text[at + same] == wanted[start + same]:
        same += 1
    return same == length


def other_language(query: Query, posts: Candidates) -> Mask:
    """It is in a language that the viewer did not choose."""
    if not query.chosen.languages:
        return np.zeros(len(posts), np.bool_)
    shown = np.append(query.languages, np.int32(posts.state.language_ids.slot("und")))
    return ~np.isin(posts.language, shown)


def other_community(query: Query, posts: Candidates) -> Mask:
    """It is not in the community asked for."""
    elsewhere: Mask = (posts.community != query.community) | (posts.community == NONE)
    return elsewhere


def safety_label(query: Query, posts: Candidates) -> Mask:
    """It has a safety label that the viewer hides."""
    if not len(query.hidden_labels):
        return np.zeros(len(posts), np.bool_)
    return any_among(posts.state.posts.labels[posts.slot], query.hidden_labels)


def ai_content(query: Query, posts: Candidates) -> Mask:
    """The viewer asked for nothing made with AI."""
    if query.chosen.ai_level != types_pb2.AI_LEVEL_NONE:
        return np.zeros(len(posts), np.bool_)
    made = (types_pb2.PROVENANCE_AI_GENERATED, types_pb2.PROVENANCE_AI_ASSISTED)
    return np.isin(posts.provenance, made)


def without_context(_query: Query, posts: Candidates) -> Mask:
    """It answers or repeats a post that feedrank does not have."""
    needs = (posts.form & (REPLY | REPOST)) > 0
    alone: Mask = needs & (posts.parent == NONE)
    return alone
