"""Filters by what a post says and how it was made."""

from typing import Any

import numba
import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.candidates import Candidates, Mask, any_among
from ranker.query import Query
from ranker.state import NONE
from ranker.state.columns import Slots
from ranker.state.tables import REPLY, REPOST


def muted_words(query: Query, posts: Candidates) -> Mask:
    """It holds a word or phrase that the viewer muted."""
    columns = posts.state.posts
    dropped = np.zeros(len(posts), np.bool_)
    for word in query.muted_words:
        wanted = np.frombuffer(word, np.uint8)
        for slots in (posts.slot, posts.parent):  # a repost, quote or reply is shown with its parent
            _mark_holders(
                columns.folded.pool, columns.folded.start, columns.folded.length, slots, wanted, dropped
            )
    return dropped


@numba.njit(cache=True, nogil=True)
def _mark_holders(
    pool: NDArray[np.uint8], start: Any, length: Any, slots: Slots, wanted: NDArray[np.uint8], found: Mask
) -> None:
    """Mark the slots whose bytes in the pool hold the wanted bytes."""
    for i in range(len(slots)):
        if slots[i] < 0 or found[i]:
            continue
        first = start[slots[i]]
        for at in range(first, first + length[slots[i]] - len(wanted) + 1):
            j = 0
            while j < len(wanted) and pool[at + j] == wanted[j]:
                j += 1
            if j == len(wanted):
                found[i] = True
                break


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
