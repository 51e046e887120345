"""Export: everything that is held on a person, as JSON, page by page.

The document has the state as it is now, then what the journal and its archive hold of the person, entry by
entry, then what the impressions log says was shown. Who blocked or muted the person is told as a number only:
it is theirs to tell.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2
from google.protobuf.json_format import MessageToDict

from ranker import events, impression_files
from ranker.archive import history
from ranker.errors import InvalidArgument
from ranker.journal import Entry
from ranker.service import Service
from ranker.state import NONE, State, rings
from ranker.state.columns import Slots

PAGE_BYTES = 4_000_000
"""Of JSON, about; at most half of the longest message."""
_SECTIONS = ("state", "journal", "impressions")
Row = tuple[str, Any]
"""Where what comes after a row continues, and the row."""


class Export:
    """The pages of one person's document. A token says where a page begins: a section, and a place in it."""

    def __init__(self, service: Service, user_id: str, page_bytes: int = PAGE_BYTES) -> None:
        self._service = service
        self._user_id = user_id
        self._most = min(page_bytes, service.settings.server.max_message_mb * 2**20 // 2)

    def page(self, token: str) -> tuple[str, str]:
        """A page as JSON, and the token of the next; empty after the last."""
        section, _, after = (token or "state:").partition(":")
        if section not in _SECTIONS:
            raise InvalidArgument("page_token", "page_token was not given by this service: start without it")
        document: dict[str, Any] = {"user_id": self._user_id}
        size = 0
        for name in _SECTIONS[_SECTIONS.index(section) :]:
            place = after if name == section else ""
            for following, row in self._rows(name, place):
                if size > self._most:
                    return json.dumps(document, ensure_ascii=False), f"{name}:{place}"
                if name == "state":
                    document |= row
                else:
                    document.setdefault(name, []).append(row)
                size += len(json.dumps(row))
                place = following
        return json.dumps(document, ensure_ascii=False), ""

    def _rows(self, section: str, after: str) -> Iterator[Row]:
        if section == "state":
            yield from _numbered(self._of_state(), after)
        elif section == "journal":
            yield from self._of_journal(after)
        else:
            yield from self._of_impressions(after)

    def _of_state(self) -> list[dict[str, Any]]:
        service = self._service
        with service.state.turn.read():
            user = service.state.user_ids.slot(self._user_id)
            parts = _of_user(service.state, user) if user != NONE else []
        sessions = service.sessions.of(self._user_id)
        serving = service.models.serving(service.state, self._user_id)
        experiment = {"name": serving.experiment, "variant": serving.variant} if serving.experiment else None
        return [*parts, {"sessions": sessions, "experiment": experiment}]

    def _of_journal(self, after: str) -> Iterator[Row]:
        service = self._service
        for position, payload in history(service.upkeep.archive, service.journal, after):
            entry = _parsed(payload)
            rows = list(_rows_of(entry, self._user_id)) if entry else []
            if rows and entry:
                yield position, {"entry_id": position, "time_ms": entry.time_ms, "rows": rows}

    def _of_impressions(self, after: str) -> Iterator[Row]:
        folder, wanted = self._service.settings.data / "impressions", int(after or 0)
        number = 0
        for table in impression_files.read_log(folder):
            for row in table.filter(_is(table, self._user_id)).to_pylist():
                number += 1
                if number > wanted:
                    yield str(number), row


def _is(table: Any, user_id: str) -> Any:
    return np.array([viewer == user_id for viewer in table["viewer_id"].to_pylist()], np.bool_)


def _numbered(parts: list[dict[str, Any]], after: str) -> Iterator[Row]:
    for number, part in enumerate(parts):
        if number >= int(after or 0):
            yield str(number + 1), part


def _parsed(payload: bytes) -> Entry | None:
    try:
        return Entry.FromString(payload)
    except Exception:
        return None


def _of_user(state: State, user: int) -> list[dict[str, Any]]:
    """What the state holds of a person, part by part; times in milliseconds."""
    users, posts, names = state.users, state.posts, state.user_ids.texts
    own = np.flatnonzero((posts.author[: posts.size] == user) & ~posts.deleted[: posts.size])
    preferences = types_pb2.Preferences.FromString(users.preferences[user].tobytes())
    everybody = np.arange(users.size)
    return [
        {
            "profile": {
                "created_ms": int(users.created_ms[user]),
                "active_ms": int(users.active_ms[user]),
                "languages": state.language_ids.texts(_there(users.languages[user])),
                "community_ids": state.community_ids.texts(_there(users.communities[user])),
            },
            "preferences": MessageToDict(preferences, preserving_proto_field_name=True),
        },
        {
            "follows": names(users.follows[user]),
            "followers": names(_who_hold(users.follows.gathered(everybody), user)),
            "blocks": names(users.blocks[user]),
            "mutes": names(users.mutes[user]),
            "blocked_by_count": len(users.blocked_by[user]),
            "muted_by_count": len(_who_hold(users.mutes.gathered(everybody), user)),
            "hidden_posts": state.post_ids.texts(users.hidden[user]),
        },
        {"posts": [_post(state, slot) for slot in own.tolist()]},
        {"events": _events(state, user)},
        {
            "seen": state.post_ids.texts(rings.newest(users.seen, users.seen_count, user)),
            "served": state.post_ids.texts(rings.newest(users.served, users.served_count, user)),
            "liked": state.post_ids.texts(rings.newest(users.liked, users.liked_count, user)),
            "disliked": state.post_ids.texts(rings.newest(users.disliked, users.disliked_count, user)),
            "stayed": state.post_ids.texts(rings.newest(users.stayed, users.stayed_count, user)),
        },
        {
            "interests": {
                "topics": state.topic_ids.texts(_there(users.topic_key.block(user))),
                "authors": names(_there(users.author_key.block(user))),
                "vectors": users.interest_vector.block(user).astype(float).round(4).tolist(),
                "weights": users.interest_weight.block(user).astype(float).tolist(),
            },
            "counters": {
                "given": users.given[user].astype(float).tolist(),
                "received": users.received[user].astype(float).tolist(),
            },
        },
    ]


def _there(slots: Slots) -> Slots:
    kept: Slots = slots[slots != NONE]
    return kept


def _who_hold(lists: tuple[Any, Any], value: int) -> Slots:
    lengths, values = lists
    rows: Slots = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[values == value]
    return rows


def _post(state: State, slot: int) -> dict[str, Any]:
    posts = state.posts
    return {
        "id": state.post_ids.text(slot),
        "created_ms": int(posts.created_ms[slot]),
        "text": posts.text[slot].tobytes().decode(),
        "media_text": posts.media_text[slot].tobytes().decode(),
        "topics": state.topic_ids.texts(_there(posts.topics[slot])),
        "safety_labels": state.label_ids.texts(_there(posts.labels[slot])),
        "vector": posts.vector[slot].astype(float).round(4).tolist() if posts.has_vector[slot] else None,
    }


def _events(state: State, user: int) -> list[dict[str, Any]]:
    users = state.users
    log = (users.event_post, users.event_author, users.event_kind, users.event_ms)
    post, author, kind, ms = (one.block(user) for one in log)
    rows = np.flatnonzero(kind)
    return [
        {
            "kind": events.KINDS[int(kind[i])].name,
            "post_id": state.post_ids.texts(post[i : i + 1])[0],
            "author_id": state.user_ids.texts(author[i : i + 1])[0],
            "time_ms": int(ms[i]),
        }
        for i in rows.tolist()
    ]


def _rows_of(entry: Entry, user_id: str) -> Iterator[dict[str, Any]]:
    """What an entry says of a person, or what the person said."""
    change = entry.WhichOneof("change") or ""
    content: Any = getattr(entry, change, None)
    if change == "events":
        yield from _event_rows(content, user_id)
    elif change == "preferences" and content.viewer_id == user_id:
        yield {"preferences": MessageToDict(content.preferences, preserving_proto_field_name=True)}
    elif change in ("posts", "users", "served"):
        word = {"posts": "author_id", "users": "id", "served": "viewer_id"}[change]
        rows = content.pages if change == "served" else getattr(content, change)
        for row in rows:
            if getattr(row, word) == user_id:
                yield {change: MessageToDict(row, preserving_proto_field_name=True)}
    elif change == "relations":
        for row in content.relations:
            follows = row.target_id == user_id and row.kind == types_pb2.RELATION_KIND_FOLLOW
            if row.user_id == user_id or follows:
                yield {change: MessageToDict(row, preserving_proto_field_name=True)}


def _event_rows(content: Any, user_id: str) -> Iterator[dict[str, Any]]:
    columns = [
        (one.name, values) for one, values in content.ListFields() if len(values) == len(content.viewer_ids)
    ]
    for i, viewer in enumerate(content.viewer_ids):
        if viewer == user_id:
            yield {"events": {name: values[i] for name, values in columns}}
