"""Export: everything that is held on a person, as JSON, page by page.

The document has the state as it is now, then what the journal and its archive hold of the person, entry by
entry, then what the impressions log says was shown. Who blocked or muted the person is told as a number only:
it is theirs to tell.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import chain, islice
from time import monotonic
from typing import Any

import numpy as np
import pyarrow.compute as pc
from feedrank.v1 import types_pb2
from google.protobuf.json_format import MessageToDict

from ranker import events, impression_files
from ranker.archive import history
from ranker.errors import InvalidArgument
from ranker.journal import Entry, Record, order
from ranker.service import Service
from ranker.state import NONE, State, rings
from ranker.state.columns import Slots

PAGE_BYTES = 4_000_000
"""Of JSON, about; at most half of the longest message."""
PAGE_S = 0.3
"""A page ends after so long, full or not: a long history is read in many calls, none of which is long."""
_SECTIONS = ("state", "journal", "impressions")
_PLACES = {
    "state": re.compile(r"\d{0,9}", re.ASCII),
    "journal": re.compile(r"(\d{1,18}-\d{1,18}(#\d{1,9})?)?", re.ASCII),
    "impressions": re.compile(r"(\d{1,18}(-\d{1,3})?#\d{1,9})?", re.ASCII),
}
_ALL = "999999999"
"""The place after the last piece of the state."""
_IDS = 500
"""In a piece, which is small beside a page: an id has up to 256 bytes."""
Row = tuple[str, Any]
"""Where what comes after a row continues, and the row; None where so much holds nothing of the person."""
Piece = Callable[[], dict[str, Any]]
"""Makes a part of the document; its lists continue those of the pieces before."""


class Export:
    """The pages of one person's document. A token says where a page begins: a section, and a place in it."""

    def __init__(self, service: Service, user_id: str, page_bytes: int = PAGE_BYTES) -> None:
        self._service = service
        self._user_id = user_id
        self._most = min(page_bytes, service.settings.server.max_message_mb * 2**20 // 2)

    def page(self, token: str) -> tuple[str, str]:
        """A page as JSON, and the token of the next; empty after the last."""
        section, _, after = (token or "state:").partition(":")
        if section not in _SECTIONS or not _PLACES[section].fullmatch(after):
            raise InvalidArgument("page_token", "page_token was not given by this service: start without it")
        document: dict[str, Any] = {"user_id": self._user_id}
        size, until = 0, monotonic() + PAGE_S
        for name in _SECTIONS[_SECTIONS.index(section) :]:
            place = after if name == section else ""
            with closing(self._rows(name, place)) as rows:
                for following, row in rows:
                    late = monotonic() > until and f"{name}:{place}" != token
                    if size > self._most or late:
                        return json.dumps(document, ensure_ascii=False), f"{name}:{place}"
                    if row is not None:
                        _add(document, row if name == "state" else {name: [row]})
                        size += len(json.dumps(row))
                    place = following
        return json.dumps(document, ensure_ascii=False), ""

    def _rows(self, section: str, after: str) -> Generator[Row, None, None]:
        if section == "state":
            yield from self._of_state(after)
        elif section == "journal":
            yield from self._of_journal(after)
        else:
            yield from self._of_impressions(after)

    def _of_state(self, after: str) -> Generator[Row, None, None]:
        """The state's parts in pieces; those of a page are of one moment."""
        service, known = self._service, int(after or 0)
        with service.state.turn.read():
            user = service.state.user_ids.slot(self._user_id)
            for number, piece in enumerate(_of_user(service.state, user) if user != NONE else (), 1):
                if number > known:
                    yield str(number), piece()
        if after != _ALL:
            yield _ALL, self._of_serving()

    def _of_serving(self) -> dict[str, Any]:
        service = self._service
        serving = service.models.serving(service.state, self._user_id)
        experiment = {"name": serving.experiment, "variant": serving.variant} if serving.experiment else None
        return {"sessions": service.sessions.of(self._user_id), "experiment": experiment}

    def _of_journal(self, after: str) -> Generator[Row, None, None]:
        """The person's rows, each with its entry: one may have a thousand, and each be long."""
        service = self._service
        position, _, begun = after.partition("#")
        known, word = int(begun or 0), self._user_id.encode()
        for place, payload in chain(
            self._entry_at(position) if known else (),
            history(service.upkeep.archive, service.journal, position),
        ):
            entry = _parsed(payload) if word in payload else None
            rows = _rows_of(entry, self._user_id) if entry else ()
            for number, row in enumerate(islice(rows, known, None), known + 1):
                told = {"entry_id": place, "time_ms": entry.time_ms if entry else 0, "rows": [row]}
                yield f"{place}#{number}", told
            known = 0
            yield place, None

    def _entry_at(self, position: str) -> Iterator[Record]:
        """The entry of a position, again."""
        milliseconds, sequence = order(position)
        before = f"{milliseconds}-{sequence - 1}" if sequence else f"{milliseconds - 1}-{2**64 - 1}"
        records = history(self._service.upkeep.archive, self._service.journal, before)
        return islice(records, 1)

    def _of_impressions(self, after: str) -> Generator[Row, None, None]:
        """By file, and by row of the person's in it: files may go between two pages, and rows do not move."""
        begun, _, known = after.partition("#")
        for name, table in impression_files.read_named(self._service.settings.data / "impressions", begun):
            rows = table.filter(pc.equal(table["viewer_id"], self._user_id))
            first = int(known or 0) if name == begun else 0
            for number, row in enumerate(rows.slice(first).to_pylist(), first + 1):
                yield f"{name}#{number}", row
            yield f"{name}#{len(rows)}", None


def _add(document: dict[str, Any], piece: dict[str, Any]) -> None:
    """Lists go on where they were, and so do the rows of an entry."""
    for name, value in piece.items():
        told = document.get(name)
        if name == "journal" and told and told[-1]["entry_id"] == value[0]["entry_id"]:
            told[-1]["rows"] += value[0]["rows"]
        elif isinstance(value, list):
            document.setdefault(name, []).extend(value)
        else:
            document[name] = value


def _parsed(payload: bytes) -> Entry | None:
    try:
        return Entry.FromString(payload)
    except Exception:
        return None


def _of_user(state: State, user: int) -> Iterator[Piece]:
    """What the state holds of a person, in pieces, each made when it is asked for; times in milliseconds."""
    users, posts, names = state.users, state.posts, state.user_ids.texts
    own = np.flatnonzero((posts.author[: posts.size] == user) & ~posts.deleted[: posts.size]).astype(np.int32)
    everybody = np.arange(users.size)
    yield partial(_profile, state, user)
    yield from _in_pieces("follows", users.follows[user], names)
    yield from _in_pieces("followers", _who_hold(users.follows.gathered(everybody), user), names)
    yield from _in_pieces("blocks", users.blocks[user], names)
    yield from _in_pieces("mutes", users.mutes[user], names)
    muted_by = len(_who_hold(users.mutes.gathered(everybody), user))
    yield lambda: {"blocked_by_count": len(users.blocked_by[user]), "muted_by_count": muted_by}
    yield from _in_pieces("hidden_posts", users.hidden[user], state.post_ids.texts)
    yield from _in_pieces("posts", own, lambda some: [_post(state, slot) for slot in some.tolist()], 1)
    yield lambda: {"events": _events(state, user)}
    for name in ("seen", "served", "liked", "disliked", "stayed"):
        ring, count = getattr(users, name), getattr(users, f"{name}_count")
        yield from _in_pieces(name, rings.newest(ring, count, user), state.post_ids.texts)
    yield partial(_taste, state, user)


def _in_pieces(
    name: str, slots: Slots, told: Callable[[Slots], list[Any]], most: int = _IDS
) -> Iterator[Piece]:
    """A list, so many at a time; an empty one is told too."""
    for start in range(0, max(len(slots), 1), most):
        yield partial(_piece, name, slots[start : start + most], told)


def _piece(name: str, slots: Slots, told: Callable[[Slots], list[Any]]) -> dict[str, Any]:
    return {name: told(slots)}


def _profile(state: State, user: int) -> dict[str, Any]:
    users = state.users
    preferences = types_pb2.Preferences.FromString(users.preferences[user].tobytes())
    return {
        "profile": {
            "created_ms": int(users.created_ms[user]),
            "active_ms": int(users.active_ms[user]),
            "languages": state.language_ids.texts(_there(users.languages[user])),
            "community_ids": state.community_ids.texts(_there(users.communities[user])),
        },
        "preferences": MessageToDict(preferences, preserving_proto_field_name=True),
    }


def _taste(state: State, user: int) -> dict[str, Any]:
    users = state.users
    return {
        "interests": {
            "topics": state.topic_ids.texts(_there(users.topic_key.block(user))),
            "authors": state.user_ids.texts(_there(users.author_key.block(user))),
            "vectors": users.interest_vector.block(user).astype(float).round(4).tolist(),
            "weights": users.interest_weight.block(user).astype(float).tolist(),
        },
        "counters": {
            "given": users.given[user].astype(float).tolist(),
            "received": users.received[user].astype(float).tolist(),
        },
    }


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
