"""Every call of the contract, written once: what is asked, and what is made of the answer.

A call is a generator that yields what to ask, is sent the answer and returns the result. It neither sends nor
waits: `Client` and `AsyncClient` drive it, each in its own way (the model: httpx's auth flow).

`timeout` is in seconds and for one message to the server, retries included; without it the call's own
deadline counts (README.md has the table). A field that is left out has the meaning that the contract gives
to its default. Where an enum's value is expected, its short name does as well: "for_you", "chronological".

>>> call = timeline("ana", surface="following")
>>> next(call).request.viewer_id
'ana'
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from uuid import uuid4

from google.protobuf.message import Message

from feedrank.batches import Row, Written, cut
from feedrank.errors import Error
from feedrank.names import number
from feedrank.v1.admin_pb2 import (
    ActivateModelRequest,
    ActivateModelResponse,
    Experiment,
    ExperimentVariant,
    GetExperimentRequest,
    GetExperimentResponse,
    ListModelsRequest,
    ListModelsResponse,
    Model,
    RollbackModelRequest,
    RollbackModelResponse,
    SetShadowModelRequest,
    SetShadowModelResponse,
    StartExperimentRequest,
    StartExperimentResponse,
    StatusRequest,
    StatusResponse,
    StopExperimentRequest,
    StopExperimentResponse,
    TakeSnapshotRequest,
    TakeSnapshotResponse,
)
from feedrank.v1.controls_pb2 import (
    GetPreferencesRequest,
    GetPreferencesResponse,
    ResetProfileRequest,
    ResetProfileResponse,
    SetPreferencesRequest,
    SetPreferencesResponse,
)
from feedrank.v1.feed_pb2 import (
    ExplainPostRequest,
    ExplainPostResponse,
    GetTimelineRequest,
    GetTimelineResponse,
    Ordering,
    RankPostsRequest,
    RankPostsResponse,
    SearchPostsRequest,
    SearchPostsResponse,
    SimilarPostsRequest,
    SimilarPostsResponse,
)
from feedrank.v1.ingest_pb2 import (
    DeletePostsRequest,
    DeletePostsResponse,
    PutPostsRequest,
    PutPostsResponse,
    PutRelationsRequest,
    PutRelationsResponse,
    PutUsersRequest,
    PutUsersResponse,
    RecordEventsRequest,
    RecordEventsResponse,
    StreamEventsRequest,
    StreamEventsResponse,
)
from feedrank.v1.privacy_pb2 import EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse
from feedrank.v1.types_pb2 import Event, Post, Preferences, Relation, Surface, User


@dataclass(frozen=True)
class Ask:
    """A message for the server. `timeout_s` None: the call's own deadline."""

    request: Message
    timeout_s: float | None


R = TypeVar("R")
A = TypeVar("A", bound=Message)
Call: TypeAlias = Generator[Ask, Message, R]


# The answers that say what became of the rows.
WriteAnswer: TypeAlias = (
    PutPostsResponse | DeletePostsResponse | PutUsersResponse | PutRelationsResponse | RecordEventsResponse
)


# Feed


def timeline(
    viewer_id: str,
    *,
    surface: Surface.ValueType | str = Surface.SURFACE_UNSPECIFIED,
    size: int = 0,
    cursor: str = "",
    community_id: str = "",
    ordering: Ordering.ValueType | str = Ordering.ORDERING_UNSPECIFIED,
    include_seen: bool = False,
    with_probabilities: bool = False,
    at_ms: int = 0,
    timeout: float | None = None,
) -> Call[GetTimelineResponse]:
    """A page of ranked posts, best first; its `cursor` asks for the next one. CursorExpired: start again."""
    request = GetTimelineRequest(
        viewer_id=viewer_id,
        surface=number(Surface, surface),
        size=size,
        cursor=cursor,
        community_id=community_id,
        ordering=number(Ordering, ordering),
        include_seen=include_seen,
        with_probabilities=with_probabilities,
        at_ms=at_ms,
    )
    return (yield from _ask(request, GetTimelineResponse, timeout))


def rank_posts(
    viewer_id: str,
    post_ids: Iterable[str],
    *,
    apply_filters: bool = False,
    with_probabilities: bool = False,
    at_ms: int = 0,
    timeout: float | None = None,
) -> Call[RankPostsResponse]:
    """The caller's own candidates, at most 1,000, in their order for a viewer."""
    request = RankPostsRequest(
        viewer_id=viewer_id,
        post_ids=[post_id for batch in cut(post_ids) for post_id in batch],
        apply_filters=apply_filters,
        with_probabilities=with_probabilities,
        at_ms=at_ms,
    )
    return (yield from _ask(request, RankPostsResponse, timeout))


def similar_posts(
    post_id: str, *, viewer_id: str = "", size: int = 0, timeout: float | None = None
) -> Call[SimilarPostsResponse]:
    """Posts whose vectors are nearest to one post's."""
    request = SimilarPostsRequest(post_id=post_id, viewer_id=viewer_id, size=size)
    return (yield from _ask(request, SimilarPostsResponse, timeout))


def search_posts(
    query: str, *, viewer_id: str = "", size: int = 0, timeout: float | None = None
) -> Call[SearchPostsResponse]:
    """Posts that answer a question."""
    request = SearchPostsRequest(query=query, viewer_id=viewer_id, size=size)
    return (yield from _ask(request, SearchPostsResponse, timeout))


def explain_post(
    viewer_id: str,
    post_id: str,
    *,
    surface: Surface.ValueType | str = Surface.SURFACE_UNSPECIFIED,
    size: int = 0,
    community_id: str = "",
    include_seen: bool = False,
    at_ms: int = 0,
    timeout: float | None = None,
) -> Call[ExplainPostResponse]:
    """Where a post stands for a viewer, or which filter takes it out."""
    request = ExplainPostRequest(
        viewer_id=viewer_id,
        post_id=post_id,
        surface=number(Surface, surface),
        size=size,
        community_id=community_id,
        include_seen=include_seen,
        at_ms=at_ms,
    )
    return (yield from _ask(request, ExplainPostResponse, timeout))


# Ingest


def put_posts(posts: Iterable[Post], *, timeout: float | None = None) -> Call[Written]:
    """Adds posts, or replaces those whose id is known."""
    return _write(posts, lambda rows: PutPostsRequest(posts=rows), PutPostsResponse, timeout)


def delete_posts(post_ids: Iterable[str], *, timeout: float | None = None) -> Call[Written]:
    """Deletes posts; unknown ids are accepted."""
    return _write(post_ids, lambda rows: DeletePostsRequest(post_ids=rows), DeletePostsResponse, timeout)


def put_users(users: Iterable[User], *, timeout: float | None = None) -> Call[Written]:
    """Adds users, or replaces what was put of them before."""
    return _write(users, lambda rows: PutUsersRequest(users=rows), PutUsersResponse, timeout)


def put_relations(relations: Iterable[Relation], *, timeout: float | None = None) -> Call[Written]:
    """Sets or removes follows, blocks and mutes, in the order given."""
    return _write(relations, lambda rows: PutRelationsRequest(relations=rows), PutRelationsResponse, timeout)


def record_events(events: Iterable[Event], *, timeout: float | None = None) -> Call[Written]:
    """Records what viewers did. An event without an id gets one, so that a retry can't count it twice.

    The caller's events are left as they are: who wants to repeat a whole call safely gives ids of his own.
    """
    return _write(
        events, lambda rows: _with_ids(RecordEventsRequest(events=rows)), RecordEventsResponse, timeout
    )


def stream_batch(events: list[Event]) -> StreamEventsRequest:
    """One message of a stream; an event without an id gets one."""
    return _with_ids(StreamEventsRequest(events=events))


def stream_result(answer: StreamEventsResponse) -> Written:
    """What became of a stream's events; the server has counted the rows from the start of the stream."""
    result = answer.result
    return Written(
        rows=result.accepted + answer.rejected_count,
        accepted=result.accepted,
        rejected=tuple(result.rejected),
        rejected_count=answer.rejected_count,
        entry_ids=(result.entry_id,) if result.entry_id else (),
        visible=result.visible or not result.accepted,
    )


# Controls


def set_preferences(
    viewer_id: str, preferences: Preferences, *, timeout: float | None = None
) -> Call[Written]:
    """Replaces a viewer's preferences, all of them; an empty message restores the defaults."""
    request = SetPreferencesRequest(viewer_id=viewer_id, preferences=preferences)
    answer = yield from _ask(request, SetPreferencesResponse, timeout)
    return Written().then(answer.result, rows=1)


def get_preferences(viewer_id: str, *, timeout: float | None = None) -> Call[Preferences]:
    """The preferences in force for a viewer."""
    answer = yield from _ask(GetPreferencesRequest(viewer_id=viewer_id), GetPreferencesResponse, timeout)
    return answer.preferences


def reset_profile(viewer_id: str, *, timeout: float | None = None) -> Call[Written]:
    """Forgets what was learned about a viewer."""
    answer = yield from _ask(ResetProfileRequest(viewer_id=viewer_id), ResetProfileResponse, timeout)
    return Written().then(answer.result, rows=1)


# Privacy


def erase_user(user_id: str, *, now: bool = False, timeout: float | None = None) -> Call[EraseUserResponse]:
    """Removes a person from everything that is stored. `now`: answer when no file has a byte of theirs."""
    request = EraseUserRequest(user_id=user_id, now=now)
    return (yield from _ask(request, EraseUserResponse, timeout))


def export_user(
    user_id: str, *, page_token: str = "", timeout: float | None = None
) -> Call[ExportUserResponse]:
    """A page of everything that is held on a person; `document` is JSON, `next_page_token` continues it."""
    request = ExportUserRequest(user_id=user_id, page_token=page_token)
    return (yield from _ask(request, ExportUserResponse, timeout))


# Admin


def status(*, timeout: float | None = None) -> Call[StatusResponse]:
    """How the server is: sizes, lag, model, memory."""
    return (yield from _ask(StatusRequest(), StatusResponse, timeout))


def list_models(*, timeout: float | None = None) -> Call[list[Model]]:
    """The bundles in the models folder, newest first."""
    answer = yield from _ask(ListModelsRequest(), ListModelsResponse, timeout)
    return list(answer.models)


def activate_model(version: str, *, timeout: float | None = None) -> Call[ActivateModelResponse]:
    """Puts a bundle into service; "prior" for none."""
    return (yield from _ask(ActivateModelRequest(version=version), ActivateModelResponse, timeout))


def rollback_model(*, timeout: float | None = None) -> Call[RollbackModelResponse]:
    """Puts the model before this one back; once more goes further back. FailedPrecondition: there is none."""
    return (yield from _ask(RollbackModelRequest(), RollbackModelResponse, timeout))


def set_shadow_model(version: str, *, timeout: float | None = None) -> Call[SetShadowModelResponse]:
    """Has a bundle score what others serve, for the log only; an empty version ends it."""
    return (yield from _ask(SetShadowModelRequest(version=version), SetShadowModelResponse, timeout))


def start_experiment(
    name: str, variants: Iterable[ExperimentVariant], *, timeout: float | None = None
) -> Call[StartExperimentResponse]:
    """Gives each viewer the model of a variant. FailedPrecondition: another experiment runs."""
    request = StartExperimentRequest(name=name, variants=variants)
    return (yield from _ask(request, StartExperimentResponse, timeout))


def stop_experiment(name: str, *, timeout: float | None = None) -> Call[StopExperimentResponse]:
    """Ends the experiment of this name: the active model serves all viewers again."""
    return (yield from _ask(StopExperimentRequest(name=name), StopExperimentResponse, timeout))


def get_experiment(*, timeout: float | None = None) -> Call[Experiment | None]:
    """The experiment that runs, if one does."""
    answer = yield from _ask(GetExperimentRequest(), GetExperimentResponse, timeout)
    return answer.experiment if answer.HasField("experiment") else None


def take_snapshot(*, timeout: float | None = None) -> Call[TakeSnapshotResponse]:
    """Writes a snapshot now."""
    return (yield from _ask(TakeSnapshotRequest(), TakeSnapshotResponse, timeout))


def _ask(request: Message, answer: type[A], timeout: float | None) -> Call[A]:
    message = yield Ask(request, timeout)
    if not isinstance(message, answer):
        raise TypeError(f"{type(request).__name__} was answered by a {type(message).__name__}.")
    return message


def _write(
    rows: Iterable[Row],
    request: Callable[[list[Row]], Message],
    answer: type[WriteAnswer],
    timeout: float | None,
) -> Call[Written]:
    """Row after row in as many messages as it takes; an error says what was written before it."""
    written = Written()
    for batch in cut(rows):
        try:
            reply = yield from _ask(request(batch), answer, timeout)
        except Error as error:
            error.written = written
            raise
        written = written.then(reply.result, rows=len(batch))
    return written


E = TypeVar("E", RecordEventsRequest, StreamEventsRequest)


def _with_ids(request: E) -> E:
    for event in request.events:
        event.event_id = event.event_id or str(uuid4())
    return request
