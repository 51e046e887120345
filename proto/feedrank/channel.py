"""How calls are made: each one's deadline and retries, and the channel's options.

Retries are gRPC's own: the service config below tells the channel which calls may be repeated when the
answer is UNAVAILABLE. It waits exponentially longer with jitter, never past the call's deadline, and
repeats nothing for a while when many more calls fail than succeed
(https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from feedrank.v1 import admin_pb2, controls_pb2, feed_pb2, ingest_pb2, privacy_pb2


@dataclass(frozen=True)
class Manner:
    """How a kind of call is made when the caller does not say otherwise."""

    # Seconds from the call to the answer, all attempts together.
    timeout_s: float
    # The wait before the first repetition, give or take jitter; then it doubles. None: never repeated.
    first_wait_s: float | None = None
    # No wait grows above this.
    longest_wait_s: float = 0.0


READ = Manner(timeout_s=2, first_wait_s=0.05, longest_wait_s=0.4)
# Writes are patient: a server that restarts is back within a few seconds.
WRITE = Manner(timeout_s=20, first_wait_s=0.3, longest_wait_s=2.4)
STREAM = Manner(timeout_s=600)
ONCE = Manner(timeout_s=60)

# gRPC makes no more than five, whatever the configuration says.
ATTEMPTS = 5

# A call is known by its request's type. What may be repeated here must be safe to do twice.
MANNERS: Mapping[type[Message], Manner] = {
    feed_pb2.GetTimelineRequest: READ,
    feed_pb2.RankPostsRequest: READ,
    feed_pb2.SimilarPostsRequest: READ,
    feed_pb2.SearchPostsRequest: READ,
    feed_pb2.ExplainPostRequest: READ,
    ingest_pb2.PutPostsRequest: WRITE,
    ingest_pb2.DeletePostsRequest: WRITE,
    ingest_pb2.PutUsersRequest: WRITE,
    ingest_pb2.PutRelationsRequest: WRITE,
    # The client gives an id to each event that has none.
    ingest_pb2.RecordEventsRequest: WRITE,
    ingest_pb2.StreamEventsRequest: STREAM,
    controls_pb2.SetPreferencesRequest: WRITE,
    controls_pb2.GetPreferencesRequest: READ,
    controls_pb2.ResetProfileRequest: ONCE,
    privacy_pb2.EraseUserRequest: ONCE,
    privacy_pb2.ExportUserRequest: ONCE,
    admin_pb2.StatusRequest: READ,
    admin_pb2.ListModelsRequest: READ,
    admin_pb2.ActivateModelRequest: ONCE,
    admin_pb2.GetExperimentRequest: READ,
    admin_pb2.RollbackModelRequest: ONCE,
    admin_pb2.SetShadowModelRequest: ONCE,
    admin_pb2.StartExperimentRequest: ONCE,
    admin_pb2.StopExperimentRequest: ONCE,
    admin_pb2.TakeSnapshotRequest: ONCE,
}


@dataclass(frozen=True)
class Rpc:
    """A call of the contract: its service ("feedrank.v1.Feed"), name, answer, manner and way of sending."""

    service: str
    name: str
    answer: type[Message]
    manner: Manner
    streams: bool

    @property
    def path(self) -> str:
        """Its address on the wire."""
        return f"/{self.service}/{self.name}"


def rpc_of(request: type[Message]) -> Rpc:
    """The call that a request belongs to; the contract's lint makes sure that there is just one.

    >>> rpc_of(feed_pb2.GetTimelineRequest).path
    '/feedrank.v1.Feed/GetTimeline'
    """
    services = request.DESCRIPTOR.file.services_by_name.values()
    [method] = [m for s in services for m in s.methods if m.input_type is request.DESCRIPTOR]
    answer = GetMessageClass(method.output_type)  # type: ignore[arg-type]  # stubs: two kinds of Descriptor
    return Rpc(
        method.containing_service.full_name, method.name, answer, MANNERS[request], method.client_streaming
    )


RPCS: Mapping[type[Message], Rpc] = {request: rpc_of(request) for request in MANNERS}


def service_config() -> str:
    """gRPC's service config, JSON: the retry policy of each call that may be repeated."""
    policies = [_method_config(rpc) for rpc in RPCS.values() if rpc.manner.first_wait_s is not None]
    return json.dumps({"methodConfig": policies, "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5}})


def _method_config(rpc: Rpc) -> dict[str, Any]:
    return {
        "name": [{"service": rpc.service, "method": rpc.name}],
        "retryPolicy": {
            "maxAttempts": ATTEMPTS,
            "initialBackoff": f"{rpc.manner.first_wait_s}s",
            "maxBackoff": f"{rpc.manner.longest_wait_s}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }


def options() -> list[tuple[str, str | int]]:
    """The channel's options; the reason beside each."""
    return [
        ("grpc.service_config", service_config()),
        # Else all clients of a process share one connection, and with it one of the server's workers.
        ("grpc.use_local_subchannel_pool", 1),
        # An answer of 1,000 posts with every probability is a few MiB; gRPC's own limit is 4.
        ("grpc.max_send_message_length", 64 * 2**20),
        ("grpc.max_receive_message_length", 64 * 2**20),
        # gRPC repeats only what fits in this buffer, by default 256 KiB; a full batch is 4 MiB.
        ("grpc.per_rpc_retry_buffer_size", 8 * 2**20),
        # Notices a peer that went silent during a call. Servers hang up on those who ping much more often.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # A server that restarts is found again soon; gRPC's own waits are 1 to 120 seconds.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]
