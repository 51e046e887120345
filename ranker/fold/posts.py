"""The fold of posts: put, deleted, and given their vectors."""

from collections.abc import Sequence

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from ranker.fold import taste
from ranker.fold.index import Index
from ranker.state import NONE, State, rings, tables
from ranker.state.columns import Array, Slots, padded
from ranker.state.ids import Ids
from ranker.state.recent_ids import hash_of
from ranker.text import fold as fold_text
from ranker.text import primary_language

_FORMS = (
    (tables.REPLY, "reply_to_id"),
    (tables.REPOST, "repost_of_id"),
    (tables.QUOTE, "quote_of_id"),
    (tables.REMIX, "remix_of_id"),
)


_PATIENCE = 100_000
"""Posts: a parent that comes more than so many later is not looked for, so that an entry stays cheap."""


def put(state: State, index: Index, change: journal_pb2.Posts) -> None:
    """Add posts, or replace those that are known; counts are kept."""
    known = state.posts.size
    brought = [slot for row in change.posts if (slot := _put(state, index, row)) != NONE]
    if state.posts.size > known:
        _join(state, known)
    vectored = np.array(brought, np.int32)
    _found(state, index, vectored[state.posts.has_vector[vectored]])


def delete(state: State, index: Index, change: journal_pb2.DeletedPosts) -> None:
    """Delete posts; unknown ones are passed over."""
    slots = state.post_ids.slots(change.post_ids)
    _delete(state, index, slots[slots != NONE])


def delete_orphans(state: State, index: Index) -> None:
    """A post whose author left goes too: nobody would know whose it is."""
    posts = state.posts
    orphaned = (posts.author[: posts.size] == NONE) & ~posts.deleted[: posts.size]
    _delete(state, index, np.flatnonzero(orphaned).astype(np.int32))


def put_vectors(state: State, index: Index, change: journal_pb2.Vectors) -> None:
    """Give posts the vectors that the embedder made, unless their text is another by now."""
    posts = state.posts
    slots = state.post_ids.slots(change.post_ids)
    made = np.frombuffer(change.float16, "<f2").reshape(len(slots), state.dimension)
    hashes = np.array(change.text_hashes, np.uint64)
    wanted = (slots != NONE) & posts.awaits_vector[slots] & (posts.text_hash[slots] == hashes)
    slots, made = slots[wanted], made[wanted]
    posts.vector[slots] = made
    posts.has_vector[slots], posts.awaits_vector[slots] = True, False
    _found(state, index, slots)
    taste.teach_early_engagers(state, slots)


def _put(state: State, index: Index, row: types_pb2.Post) -> int:
    """Put one post. Returns its slot when it brought a vector, else NONE."""
    posts = state.posts
    slot = state.post_ids.add(row.id)
    posts.append(len(state.post_ids) - posts.size)
    posts.created_ms[slot] = row.created_ms
    posts.deleted[slot] = False
    _announce(state, slot, row)
    posts.topics[slot] = _terms(state, state.topic_ids, row.topics, posts.topics.shape[1])
    posts.labels[slot] = _terms(state, state.label_ids, row.safety_labels, posts.labels.shape[1])
    posts.provenance[slot] = row.provenance
    _set_form(state, slot, row)
    _set_words(state, index, slot, row)
    if row.vector:
        posts.vector[slot] = _unit(np.array(row.vector, np.float64))
        posts.has_vector[slot], posts.awaits_vector[slot] = True, False
    return slot if row.vector else NONE


def _join(state: State, known: int) -> None:
    """Give the posts that came before their parents those that are new: the slots from `known` on."""
    posts = state.posts
    recent = slice(max(posts.size - _PATIENCE, 0), posts.size)
    lone = np.flatnonzero((posts.parent[recent] == NONE) & (posts.parent_hash[recent] != 0)) + recent.start
    if len(lone):
        new = {hash_of(name): slot for slot, name in enumerate(state.post_ids.names[known:], known)}
        found = lone[np.isin(posts.parent_hash[lone], np.fromiter(new, np.uint64, len(new)))]
        posts.parent[found] = [new[wanted] for wanted in posts.parent_hash[found].tolist()]


def _announce(state: State, slot: int, row: types_pb2.Post) -> None:
    """Enter the post with its author, language and community, and take it from those it had before."""
    users = state.users
    author = state.user(row.author_id)
    users.active_ms[author] = max(users.active_ms[author], row.created_ms)
    language = state.place("language", primary_language(row.language))
    community = state.place("community", row.community_id)
    one = np.array([slot], np.int32)
    for column, ring, count, place in (
        (state.posts.author, users.posts, users.post_count, author),
        (state.posts.language, state.languages.recent, state.languages.recent_count, language),
        (state.posts.community, state.communities.recent, state.communities.recent_count, community),
    ):
        if column[slot] != place:
            rings.discard(ring, count, column[one], one)
            column[slot] = place
            rings.push(ring, count, column[one], one)


def _set_form(state: State, slot: int, row: types_pb2.Post) -> None:
    posts = state.posts
    parents = [(bit, parent) for bit, field in _FORMS if (parent := getattr(row, field))]
    posts.form[slot] = sum(bit for bit, _ in parents)
    posts.parent[slot] = state.post_ids.slot(parents[0][1]) if parents else NONE
    posts.parent_hash[slot] = hash_of(parents[0][1]) if parents else 0
    posts.media[slot] = sum({1 << medium.kind for medium in row.media})
    posts.has_prompt[slot] = any(medium.prompt for medium in row.media)


def _set_words(state: State, index: Index, slot: int, row: types_pb2.Post) -> None:
    posts = state.posts
    media_text = "\n".join(text for medium in row.media for text in (medium.prompt, medium.alt_text) if text)
    spoken = "\n".join(text for text in (row.text, media_text) if text)
    posts.text.set(slot, _bytes(row.text))
    posts.media_text.set(slot, _bytes(media_text))
    posts.folded.set(slot, _bytes(fold_text(spoken)))
    if posts.text_hash[slot] != (fresh := hash_of(spoken)):
        posts.text_hash[slot] = fresh
        posts.awaits_vector[slot] = bool(spoken.strip())
        _lose_vector(state, index, slot)


def _delete(state: State, index: Index, slots: Slots) -> None:
    posts = state.posts
    for slot in slots.tolist():
        posts.deleted[slot], posts.awaits_vector[slot] = True, False
        posts.text_hash[slot] = 0
        for words in (posts.text, posts.media_text, posts.folded):
            words.set(slot, _bytes(""))
        _lose_vector(state, index, slot)


def _lose_vector(state: State, index: Index, slot: int) -> None:
    if state.posts.has_vector[slot]:
        state.posts.has_vector[slot] = False
        state.posts.vector[slot] = 0
        index.remove(np.array([slot], np.int32))


def _found(state: State, index: Index, slots: Slots) -> None:
    if len(slots):
        index.add(slots, state.posts.created_ms[slots])


def _terms(state: State, ids: Ids, names: Sequence[str], width: int) -> Slots:
    return padded([state.term(ids, name.casefold()) for name in names], width)


def _unit(vector: Array) -> Array:
    unit: Array = (vector / np.linalg.norm(vector)).astype(np.float16)
    return unit


def _bytes(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)
