"""The fold: journal entries in, state out. Nothing else changes the state.

Time comes from the entries, never from a clock, and entries apply in order, in one thread. So a live server,
a restart, a replica and an offline replay come to the same state,
bit for bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from embeddings import interests
from ranker import events as kinds
from ranker.errors import JournalError
from ranker.state import NONE, State, affinity, counters, event_log, rings, tables
from ranker.state.columns import Array, Ragged, Slots
from ranker.state.recent_ids import hash_of
from ranker.text import fold as fold_text
from ranker.text import primary_language

_RELATION_OF_EVENT: dict[int, int] = {
    types_pb2.EVENT_KIND_FOLLOW: types_pb2.RELATION_KIND_FOLLOW,
    types_pb2.EVENT_KIND_BLOCK: types_pb2.RELATION_KIND_BLOCK,
    types_pb2.EVENT_KIND_MUTE: types_pb2.RELATION_KIND_MUTE,
}
_MAX_RELATIONS = 50_000
_FORMS = (
    (tables.REPLY, "reply_to_id"),
    (tables.REPOST, "repost_of_id"),
    (tables.QUOTE, "quote_of_id"),
    (tables.REMIX, "remix_of_id"),
)


class Index(Protocol):
    """What follows the fold to make posts retrievable by vector."""

    def add(self, slots: Slots, times_ms: tables.Int64s) -> None:
        """Posts that have a new vector."""

    def remove(self, slots: Slots) -> None:
        """Posts that must not be found any more."""

    def renumber(self, mapping: Slots) -> None:
        """Slots moved."""


class Fold:
    """Applies entries to a state, and tells the index."""

    def __init__(self, state: State, index: Index | None = None) -> None:
        self.state = state
        self.index = index
        self._apply: dict[str, Callable[[Any], None]] = {
            "posts": self._posts,
            "deleted_posts": self._deleted_posts,
            "users": self._users,
            "relations": self._relations,
            "events": self._events,
            "preferences": self._preferences,
            "vectors": self._vectors,
            "served": self._served,
            "active_model": self._active_model,
        }

    def apply(self, position: str, entry: journal_pb2.Entry) -> None:
        """Apply one entry. `position` is its id in the journal."""
        change = entry.WhichOneof("change")
        if change is None:
            raise JournalError(
                f"entry {position} holds a change that this version does not know: upgrade feedrank"
            )
        with self.state.turn.write():
            self.state.time_ms = max(self.state.time_ms, entry.time_ms)
            self._apply[change](getattr(entry, change))
            self._make_room()
            self.state.position = position

    def skip(self, position: str) -> None:
        """Pass over an entry that can't be applied."""
        with self.state.turn.write():
            self.state.position = position

    # posts

    def _posts(self, change: journal_pb2.Posts) -> None:
        brought = [slot for row in change.posts if (slot := self._post(row)) != NONE]
        vectored = np.array(brought, np.int32)
        self._found(vectored[self.state.posts.has_vector[vectored]])

    def _post(self, row: types_pb2.Post) -> int:
        """Put one post. Returns its slot when it brought a vector, else NONE."""
        state, posts = self.state, self.state.posts
        slot = state.post_ids.slot(row.id)
        if slot == NONE:
            slot = state.post_ids.add(row.id)
            posts.append()
        posts.created_ms[slot] = row.created_ms
        posts.deleted[slot] = False
        self._announce(slot, row)
        posts.topics[slot] = self._terms(state.topic_ids, row.topics, 16)
        posts.labels[slot] = self._terms(state.label_ids, row.safety_labels, 16)
        posts.provenance[slot] = row.provenance
        self._form(slot, row)
        self._words(slot, row)
        if row.vector:
            posts.vector[slot] = _unit(np.array(row.vector, np.float64))
            posts.has_vector[slot], posts.awaits_vector[slot] = True, False
        return slot if row.vector else NONE

    def _form(self, slot: int, row: types_pb2.Post) -> None:
        posts = self.state.posts
        parents = [(bit, parent) for bit, field in _FORMS if (parent := getattr(row, field))]
        posts.form[slot] = sum(bit for bit, _ in parents)
        posts.parent[slot] = self.state.post_ids.slot(parents[0][1]) if parents else NONE
        posts.media[slot] = sum({1 << medium.kind for medium in row.media})
        posts.has_prompt[slot] = any(medium.prompt for medium in row.media)

    def _words(self, slot: int, row: types_pb2.Post) -> None:
        posts = self.state.posts
        media_text = "\n".join(t for m in row.media for t in (m.prompt, m.alt_text) if t)
        spoken = "\n".join(t for t in (row.text, media_text) if t)
        posts.text.set(slot, _bytes(row.text))
        posts.media_text.set(slot, _bytes(media_text))
        posts.folded.set(slot, _bytes(fold_text(spoken)))
        if posts.text_hash[slot] != (fresh := hash_of(spoken)):
            posts.text_hash[slot] = fresh
            posts.awaits_vector[slot] = bool(spoken.strip())
            self._lose_vector(slot)

    def _lose_vector(self, slot: int) -> None:
        posts = self.state.posts
        if posts.has_vector[slot]:
            posts.has_vector[slot] = False
            posts.vector[slot] = 0
            self._lost(np.array([slot], np.int32))

    def _announce(self, slot: int, row: types_pb2.Post) -> None:
        """Enter the post with its author, language and community, and take it from those it had before."""
        state, users = self.state, self.state.users
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

    def _deleted_posts(self, change: journal_pb2.DeletedPosts) -> None:
        slots = self.state.post_ids.slots(change.post_ids)
        self._delete(slots[slots != NONE])

    def _delete(self, slots: Slots) -> None:
        posts = self.state.posts
        for slot in slots.tolist():
            posts.deleted[slot], posts.awaits_vector[slot] = True, False
            posts.text_hash[slot] = 0
            for words in (posts.text, posts.media_text, posts.folded):
                words.set(slot, _bytes(""))
            self._lose_vector(slot)

    def _vectors(self, change: journal_pb2.Vectors) -> None:
        posts = self.state.posts
        slots = self.state.post_ids.slots(change.post_ids)
        made = np.frombuffer(change.float16, "<f2").reshape(len(slots), self.state.dimension)
        hashes = np.array(change.text_hashes, np.uint64)
        wanted = (slots != NONE) & posts.awaits_vector[slots] & (posts.text_hash[slots] == hashes)
        slots, made = slots[wanted], made[wanted]
        posts.vector[slots] = made
        posts.has_vector[slots], posts.awaits_vector[slots] = True, False
        self._found(slots)
        self._teach_early_engagers(slots)

    def _teach_early_engagers(self, slots: Slots) -> None:
        """Those who engaged with a post before its vector came learn from it now."""
        engagers = self.state.posts.engagers[slots]
        post = np.repeat(slots, engagers.shape[1])
        viewer = engagers.ravel()
        known = viewer != NONE
        count = int(known.sum())
        times = np.full(count, self.state.time_ms)
        self._teach(viewer[known], post[known], np.ones(count, np.float32), times)

    def _found(self, slots: Slots) -> None:
        if self.index is not None and len(slots):
            self.index.add(slots, self.state.posts.created_ms[slots])

    def _lost(self, slots: Slots) -> None:
        if self.index is not None:
            self.index.remove(slots)

    # users

    def _users(self, change: journal_pb2.Users) -> None:
        users = self.state.users
        for row in change.users:
            slot = self.state.user(row.id)
            users.active_ms[slot] = max(users.active_ms[slot], self.state.time_ms)
            if row.created_ms:
                users.created_ms[slot] = row.created_ms
            spoken = [self.state.place("language", primary_language(tag)) for tag in row.languages]
            joined = [self.state.place("community", name) for name in row.community_ids]
            users.languages[slot] = _padded(spoken, users.languages.shape[1])
            users.communities[slot] = _padded(joined, users.communities.shape[1])

    def _relations(self, change: journal_pb2.Relations) -> None:
        for row in change.relations:
            self._relate(self.state.user(row.user_id), self.state.user(row.target_id), row.kind, row.remove)

    def _relate(self, user: int, target: int, kind: int, remove: bool) -> None:
        users = self.state.users
        change = "discard" if remove else "insert"
        lists: dict[int, Ragged] = {
            types_pb2.RELATION_KIND_FOLLOW: users.follows,
            types_pb2.RELATION_KIND_BLOCK: users.blocks,
            types_pb2.RELATION_KIND_MUTE: users.mutes,
        }
        rows = lists[kind]
        if (not remove and len(rows[user]) >= _MAX_RELATIONS) or not getattr(rows, change)(user, target):
            return
        if kind == types_pb2.RELATION_KIND_FOLLOW:
            users.followers[target] += -1 if remove else 1
        if kind == types_pb2.RELATION_KIND_BLOCK:
            getattr(users.blocked_by, change)(target, user)

    def _preferences(self, change: journal_pb2.ViewerPreferences) -> None:
        slot = self.state.user(change.viewer_id)
        chosen = change.preferences
        for topic in (*chosen.topics_more, *chosen.topics_less):
            self.state.term(self.state.topic_ids, topic.casefold())
        self.state.users.preferences.set(slot, np.frombuffer(chosen.SerializeToString(), np.uint8))

    # events

    def _events(self, change: journal_pb2.Events) -> None:
        batch = self._decode(change)
        if not len(batch.viewer):
            return
        self._relate_by_events(batch)
        self._count(batch)
        self._remember(batch)
        taught = (batch.strength != 0) & (batch.amount > 0) & (batch.post != NONE)
        taught &= self.state.posts.has_vector[batch.post]
        self._teach(batch.viewer[taught], batch.post[taught], batch.strength[taught], batch.time_ms[taught])

    def _decode(self, change: journal_pb2.Events) -> "_Batch":
        """The batch as columns, without events that were folded before, with what each one counts."""
        state, users = self.state, self.state.users
        new = np.flatnonzero(state.event_ids.admit(change.event_ids))
        people = [name for i in new for name in (change.viewer_ids[i], change.author_ids[i])]
        viewer, named = np.ascontiguousarray(state.users_of(people).reshape(-1, 2).T)
        post = state.post_ids.slots([change.post_ids[i] for i in new])
        author = np.where(post != NONE, state.posts.author[post], named).astype(np.int32)
        undo = np.array(change.undo, np.bool_)[new]
        kind = np.array(change.kinds, np.int8)[new]
        dwell_ms = np.array(change.dwell_ms, np.int64)[new]
        kind[(kind == types_pb2.EVENT_KIND_DWELL) & (dwell_ms < kinds.MIN_DWELL_MS) & ~undo] = 0
        times = np.minimum(np.array(change.time_ms, np.int64)[new], state.time_ms)
        amount = event_log.settle(
            users.event_post, users.event_author, users.event_kind, users.event_ms, users.event_count,
            viewer, post, author, kind, undo, times, kinds.LASTING, types_pb2.EVENT_KIND_IMPRESSION,
        )  # fmt: skip
        np.maximum.at(users.active_ms, viewer, times)
        return _Batch(viewer, post, author, kind, kinds.STRENGTH_OF[kind], undo, amount, times)

    def _relate_by_events(self, batch: "_Batch") -> None:
        """What an event sets holds whether it counts or not: a second follow may come after an unfollow."""
        for i in np.flatnonzero(np.isin(batch.kind, list(_RELATION_OF_EVENT))):
            viewer, author = int(batch.viewer[i]), int(batch.author[i])
            if author not in (NONE, viewer):
                self._relate(viewer, author, _RELATION_OF_EVENT[int(batch.kind[i])], bool(batch.undo[i]))
        hidden = self.state.users.hidden
        for i in np.flatnonzero(kinds.HIDES[batch.kind] & (batch.post != NONE)):
            change = hidden.discard if batch.undo[i] else hidden.insert
            change(int(batch.viewer[i]), int(batch.post[i]))

    def _count(self, batch: "_Batch") -> None:
        """Counters of posts, authors, viewers and places; what authors do with their own posts is no news."""
        state, users = self.state, self.state.users
        counter = kinds.COUNTER_OF[batch.kind]
        others = np.where(batch.viewer == batch.author, np.float32(0), batch.amount)

        def add(value: tables.Floats, last_ms: tables.Int64s, rows: Slots, amounts: tables.Floats) -> None:
            counters.add(value, last_ms, rows, counter, amounts, batch.time_ms, counters.HALF_LIVES_MS)

        add(state.posts.counter, state.posts.counter_ms, batch.post, others)
        add(users.received, users.received_ms, batch.author, others)
        add(users.given, users.given_ms, batch.viewer, batch.amount)
        for places, where in ((state.communities, "community"), (state.languages, "language")):
            rows = np.where(batch.post != NONE, getattr(state.posts, where)[batch.post], NONE).astype(
                np.int32
            )
            add(places.counter, places.counter_ms, rows, others)
            hot = np.where((batch.strength > 0) & (others > 0), batch.post, NONE).astype(np.int32)
            rings.push(places.hot, places.hot_count, rows, hot)

    def _remember(self, batch: "_Batch") -> None:
        """The viewers' rings, the posts' engagers, and affinities to authors and topics."""
        users, posts = self.state.users, self.state.posts

        def only(where: Array) -> tables.Floats:
            return np.where(where, batch.amount, np.float32(0))

        good, bad = batch.strength > 0, batch.strength < 0
        screen = batch.kind == types_pb2.EVENT_KIND_IMPRESSION
        others = batch.viewer != batch.author
        rings.change(users.seen, users.seen_count, batch.viewer, batch.post, only(screen))
        rings.change(users.liked, users.liked_count, batch.viewer, batch.post, only(good))
        rings.change(users.disliked, users.disliked_count, batch.viewer, batch.post, only(bad))
        rings.change(posts.engagers, posts.engager_count, batch.post, batch.viewer, only(good & others))
        rings.change(posts.opposers, posts.opposer_count, batch.post, batch.viewer, only(bad & others))
        authors = np.where(others, batch.author, NONE).astype(np.int32)
        affinity.add(
            users.author_key, users.author_sum, users.author_ms, batch.viewer, authors,
            batch.strength, batch.amount, batch.time_ms, affinity.HALF_LIFE_MS,
        )  # fmt: skip
        topics = np.where((batch.post != NONE)[:, None], posts.topics[batch.post], NONE).astype(np.int32)
        row, at = np.nonzero(topics != NONE)
        affinity.add(
            users.topic_key, users.topic_sum, users.topic_ms, batch.viewer[row], topics[row, at],
            batch.strength[row], batch.amount[row], batch.time_ms[row], affinity.HALF_LIFE_MS,
        )  # fmt: skip

    def _teach(self, viewers: Slots, slots: Slots, strengths: tables.Floats, times: tables.Int64s) -> None:
        users = self.state.users
        if len(viewers):
            interests.learn_batch(
                users.interest, users.interest_weight, users.interest_ms,
                viewers, self.state.posts.vector[slots], strengths, times,
            )  # fmt: skip

    def _served(self, change: journal_pb2.Served) -> None:
        users = self.state.users
        for page in change.pages:
            slots = self.state.post_ids.slots(page.post_ids)
            viewer = np.full(len(slots), self.state.user(page.viewer_id), np.int32)
            rings.push(users.served, users.served_count, viewer, slots)
            users.active_ms[viewer] = np.maximum(users.active_ms[viewer], page.time_ms)

    # the rest

    def _active_model(self, change: journal_pb2.ActiveModel) -> None:
        self.state.model_version = change.version

    def _make_room(self) -> None:
        state = self.state
        while state.posts.size > state.settings.max_posts:
            mapping = state.drop_oldest_posts()
            if self.index is not None:
                self.index.renumber(mapping)
        while state.users.size > state.settings.max_users:
            state.drop_idlest_users()
            self._delete_orphans()

    def _delete_orphans(self) -> None:
        """A post whose author left goes too: nobody would know whose it is."""
        posts = self.state.posts
        orphaned = (posts.author[: posts.size] == NONE) & ~posts.deleted[: posts.size]
        self._delete(np.flatnonzero(orphaned).astype(np.int32))

    def _terms(self, ids: Any, names: Sequence[str], width: int) -> Slots:
        return _padded([self.state.term(ids, name.casefold()) for name in names], width)


@dataclass(frozen=True)
class _Batch:
    """Events as columns of equal length."""

    viewer: Slots
    post: Slots
    author: Slots
    kind: Array
    strength: tables.Floats
    undo: tables.Flags
    amount: tables.Floats
    time_ms: tables.Int64s


def _padded(slots: Sequence[int], width: int) -> Slots:
    kept = [slot for slot in dict.fromkeys(slots) if slot != NONE][:width]
    return np.array(kept + [NONE] * (width - len(kept)), np.int32)


def _unit(vector: Array) -> Array:
    unit: Array = (vector / np.linalg.norm(vector)).astype(np.float16)
    return unit


def _bytes(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)
