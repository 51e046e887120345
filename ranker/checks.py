"""The contract's limits on rows: one function a message, each yielding what is wrong.

The limits stand in the contract's comments (proto/feedrank/v1/types.proto); here they are enforced.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from feedrank.v1 import controls_pb2, ingest_pb2, types_pb2
from numpy.typing import NDArray

from ranker.event_columns import EventColumns
from ranker.heads import DAY_MS
from ranker.kernels import kernel
from ranker.state.strings import Int64s
from ranker.text import fold

MAX_BATCH = 1_000
MAX_ID_BYTES = 256
MAX_TEXT = 10_000
MAX_ALT_TEXT = 2_000
MAX_PROMPT = 4_000
MAX_GENERATOR = 128
MAX_WORD = 64
MAX_MUTED_WORD = 100
MAX_DWELL_MS = 3_600_000
MAX_POSITION = 100_000

_AUTHOR_ONLY = frozenset(
    {
        types_pb2.EVENT_KIND_FOLLOW,
        types_pb2.EVENT_KIND_MUTE,
        types_pb2.EVENT_KIND_BLOCK,
        types_pb2.EVENT_KIND_PROFILE_CLICK,
    }
)
_RELATING = _AUTHOR_ONLY - {types_pb2.EVENT_KIND_PROFILE_CLICK}


_DWELL = int(types_pb2.EVENT_KIND_DWELL)


def _declared(enum: Any) -> NDArray[np.bool_]:
    """Whether the enum declares a number, by number."""
    known = list(enum.DESCRIPTOR.values_by_number)
    return np.isin(np.arange(max(known) + 1), known)


_SURFACES = _declared(types_pb2.Surface)
_NAMES = _declared(types_pb2.EventKind).astype(np.int8)
"""By kind, for `sound`: 1 where an event must name a post, 2 a post or an author; 0 where none is sure."""
_NAMES[list(_AUTHOR_ONLY)] = 2
_NAMES[[types_pb2.EVENT_KIND_UNSPECIFIED, *_RELATING]] = 0


@dataclass(frozen=True)
class Problem:
    """Why a row is refused: one word, the field as written in the contract, and a sentence."""

    code: str
    field: str
    message: str


Problems = Iterator[Problem]


def identifier(field: str, value: str, *, required: bool = True) -> Problems:
    """An id of 1 to 256 bytes."""
    if not value:
        if required:
            yield Problem("missing", field, f"{field} is required")
    elif (size := len(value.encode())) > MAX_ID_BYTES:
        yield Problem("too_long", field, f"{field} has {size} bytes; at most {MAX_ID_BYTES} are allowed")


def text(field: str, value: str, limit: int) -> Problems:
    """A text of at most `limit` characters."""
    if len(value) > limit:
        yield Problem("too_long", field, f"{field} has {len(value)} characters; at most {limit} are allowed")


def words(field: str, values: Sequence[str], most: int, limit: int = MAX_WORD) -> Problems:
    """At most `most` words of 1 to `limit` characters."""
    if len(values) > most:
        yield Problem("too_many", field, f"{field} has {len(values)} entries; at most {most} are allowed")
    for i, value in enumerate(values):
        if not value.strip():
            yield Problem("missing", f"{field}[{i}]", f"{field}[{i}] is empty")
        yield from text(f"{field}[{i}]", value, limit)


def moment(field: str, value: int, now_ms: int) -> Problems:
    """A time from 1970 to a day from now; 0 is "not given"."""
    if not 0 <= value <= now_ms + DAY_MS:
        yield Problem(
            "out_of_range",
            field,
            f"{field} must be milliseconds since 1970, at most a day ahead, not {value}",
        )


def language(field: str, value: str) -> Problems:
    """A BCP 47 tag by its form: letters and digits in groups of 1 to 8, joined by hyphens."""
    groups = value.split("-")
    fits = 2 <= len(groups[0]) <= 8 and groups[0].isalpha()
    if value and not (
        fits and value.isascii() and len(value) <= 35 and all(g.isalnum() and len(g) <= 8 for g in groups)
    ):
        yield Problem(
            "malformed", field, f'{field} must be a BCP 47 tag such as "en" or "pt-BR", not {value[:40]!r}'
        )


@cache
def _numbers(enum: Any) -> frozenset[int]:
    """What an enum declares."""
    return frozenset(enum.values())


def known(field: str, enum: Any, value: int, *, required: bool = False) -> Problems:
    """A value that the enum declares."""
    if value in _numbers(enum) and (value or not required):
        return
    names = ", ".join(v.name for v in enum.DESCRIPTOR.values if v.number)
    if value:
        yield Problem("malformed", field, f"{field} has the unknown value {value}: one of {names}")
    else:
        yield Problem("missing", field, f"{field} is required: one of {names}")


def unit_vector(field: str, values: Sequence[float], dimension: int | None) -> Problems:
    """A caller's vector: as long as the server's, finite, not all zero."""
    if not values:
        return
    if dimension is not None and len(values) != dimension:
        yield Problem(
            "out_of_range", field, f"{field} has {len(values)} numbers; this server's have {dimension}"
        )
    length = math.hypot(*values)
    if not math.isfinite(length):
        yield Problem("malformed", field, f"{field} holds a number that is not finite")
    elif length < 1e-12:
        yield Problem("malformed", field, f"{field} is all zero and so has no direction")


def post(row: types_pb2.Post, now_ms: int, dimension: int | None) -> Problems:
    """What is wrong with a post."""
    yield from identifier("id", row.id)
    yield from identifier("author_id", row.author_id)
    yield from text("text", row.text, MAX_TEXT)
    yield from language("language", row.language)
    yield from moment("created_ms", row.created_ms, now_ms)
    for field in ("reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id", "community_id"):
        yield from identifier(field, getattr(row, field), required=False)
    for field in ("reply_to_id", "repost_of_id", "quote_of_id", "remix_of_id"):
        if row.id and getattr(row, field) == row.id:
            yield Problem("contradiction", field, f"{field} names the post itself")
    if row.repost_of_id and row.text:
        yield Problem(
            "contradiction", "text", "text must be empty in a repost; quote_of_id is for posts with words"
        )
    yield from words("topics", row.topics, 16)
    yield from words("safety_labels", row.safety_labels, 16)
    yield from media(row.media)
    yield from known("provenance", types_pb2.Provenance, row.provenance)
    yield from unit_vector("vector", row.vector, dimension)


def media(rows: Sequence[types_pb2.Media]) -> Problems:
    """What is wrong with a post's media."""
    if len(rows) > 16:
        yield Problem("too_many", "media", f"media has {len(rows)} entries; at most 16 are allowed")
    for i, row in enumerate(rows[:16]):
        yield from known(f"media[{i}].kind", types_pb2.MediaKind, row.kind)
        yield from text(f"media[{i}].alt_text", row.alt_text, MAX_ALT_TEXT)
        yield from text(f"media[{i}].prompt", row.prompt, MAX_PROMPT)
        yield from text(f"media[{i}].generator", row.generator, MAX_GENERATOR)


def user(row: types_pb2.User, now_ms: int, _dimension: int | None) -> Problems:
    """What is wrong with a user."""
    yield from identifier("id", row.id)
    yield from moment("created_ms", row.created_ms, now_ms)
    yield from languages("languages", row.languages)
    yield from known("consent.training", types_pb2.Permission, row.consent.training)
    yield from known("consent.export", types_pb2.Permission, row.consent.export)
    if len(row.community_ids) > 64:
        yield Problem("too_many", "community_ids", "community_ids may have at most 64 entries")
    for i, community in enumerate(row.community_ids[:64]):
        yield from identifier(f"community_ids[{i}]", community)


def languages(field: str, tags: Sequence[str]) -> Problems:
    """At most 16 language tags."""
    if len(tags) > 16:
        yield Problem("too_many", field, f"{field} has {len(tags)} entries; at most 16 are allowed")
    for i, tag in enumerate(tags[:16]):
        if not tag:
            yield Problem("missing", f"{field}[{i}]", f"{field}[{i}] is empty")
        yield from language(f"{field}[{i}]", tag)


def relation(row: types_pb2.Relation, _now_ms: int, _dimension: int | None) -> Problems:
    """What is wrong with a relation."""
    yield from identifier("user_id", row.user_id)
    yield from identifier("target_id", row.target_id)
    yield from known("kind", types_pb2.RelationKind, row.kind, required=True)
    if row.user_id and row.user_id == row.target_id:
        yield Problem("contradiction", "target_id", "target_id must not be the user")


def event(row: types_pb2.Event, now_ms: int, _dimension: int | None) -> Problems:
    """What is wrong with an event."""
    yield from identifier("event_id", row.event_id, required=False)
    yield from identifier("viewer_id", row.viewer_id)
    yield from known("kind", types_pb2.EventKind, row.kind, required=True)
    yield from identifier("post_id", row.post_id, required=row.kind not in _AUTHOR_ONLY)
    yield from identifier("author_id", row.author_id, required=row.kind in _AUTHOR_ONLY and not row.post_id)
    if row.kind in _RELATING and row.viewer_id and row.author_id == row.viewer_id:
        yield Problem("contradiction", "author_id", "author_id must not be the viewer")
    yield from identifier("request_id", row.request_id, required=False)
    yield from moment("time_ms", row.time_ms, now_ms)
    yield from known("surface", types_pb2.Surface, row.surface)
    if row.kind == types_pb2.EVENT_KIND_DWELL and not 1 <= row.dwell_ms <= MAX_DWELL_MS:
        yield Problem("out_of_range", "dwell_ms", f"dwell_ms must be 1 to {MAX_DWELL_MS}, not {row.dwell_ms}")
    if row.kind != types_pb2.EVENT_KIND_DWELL and row.dwell_ms:
        yield Problem("contradiction", "dwell_ms", "dwell_ms is only for EVENT_KIND_DWELL")
    if not 0 <= row.position <= MAX_POSITION:
        yield Problem("out_of_range", "position", f"position must be 0 to {MAX_POSITION}, not {row.position}")


def sound(events: EventColumns, now_ms: int) -> NDArray[np.bool_]:
    """Which events surely hold to the contract, bool (n,). `event` has the word on each of the others."""
    ids = (events.event_id, events.viewer_id, events.post_id, events.author_id, events.request_id)
    numbers = events.kind, events.time_ms, events.dwell_ms, events.position, events.surface
    return _sound(tuple(one.length for one in ids), numbers, now_ms + DAY_MS, _DWELL, _NAMES, _SURFACES)


@kernel
def _sound(
    ids: tuple[Int64s, ...],
    numbers: tuple[Int64s, ...],
    newest_ms: int,
    dwell: int,
    names: NDArray[np.int8],
    surfaces: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    event, viewer, post, author, request = ids
    kind, time_ms, dwell_ms, position, surface = numbers
    good = np.zeros(len(kind), np.bool_)
    for i in range(len(kind)):
        wanted = names[kind[i]] if 0 <= kind[i] < len(names) else 0
        named = post[i] > 0 if wanted == 1 else author[i] > 0 or post[i] > 0
        longest = max(event[i], viewer[i], post[i], author[i], request[i])
        stays = kind[i] == dwell
        good[i] = (
            wanted > 0 and named and viewer[i] > 0 and longest <= MAX_ID_BYTES
            and 0 <= time_ms[i] <= newest_ms
            and 0 <= surface[i] < len(surfaces) and surfaces[surface[i]]
            and stays <= dwell_ms[i] <= (MAX_DWELL_MS if stays else 0)
            and 0 <= position[i] <= MAX_POSITION
        )  # fmt: skip
    return good


def preferences(row: controls_pb2.SetPreferencesRequest, _now_ms: int, _dimension: int | None) -> Problems:
    """What is wrong with a viewer's preferences."""
    yield from identifier("viewer_id", row.viewer_id)
    if not row.HasField("preferences"):
        yield Problem(
            "missing", "preferences", "preferences is required; send an empty message for the defaults"
        )
    chosen = row.preferences
    yield from words("preferences.muted_words", chosen.muted_words, 200, MAX_MUTED_WORD)
    for i, word in enumerate(chosen.muted_words):
        if not fold(word).strip():
            field = f"preferences.muted_words[{i}]"
            yield Problem(
                "malformed", field, f"{field} has no letter, digit or emoji: only words can be muted"
            )
    yield from languages("preferences.languages", chosen.languages)
    yield from known("preferences.ai_level", types_pb2.AiLevel, chosen.ai_level)
    yield from words("preferences.hidden_safety_labels", chosen.hidden_safety_labels, 64)
    yield from words("preferences.topics_more", chosen.topics_more, 64)
    yield from words("preferences.topics_less", chosen.topics_less, 64)
    if both := {t.casefold() for t in chosen.topics_more} & {t.casefold() for t in chosen.topics_less}:
        yield Problem(
            "contradiction", "preferences.topics_less", f"topics_less and topics_more both hold {min(both)!r}"
        )


def deletion(row: ingest_pb2.DeletePostsRequest, _now_ms: int, _dimension: int | None) -> Problems:
    """What is wrong with a list of posts to delete."""
    for i, post_id in enumerate(row.post_ids):
        yield from identifier(f"post_ids[{i}]", post_id)


_CHECKS: dict[str, Callable[[Any, int, int | None], Problems]] = {
    types_pb2.Post.DESCRIPTOR.full_name: post,
    types_pb2.User.DESCRIPTOR.full_name: user,
    types_pb2.Relation.DESCRIPTOR.full_name: relation,
    types_pb2.Event.DESCRIPTOR.full_name: event,
    controls_pb2.SetPreferencesRequest.DESCRIPTOR.full_name: preferences,
    ingest_pb2.DeletePostsRequest.DESCRIPTOR.full_name: deletion,
}


def problem_of(row: Any, *, now_ms: int, dimension: int | None) -> Problem | None:
    """The first thing that is wrong with a row, or None.

    `dimension` is the length that a caller's vector must have; None leaves it open.

    >>> problem_of(types_pb2.Post(id="p1"), now_ms=0, dimension=None)
    Problem(code='missing', field='author_id', message='author_id is required')
    """
    return next(_CHECKS[row.DESCRIPTOR.full_name](row, now_ms, dimension), None)


def sift(
    rows: Iterable[Any], *, now_ms: int, dimension: int | None
) -> tuple[list[Any], list[tuple[int, Problem]]]:
    """The rows that hold to the contract, and the index and problem of each that does not."""
    good, bad = [], []
    for i, row in enumerate(rows):
        if (problem := problem_of(row, now_ms=now_ms, dimension=dimension)) is None:
            good.append(row)
        else:
            bad.append((i, problem))
    return good, bad
