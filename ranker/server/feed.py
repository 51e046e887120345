"""The Feed service: decode, call, encode."""

from collections.abc import Callable

import grpc
from feedrank.v1 import feed_pb2, feed_pb2_grpc

from ranker.errors import NotFound
from ranker.follower import Follower
from ranker.metrics import Metrics
from ranker.pipeline import Trace
from ranker.server import decode, encode
from ranker.server.unbuilt import not_built
from ranker.settings import ServerSettings
from ranker.state import NONE
from ranker.timelines import Timelines


class Feed(feed_pb2_grpc.FeedServicer):
    """Ranked posts for a viewer, and the reasons for them."""

    def __init__(
        self,
        timelines: Timelines,
        follower: Follower,
        metrics: Metrics,
        settings: ServerSettings,
        *,
        quality: Callable[[], float] = lambda: 1.0,
        ailing: Callable[[], list[tuple[str, str]]] = list,
    ) -> None:
        """`quality`: the share of candidates that there is time for. `ailing`: what answers lack for now."""
        self._timelines = timelines
        self._follower = follower
        self._metrics = metrics
        self._settings = settings
        self._quality = quality
        self._ailing = ailing

    def GetTimeline(
        self, request: feed_pb2.GetTimelineRequest, context: grpc.ServicerContext
    ) -> feed_pb2.GetTimelineResponse:
        """A page of a timeline."""
        trace = self._trace(context)
        page = self._timelines.page(decode.timeline(request), request.cursor, trace)
        self._metrics.observe(trace)
        self._metrics.count(page.serving)
        return encode.timeline(page, with_probabilities=request.with_probabilities)

    def RankPosts(
        self, request: feed_pb2.RankPostsRequest, context: grpc.ServicerContext
    ) -> feed_pb2.RankPostsResponse:
        """The caller's posts in order."""
        trace = self._trace(context)
        answer = self._timelines.rank_posts(
            decode.rank_posts(request), request.post_ids, apply_filters=request.apply_filters, trace=trace
        )
        self._metrics.observe(trace)
        self._metrics.count(answer.page.serving)
        return encode.ranked(answer, with_probabilities=request.with_probabilities)

    def SimilarPosts(
        self, request: feed_pb2.SimilarPostsRequest, context: grpc.ServicerContext
    ) -> feed_pb2.SimilarPostsResponse:
        """Posts near one post."""
        ask, trace = decode.similar(request), self._trace(context)
        if self._timelines.state.post_ids.slot(request.post_id) == NONE:
            raise NotFound(f"there is no post {request.post_id}: put it first")
        page = self._timelines.similar(ask, trace)
        self._metrics.observe(trace)
        return encode.similar(page)

    def ExplainPost(
        self, request: feed_pb2.ExplainPostRequest, context: grpc.ServicerContext
    ) -> feed_pb2.ExplainPostResponse:
        """Where a post stands, or which filter takes it out."""
        ask = decode.explain(request)
        told = self._timelines.explain(ask, request.post_id, self._trace(context))
        return encode.explanation(told, ask, request.post_id)

    def SearchPosts(
        self, request: feed_pb2.SearchPostsRequest, context: grpc.ServicerContext
    ) -> feed_pb2.SearchPostsResponse:
        """Not built yet."""
        raise not_built("SearchPosts")

    def _trace(self, context: grpc.ServicerContext) -> Trace:
        """The budget of a read that begins when all that workers acknowledged is folded here."""
        trace = decode.trace(context, self._settings.deadline_s)
        trace.quality, trace.aside = self._quality(), self._timelines.aside
        trace.degraded.extend(self._ailing())
        if not self._follower.catch_up(min(self._settings.catch_up_s, trace.left_s)):
            trace.degraded.append(("state", "behind"))
        return trace
