"""Requests of the contract as feedrank's own values. A wrong field is an InvalidArgument that names it."""

import re
from collections.abc import Sequence
from typing import Any

import grpc
from feedrank.v1 import admin_pb2, feed_pb2, types_pb2

from ranker import checks
from ranker.errors import InvalidArgument
from ranker.experiments import BUCKETS, MAX_VARIANTS, MIN_VARIANTS, NAME_PATTERN
from ranker.journal import now_ms
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.timelines import deadline_in

DEFAULT_SIZE = 20
MAX_SIZE = 200
MAX_RANKED = 1_000
_FOREVER_S = 1e9
"""What gRPC says remains of a call without a deadline is more than this."""


def refuse(problems: checks.Problems) -> None:
    """Raise the first problem."""
    for problem in problems:
        raise InvalidArgument(problem.field, problem.message)


def trace(context: grpc.ServicerContext, default_s: float) -> Trace:
    """The budget of a call: the caller's deadline, or the default when there is none."""
    remaining = context.time_remaining()
    seconds = remaining if remaining is not None and remaining < _FOREVER_S else default_s
    return Trace(deadline=deadline_in(seconds), gone=lambda: not context.is_active())


def timeline(request: feed_pb2.GetTimelineRequest) -> Ask:
    """The question that GetTimeline asks."""
    refuse(checks.identifier("viewer_id", request.viewer_id))
    return _of_surface(request)


def explain(request: feed_pb2.ExplainPostRequest) -> Ask:
    """The question that ExplainPost asks."""
    refuse(checks.identifier("viewer_id", request.viewer_id))
    refuse(checks.identifier("post_id", request.post_id))
    return _of_surface(request)


def rank_posts(request: feed_pb2.RankPostsRequest) -> Ask:
    """The question that RankPosts asks."""
    refuse(checks.identifier("viewer_id", request.viewer_id))
    batch("post_ids", request.post_ids, MAX_RANKED)
    for i, post_id in enumerate(request.post_ids):
        refuse(checks.identifier(f"post_ids[{i}]", post_id))
    if len(set(request.post_ids)) < len(request.post_ids):
        raise InvalidArgument("post_ids", "post_ids names a post twice: each must be different")
    return Ask(request.viewer_id, _moment(request.at_ms), size=len(request.post_ids))


def similar(request: feed_pb2.SimilarPostsRequest) -> Ask:
    """The question that SimilarPosts asks."""
    refuse(checks.identifier("post_id", request.post_id))
    refuse(checks.identifier("viewer_id", request.viewer_id, required=False))
    return Ask(
        viewer_id=request.viewer_id,
        now_ms=now_ms(),
        surface=types_pb2.SURFACE_SIMILAR,
        size=_size(request.size),
        near_id=request.post_id,
    )


def experiment(request: admin_pb2.StartExperimentRequest) -> None:
    """Check an experiment and its variants."""
    _plain_name("name", request.name)
    names = [one.name for one in request.variants]
    if not MIN_VARIANTS <= len(names) <= MAX_VARIANTS:
        raise InvalidArgument(
            "variants", f"variants has {len(names)} entries: give {MIN_VARIANTS} to {MAX_VARIANTS}"
        )
    for i, one in enumerate(request.variants):
        _plain_name(f"variants[{i}].name", one.name)
        refuse(checks.identifier(f"variants[{i}].model_version", one.model_version))
        if not 1 <= (share := one.share_basis_points) < BUCKETS:
            field = f"variants[{i}].share_basis_points"
            raise InvalidArgument(field, f"{field} must be 1 to {BUCKETS - 1}, not {share}")
    if len(set(names)) < len(names):
        raise InvalidArgument("variants", "variants names one twice: each must be different")
    if (total := sum(one.share_basis_points for one in request.variants)) != BUCKETS:
        raise InvalidArgument("variants", f"the shares of variants add up to {total}: make it {BUCKETS}")


def _plain_name(field: str, value: str) -> None:
    refuse(checks.identifier(field, value))
    if not re.fullmatch(NAME_PATTERN, value):
        raise InvalidArgument(
            field, f"{field} must be up to 64 letters, digits, dots, hyphens and underscores, not {value!r}"
        )


def batch(field: str, rows: Sequence[Any], most: int = checks.MAX_BATCH) -> None:
    """Check a batch's length."""
    if not rows:
        raise InvalidArgument(field, f"{field} is empty: send 1 to {most}")
    if len(rows) > most:
        raise InvalidArgument(field, f"{field} has {len(rows)} entries: send at most {most} a call")


def _of_surface(request: feed_pb2.GetTimelineRequest | feed_pb2.ExplainPostRequest) -> Ask:
    refuse(checks.known("ordering", feed_pb2.Ordering, request.ordering))
    chronological = request.ordering == feed_pb2.ORDERING_CHRONOLOGICAL
    surface = _surface(request.surface, request.community_id)
    if chronological and surface != types_pb2.SURFACE_FOLLOWING:
        raise InvalidArgument("ordering", "ordering can be chronological only for SURFACE_FOLLOWING")
    return Ask(
        viewer_id=request.viewer_id,
        now_ms=_moment(request.at_ms),
        surface=surface,
        size=_size(request.size),
        community_id=request.community_id,
        chronological=chronological,
        include_seen=request.include_seen,
    )


def _surface(surface: int, community_id: str) -> int:
    refuse(checks.known("surface", types_pb2.Surface, surface))
    refuse(checks.identifier("community_id", community_id, required=surface == types_pb2.SURFACE_COMMUNITY))
    if community_id and surface != types_pb2.SURFACE_COMMUNITY:
        raise InvalidArgument("community_id", "community_id is only for SURFACE_COMMUNITY")
    if surface == types_pb2.SURFACE_SIMILAR:
        raise InvalidArgument("surface", "surface SURFACE_SIMILAR is asked for with SimilarPosts")
    return surface or types_pb2.SURFACE_FOR_YOU


def _size(size: int) -> int:
    if not 0 <= size <= MAX_SIZE:
        raise InvalidArgument("size", f"size must be 1 to {MAX_SIZE}, or 0 for {DEFAULT_SIZE}, not {size}")
    return size or DEFAULT_SIZE


def _moment(at_ms: int) -> int:
    now = now_ms()
    refuse(checks.moment("at_ms", at_ms, now))
    return at_ms or now
