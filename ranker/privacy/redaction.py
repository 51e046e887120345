"""Redaction: taking erased people's rows out of journal entries, which keep their positions.

What a person did, and what others did with the person or the posts, goes; so a replay of redacted entries
comes to the state of a network that the person was never in.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from feedrank.journal.v1 import journal_pb2
from google.protobuf.message import DecodeError

from ranker.fold.erasure import ON_ITS_WAY_MS, Erased
from ranker.journal import Entry, Record, order

NOBODY = "feedrank:erased"
"""Stands where a post of somebody else named a post of the person: it is still a reply."""
_PARENTS = ("reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id")


_Place = tuple[int, int]
"""A position as `order` gives it."""
_NEVER: _Place = (2**63, 0)


class _Person(NamedTuple):
    order: _Place
    time_ms: int


class _Post(NamedTuple):
    author: str
    until: _Place
    """From there on the id is another post's."""


class Redaction:
    """Knows whom to take out of entries. First `learn` from all entries, then `redact` each, in order."""

    def __init__(self, erased: Iterable[Erased]) -> None:
        self._people: dict[str, _Person] = {}
        self._posts: dict[str, _Post] = {}
        self.named: Counter[str] = Counter()
        """Entries that were redacted, by person."""
        self.since_ms: dict[str, int] = {}
        """The time of the first of them."""
        self._met: set[str] = set()
        for one in erased:
            self._people[one.user_id] = _Person(order(one.entry_id), one.time_ms)
            self._posts |= dict.fromkeys(one.post_ids, _Post(one.user_id, _NEVER))
        self._dispatch: dict[str, Callable[[Any, _Place], bool]] = {
            "posts": self._of_posts,
            "deleted_posts": self._of_deletions,
            "users": self._of_users,
            "relations": self._of_relations,
            "events": self._of_events,
            "preferences": self._of_preferences,
            "vectors": self._of_vectors,
            "served": self._of_served,
            "erased_user": self._of_erasure,
        }

    @property
    def post_ids(self) -> dict[str, str]:
        """The ids of the posts that the people put and nobody since, each with its author."""
        return {name: post.author for name, post in self._posts.items() if post.until == _NEVER}

    def taken(self) -> Counter[str]:
        """How many entries were redacted since this was asked last, by person."""
        taken, self.named = self.named, Counter()
        return taken

    def learn(self, records: Iterable[Record]) -> None:
        """Meet the posts of the people; one that another author put since is that one's."""
        for position, payload in records:
            entry = _entry(payload)
            if entry is not None and entry.HasField("posts"):
                for row in entry.posts.posts:
                    if self._is_gone(row.author_id, order(position)):
                        self._posts[row.id] = _Post(row.author_id, _NEVER)
                    elif (known := self._posts.get(row.id)) and known.until == _NEVER:
                        self._posts[row.id] = known._replace(until=order(position))

    def redact(self, record: Record) -> Record:
        """The record, without the people."""
        position, payload = record
        entry = _entry(payload)
        if entry is None:
            return position, self._unreadable(position, payload)
        change = entry.WhichOneof("change") or ""
        self._met = set()
        if change not in self._dispatch:
            return record
        kept = self._dispatch[change](getattr(entry, change), order(position))
        if not self._met:
            return record
        self._count(entry.time_ms)
        if not kept:
            entry.ClearField(change)  # type: ignore[arg-type]
            entry.erased_user.SetInParent()
        return position, entry.SerializeToString()

    def _count(self, time_ms: int) -> None:
        for user_id in self._met - {""}:
            self.named[user_id] += 1
            self.since_ms[user_id] = min(time_ms, self.since_ms.get(user_id, time_ms))

    def _unreadable(self, position: str, payload: bytes) -> bytes:
        """Nobody can say what it holds: it goes as a whole where somebody's id is in it."""
        named = {
            u for u, one in self._people.items() if order(position) < one.order and u.encode() in payload
        }
        if not named:
            return payload
        self._met = named
        self._count(0)
        return Entry(erased_user=journal_pb2.ErasedUser()).SerializeToString()

    # Who is gone at a position: the person who comes back after the erasure is somebody else.

    def _is_gone(self, user_id: str, at: _Place) -> bool:
        person = self._people.get(user_id)
        return person is not None and at < person.order

    def _gone_user(self, user_id: str, at: _Place) -> bool:
        gone = self._is_gone(user_id, at)
        if gone:
            self._met.add(user_id)
        return gone

    def _gone_post(self, post_id: str, at: _Place) -> bool:
        post = self._posts.get(post_id)
        if post is None or at >= post.until:
            return False
        self._met.add(post.author)
        return True

    # What of a change stays; each says whether anything does.

    def _of_posts(self, change: journal_pb2.Posts, at: _Place) -> bool:
        for i, row in reversed(list(enumerate(change.posts))):
            if self._gone_user(row.author_id, at):
                del change.posts[i]
                continue
            for name in _PARENTS:
                if self._gone_post(getattr(row, name), at):
                    setattr(row, name, NOBODY)
        return bool(change.posts)

    def _of_deletions(self, change: journal_pb2.DeletedPosts, at: _Place) -> bool:
        kept = [one for one in change.post_ids if not self._gone_post(one, at)]
        del change.post_ids[:]
        change.post_ids.extend(kept)
        return bool(kept)

    def _of_users(self, change: journal_pb2.Users, at: _Place) -> bool:
        return _keep(change.users, lambda row: not self._gone_user(row.id, at))

    def _of_relations(self, change: journal_pb2.Relations, at: _Place) -> bool:
        names = ("user_id", "target_id")
        return _keep(
            change.relations,
            lambda row: not any(self._gone_user(getattr(row, name), at) for name in names),
        )

    def _of_events(self, change: journal_pb2.Events, at: _Place) -> bool:
        authors, posts = set(change.author_ids), set(change.post_ids)
        if self._people.keys().isdisjoint(authors.union(change.viewer_ids)) and posts.isdisjoint(self._posts):
            return True
        kept = [
            not any([self._gone_user(viewer, at), self._gone_user(author, at), self._gone_post(post, at)])
            for viewer, author, post in zip(
                change.viewer_ids, change.author_ids, change.post_ids, strict=True
            )
        ]
        _keep_columns(change, kept)
        return any(kept)

    def _of_preferences(self, change: journal_pb2.ViewerPreferences, at: _Place) -> bool:
        return not self._gone_user(change.viewer_id, at)

    def _of_vectors(self, change: journal_pb2.Vectors, at: _Place) -> bool:
        kept = [not self._gone_post(one, at) for one in change.post_ids]
        if not all(kept):
            size = len(change.float16) // len(kept)
            rows = [change.float16[i * size : (i + 1) * size] for i, keep in enumerate(kept) if keep]
            change.float16 = b"".join(rows)
            _keep_columns(change, kept)
        return any(kept)

    def _of_served(self, change: journal_pb2.Served, at: _Place) -> bool:
        for page in change.pages:
            kept = [one for one in page.post_ids if not self._gone_post(one, at)]
            if len(kept) < len(page.post_ids):
                del page.post_ids[:]
                page.post_ids.extend(kept)
        return _keep(change.pages, lambda page: bool(page.post_ids) and not self._was_on_its_way(page, at))

    def _was_on_its_way(self, page: journal_pb2.ServedPage, at: _Place) -> bool:
        person = self._people.get(page.viewer_id)
        if person is None or (at > person.order and page.time_ms > person.time_ms + ON_ITS_WAY_MS):
            return False
        self._met.add(page.viewer_id)
        return True

    def _of_erasure(self, change: journal_pb2.ErasedUser, at: _Place) -> bool:
        person = self._people.get(change.user_id)
        if person is not None and at <= person.order:
            change.user_id, change.key = "", b""
            self._met.add("")  # it is no entry about what the person did
        return True


def _entry(payload: bytes) -> Entry | None:
    try:
        return Entry.FromString(payload)
    except DecodeError:
        return None


def _keep(rows: Any, wanted: Callable[[Any], bool]) -> bool:
    """Keep some rows of a repeated field; whether any is left."""
    for i in reversed(range(len(rows))):
        if not wanted(rows[i]):
            del rows[i]
    return bool(rows)


def _keep_columns(change: Any, kept: Sequence[bool]) -> None:
    """Keep some rows of all columns that are as long as they are many."""
    for column, values in change.ListFields():
        if column.is_repeated and len(values) == len(kept):
            rows = [value for value, keep in zip(values, kept, strict=True) if keep]
            del values[:]
            values.extend(rows)
