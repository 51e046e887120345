"""The contract's enum values by short names such as "like" and "for_you", and constructors that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from feedrank.errors import InvalidArgument
from feedrank.v1.types_pb2 import Event, EventKind, Relation, RelationKind, Surface

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

V = TypeVar("V", bound=int)


def number(enum: _EnumTypeWrapper[V], value: V | str) -> V:
    """The enum's number for a short name; a number passes as it is. An unknown name is an InvalidArgument.

    >>> number(EventKind, "profile_click") == EventKind.EVENT_KIND_PROFILE_CLICK
    True
    >>> number(Surface, "home")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    feedrank.errors.InvalidArgument: Surface has no "home": give for_you, following, discover, ...
    """
    if not isinstance(value, str):
        return value
    try:
        return enum.Value(_prefix(enum) + value.upper())
    except ValueError as error:
        *most, last = names(enum)
        choice = f"{', '.join(most)} or {last}"
        raise InvalidArgument(f'{enum.DESCRIPTOR.name} has no "{value}": give {choice}.') from error


def name(enum: _EnumTypeWrapper[V], value: V) -> str:
    """The short name of an enum's number.

    >>> name(RelationKind, RelationKind.RELATION_KIND_FOLLOW)
    'follow'
    """
    return enum.Name(value).removeprefix(_prefix(enum)).lower()


def names(enum: _EnumTypeWrapper[V]) -> tuple[str, ...]:
    """All short names of an enum, in the contract's order, without "unspecified".

    >>> names(RelationKind)
    ('follow', 'block', 'mute')
    """
    return tuple(name(enum, value) for value in enum.values() if value)


def event(
    viewer_id: str,
    kind: EventKind.ValueType | str,
    post_id: str = "",
    *,
    author_id: str = "",
    event_id: str = "",
    time_ms: int = 0,
    dwell_ms: int = 0,
    undo: bool = False,
    request_id: str = "",
    position: int = 0,
    surface: Surface.ValueType | str = Surface.SURFACE_UNSPECIFIED,
) -> Event:
    """An Event, its fields as in the contract; `kind` and `surface` may be names.

    >>> event("ana", "like", "post-1", surface="for_you").kind == EventKind.EVENT_KIND_LIKE
    True
    """
    return Event(
        viewer_id=viewer_id,
        kind=number(EventKind, kind),
        post_id=post_id,
        author_id=author_id,
        event_id=event_id,
        time_ms=time_ms,
        dwell_ms=dwell_ms,
        undo=undo,
        request_id=request_id,
        position=position,
        surface=number(Surface, surface),
    )


def relation(
    user_id: str, kind: RelationKind.ValueType | str, target_id: str, *, remove: bool = False
) -> Relation:
    """A Relation: user, "follow", "block" or "mute", target.

    >>> relation("ana", "follow", "ben").target_id
    'ben'
    """
    return Relation(user_id=user_id, kind=number(RelationKind, kind), target_id=target_id, remove=remove)


def _prefix(enum: _EnumTypeWrapper[V]) -> str:
    return enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
