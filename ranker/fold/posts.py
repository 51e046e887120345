"""The fold of posts: put, deleted, and given their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numba
import numpy as np
import structlog
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.errors import JournalError
from ranker.fold import taste
from ranker.fold.index import Index
from ranker.state import NONE, State, rings, tables
from ranker.state.columns import Slots
from ranker.state.growing import Field
from ranker.state.ids import Ids
from ranker.state.recent_ids import hash_of
from ranker.state.strings import Hashes, Int64s, Strings
from ranker.state.tables import Flags, Places
from ranker.text import fold as fold_text
from ranker.text import primary_language

log = structlog.get_logger()

_FORMS = (
    (tables.REPLY, "reply_to_id"),
    (tables.REPOST, "repost_of_id"),
    (tables.QUOTE, "quote_of_id"),
    (tables.REMIX, "remix_of_id"),
)
_PROVENANCES = frozenset(types_pb2.Provenance.values())
_MEDIA = frozenset(types_pb2.MediaKind.values())
"""A newer version may know more; an unknown number is as good as none, and no bit to shift to."""

_PATIENCE = 100_000
"""Posts: a parent that comes more than so many later is not looked for, so that an entry stays cheap."""


@dataclass(frozen=True)
class PostColumns:
    """n different posts as columns: all that can be made of an entry without the state."""

    ids: list[str]
    author: list[str]
    created_ms: Int64s
    language: list[str]
    community: list[str]
    topics: list[list[str]]
    labels: list[list[str]]
    provenance: list[int]
    form: list[int]
    parent: list[str]
    parent_hash: Hashes
    media: list[int]
    has_prompt: list[bool]
    text: list[bytes]
    media_text: list[bytes]
    folded: list[bytes]
    text_hash: Hashes
    has_words: Flags
    vector: NDArray[np.float16]
    """Of those that bring one, in order."""
    brings_vector: Flags


def read(change: journal_pb2.Posts, dimension: int) -> list[PostColumns]:
    """The posts of an entry; one that comes again begins further columns.

    A vector that has not `dimension` numbers, or no direction, is set aside: its post comes without one. What
    has no id is passed over.
    """
    parts: list[dict[str, types_pb2.Post]] = [{}]
    for row in filter(lambda row: row.id, change.posts):
        if row.id in parts[-1]:
            parts.append({})
        parts[-1][row.id] = row
    return [_columns(list(part.values()), dimension) for part in parts]


def put(state: State, index: Index, columns: Sequence[PostColumns]) -> None:
    """Add posts, or replace those that are known; counts are kept."""
    for one in columns:
        _put(state, index, one)


def delete(state: State, index: Index, change: journal_pb2.DeletedPosts) -> None:
    """Delete posts; unknown ones are passed over."""
    slots = state.post_ids.slots(change.post_ids)
    _delete(state, index, slots[slots != NONE])


def delete_orphans(state: State, index: Index) -> None:
    """A post whose author left goes too: nobody would know whose it is."""
    posts = state.posts
    orphaned = (posts.author[: posts.size] == NONE) & ~posts.deleted[: posts.size]
    _delete(state, index, np.flatnonzero(orphaned).astype(np.int32))


def read_vectors(change: journal_pb2.Vectors, dimension: int) -> journal_pb2.Vectors:
    """The vectors of an entry. JournalError unless each post has one, of finite numbers."""
    made, posts = np.frombuffer(change.float16, "<f2"), len(change.post_ids)
    if made.size != posts * dimension or len(change.text_hashes) != posts or not np.isfinite(made).all():
        raise JournalError(
            f"an entry holds vectors that are not {dimension} finite numbers a post: what made them is broken"
        )
    return change


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


def _columns(rows: Sequence[types_pb2.Post], dimension: int) -> PostColumns:
    parents = [[(bit, name) for bit, field in _FORMS if (name := getattr(row, field))] for row in rows]
    first = [found[0][1] if found else "" for found in parents]
    media = ["\n".join(t for m in row.media for t in (m.prompt, m.alt_text) if t) for row in rows]
    spoken = ["\n".join(t for t in (row.text, more) if t) for row, more in zip(rows, media, strict=True)]
    units, brings = _units(rows, dimension)
    return PostColumns(
        ids=[row.id for row in rows],
        author=[row.author_id for row in rows],
        created_ms=np.array([row.created_ms for row in rows], np.int64),
        language=[primary_language(row.language) for row in rows],
        community=[row.community_id for row in rows],
        topics=[[name.casefold() for name in row.topics] for row in rows],
        labels=[[name.casefold() for name in row.safety_labels] for row in rows],
        provenance=[row.provenance if row.provenance in _PROVENANCES else 0 for row in rows],
        form=[sum(bit for bit, _ in found) for found in parents],
        parent=first,
        parent_hash=np.array([hash_of(name) if name else 0 for name in first], np.uint64),
        media=[sum({1 << medium.kind for medium in row.media if medium.kind in _MEDIA}) for row in rows],
        has_prompt=[any(medium.prompt for medium in row.media) for row in rows],
        text=[row.text.encode() for row in rows],
        media_text=[text.encode() for text in media],
        folded=[fold_text(text).encode() for text in spoken],
        text_hash=np.array([hash_of(text) for text in spoken], np.uint64),
        has_words=np.array([bool(text.strip()) for text in spoken], np.bool_),
        vector=units,
        brings_vector=brings,
    )


def _put(state: State, index: Index, new: PostColumns) -> None:
    posts, known = state.posts, state.posts.size
    slots = state.post_ids.slots_of(Strings.of(new.ids))
    posts.append(len(state.post_ids) - known)
    posts.created_ms[slots] = new.created_ms
    posts.deleted[slots] = False
    _announce(state, slots, new)
    posts.topics[slots] = _terms(state, state.topic_ids, new.topics, posts.topics.shape[1])
    posts.labels[slots] = _terms(state, state.label_ids, new.labels, posts.labels.shape[1])
    for name in ("provenance", "form", "parent_hash", "media", "has_prompt"):
        getattr(posts, name)[slots] = getattr(new, name)
    posts.parent[slots] = state.post_ids.slots(new.parent)
    _set_words(state, index, slots, new)
    vectored = slots[new.brings_vector]
    if len(vectored):
        posts.vector[vectored] = new.vector
    posts.has_vector[vectored], posts.awaits_vector[vectored] = True, False
    if posts.size > known:
        _join(state, known)
    _found(state, index, vectored)


def _join(state: State, known: int) -> None:
    """Give the posts that came before their parents those that are new: the slots from `known` on."""
    posts = state.posts
    recent = slice(max(posts.size - _PATIENCE, 0), posts.size)
    lone = np.flatnonzero((posts.parent[recent] == NONE) & (posts.parent_hash[recent] != 0)) + recent.start
    if len(lone):
        new = {hash_of(name): slot for slot, name in enumerate(state.post_ids.names[known:], known)}
        found = lone[np.isin(posts.parent_hash[lone], np.fromiter(new, np.uint64, len(new)))]
        posts.parent[found] = [new[wanted] for wanted in posts.parent_hash[found].tolist()]


def _announce(state: State, slots: Slots, new: PostColumns) -> None:
    """Enter posts with their authors, languages and communities, and take them from those they had before."""
    users = state.users
    author = state.users_of(Strings.of(new.author))
    np.maximum.at(users.active_ms, author, new.created_ms)
    language = state.places_of("language", Strings.of(new.language))
    community = state.places_of("community", Strings.of(new.community))
    known, everybody = state.known_for_a_while(author), np.ones(len(slots), np.bool_)
    for column, places, lists in (
        (state.posts.author, author, ((users.posts, users.post_count, everybody),)),
        (state.posts.language, language, _new_in(state.languages, known)),
        (state.posts.community, community, _new_in(state.communities, known)),
    ):
        moved = column[slots] != places
        for ring, count, theirs in lists:
            rings.discard(ring, count, column[slots[moved]], slots[moved])
            rings.push(ring, count, places[moved & theirs], slots[moved & theirs])
        column[slots] = places


def _new_in(places: Places, known: Flags) -> tuple[tuple[Field, Int64s, Flags], ...]:
    """The rings of new posts, and which posts go there by whether their authors are known for a while."""
    return (places.recent, places.recent_count, known), (places.newcomers, places.newcomer_count, ~known)


def _set_words(state: State, index: Index, slots: Slots, new: PostColumns) -> None:
    posts = state.posts
    posts.text.set_all(slots, new.text)
    posts.media_text.set_all(slots, new.media_text)
    posts.folded.set_all(slots, new.folded)
    changed = posts.text_hash[slots] != new.text_hash
    posts.text_hash[slots] = new.text_hash
    posts.awaits_vector[slots[changed]] = new.has_words[changed]
    _lose_vectors(state, index, slots[changed])


def _delete(state: State, index: Index, slots: Slots) -> None:
    posts = state.posts
    posts.deleted[slots], posts.awaits_vector[slots] = True, False
    posts.text_hash[slots] = 0
    for words in (posts.text, posts.media_text, posts.folded):
        words.set_all(slots, [b""] * len(slots))
    _lose_vectors(state, index, slots)


def _lose_vectors(state: State, index: Index, slots: Slots) -> None:
    lost = slots[state.posts.has_vector[slots]]
    state.posts.has_vector[lost] = False
    state.posts.vector[lost] = 0
    if len(lost):
        index.remove(lost)


def _found(state: State, index: Index, slots: Slots) -> None:
    if len(slots):
        index.add(slots, state.posts.created_ms[slots])


def _terms(state: State, ids: Ids, names: Sequence[Sequence[str]], width: int) -> Slots:
    """The different terms of each post: int32 (n, width), filled with NONE."""
    terms = ids.slots_of(Strings.of([name for some in names for name in some]), state.settings.max_terms)
    return _different(terms, np.array([len(some) for some in names], np.int64), width)


@numba.njit(cache=True, nogil=True)
def _different(values: Slots, lengths: Int64s, width: int) -> Slots:
    out = np.full((len(lengths), width), -1, np.int32)
    at = 0
    for row in range(len(lengths)):
        filled = 0
        for value in values[at : at + lengths[row]]:
            if value >= 0 and filled < width and not np.any(out[row, :filled] == value):
                out[row, filled] = value
                filled += 1
        at += lengths[row]
    return out


def _units(rows: Sequence[types_pb2.Post], dimension: int) -> tuple[NDArray[np.float16], Flags]:
    """The vectors of posts at unit length, and which posts they are of."""
    brings = np.array([len(row.vector) == dimension for row in rows], np.bool_)
    given = [np.fromiter(row.vector, np.float64, dimension) for row in compress(rows, brings)]
    exact = np.array(given).reshape(-1, dimension)
    length = np.linalg.norm(exact, axis=1)
    directed = (length > 0) & np.isfinite(length)
    brings[brings] = directed
    for row in (row for row, good in zip(rows, brings, strict=True) if row.vector and not good):
        log.warning("vector_set_aside", numbers=len(row.vector), wanted=dimension)
    return (exact[directed] / length[directed, None]).astype(np.float16), brings
