"""feedrank's contract and client.

    import feedrank

    with feedrank.Client("localhost:50051") as client:
        client.put_posts([feedrank.Post(id="p1", author_id="ben", text="A walk by the sea.")])
        client.record_events([feedrank.event("ana", "like", "p1")])
        for post in client.timeline("ana", surface="for_you").posts:
            print(post.post_id, post.reason.text)

The messages are the contract's own (feedrank/v1/*.proto describes each field); `feedrank.errors` draws the
errors.
"""

from feedrank.batches import Written
from feedrank.client import AsyncClient, Client
from feedrank.errors import (
    CursorExpired,
    DeadlineExceeded,
    Error,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Rejected,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from feedrank.names import event, name, names, number, relation
from feedrank.v1.admin_pb2 import (
    ActivateModelResponse,
    Experiment,
    ExperimentVariant,
    Model,
    RollbackModelResponse,
    SetShadowModelResponse,
    StartExperimentResponse,
    StatusResponse,
    StopExperimentResponse,
    TakeSnapshotResponse,
)
from feedrank.v1.feed_pb2 import (
    ExplainPostResponse,
    GetTimelineResponse,
    Ordering,
    RankedPost,
    RankPostsResponse,
    SearchPostsResponse,
    SimilarPostsResponse,
    Standing,
)
from feedrank.v1.privacy_pb2 import EraseUserResponse, ExportUserResponse
from feedrank.v1.types_pb2 import (
    AiLevel,
    Degraded,
    Event,
    EventKind,
    Media,
    MediaKind,
    Post,
    Preferences,
    Provenance,
    RejectedRow,
    Relation,
    RelationKind,
    Surface,
    User,
)

__all__ = [
    "ActivateModelResponse",
    "AiLevel",
    "AsyncClient",
    "Client",
    "CursorExpired",
    "DeadlineExceeded",
    "Degraded",
    "EraseUserResponse",
    "Error",
    "Event",
    "EventKind",
    "Experiment",
    "ExperimentVariant",
    "ExplainPostResponse",
    "ExportUserResponse",
    "FailedPrecondition",
    "GetTimelineResponse",
    "InvalidArgument",
    "Media",
    "MediaKind",
    "Model",
    "NotFound",
    "Ordering",
    "PermissionDenied",
    "Post",
    "Preferences",
    "Provenance",
    "RankPostsResponse",
    "RankedPost",
    "Rejected",
    "RejectedRow",
    "Relation",
    "RelationKind",
    "ResourceExhausted",
    "RollbackModelResponse",
    "SearchPostsResponse",
    "SetShadowModelResponse",
    "SimilarPostsResponse",
    "Standing",
    "StartExperimentResponse",
    "StatusResponse",
    "StopExperimentResponse",
    "Surface",
    "TakeSnapshotResponse",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "User",
    "Written",
    "event",
    "name",
    "names",
    "number",
    "relation",
]
