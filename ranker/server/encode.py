"""feedrank's own values as answers of the contract."""

import math
from collections.abc import Iterable, Sequence

from feedrank.v1 import feed_pb2, types_pb2

from ranker import features, heads
from ranker.checks import Problem
from ranker.pipeline import Trace
from ranker.query import Ask
from ranker.timelines import Explanation, Page, Ranked


def timeline(page: Page, *, with_probabilities: bool) -> feed_pb2.GetTimelineResponse:
    """A page of a timeline."""
    answer = feed_pb2.GetTimelineResponse(
        request_id=page.request_id,
        cursor=page.cursor,
        model_version=page.model_version,
        experiment_variant=page.serving.variant,
        degraded=degraded(page.trace),
    )
    for row in range(len(page.placed)):  # filled where they stand: a list of posts would be copied
        _fill(answer.posts.add(), page, row, with_probabilities=with_probabilities)
    return answer


def ranked(answer: Ranked, *, with_probabilities: bool) -> feed_pb2.RankPostsResponse:
    """The caller's posts in order."""
    page = answer.page
    message = feed_pb2.RankPostsResponse(
        request_id=page.request_id,
        unknown_post_ids=answer.unknown,
        removed=[feed_pb2.RemovedPost(post_id=post, filter=name) for post, name in answer.removed],
        model_version=page.model_version,
        experiment_variant=page.serving.variant,
        degraded=degraded(page.trace),
    )
    for row in range(len(page.placed)):
        _fill(message.posts.add(), page, row, with_probabilities=with_probabilities)
    return message


def similar(page: Page) -> feed_pb2.SimilarPostsResponse:
    """Posts near one post."""
    answer = feed_pb2.SimilarPostsResponse(request_id=page.request_id, degraded=degraded(page.trace))
    for row in range(len(page.placed)):
        _fill(answer.posts.add(), page, row, with_probabilities=False)
    return answer


def explanation(told: Explanation, ask: Ask, post_id: str) -> feed_pb2.ExplainPostResponse:
    """Where a post stands."""
    standing, text = _standing(told, ask, post_id)
    answer = feed_pb2.ExplainPostResponse(
        request_id=told.request_id,
        standing=standing,
        text=text,
        filters=[name for name, _ in told.filters],
        sources=told.sources,
        features=_features(told.values),
        model_version=told.model_version,
        degraded=degraded(told.trace),
    )
    if told.page:
        _fill(answer.post, told.page, 0, with_probabilities=True)
    return answer


def _standing(told: Explanation, ask: Ask, post_id: str) -> tuple[feed_pb2.Standing.ValueType, str]:
    if not told.known:
        return feed_pb2.STANDING_UNKNOWN, f"feedrank has no post {post_id}."
    place = told.page.first_place + 1 if told.page else 0
    if told.filters:
        why = " ".join(what for _, what in told.filters)
        otherwise = f" Otherwise it would stand at {place}." if place else ""
        return feed_pb2.STANDING_REMOVED, f"It is not shown: {why}{otherwise}"
    if told.page is None:
        return feed_pb2.STANDING_REMOVED, "It is not shown: a post that ranks higher says the same."
    if not told.sources:
        return (
            feed_pb2.STANDING_NOT_RETRIEVED,
            f"No source brought it; it would stand at {place} of the whole order.",
        )
    if told.cut:
        return (
            feed_pb2.STANDING_OUTRANKED,
            f"Too many posts looked better at first sight, so it is not scored; it would stand at {place}.",
        )
    if place <= ask.size:
        return feed_pb2.STANDING_SHOWN, f"It stands at {place} of the first page."
    return feed_pb2.STANDING_OUTRANKED, f"It stands at {place}; the first page has {ask.size}."


def _features(values: Sequence[float]) -> list[feed_pb2.FeatureValue]:
    return [
        feed_pb2.FeatureValue(
            name=feature.name,
            meaning=f"{feature.meaning} ({feature.unit})",
            value=None if math.isnan(value) else value,
        )
        for feature, value in zip(features.FEATURES, values, strict=False)
    ]


def _fill(message: feed_pb2.RankedPost, page: Page, row: int, *, with_probabilities: bool) -> None:
    """One post of an answer."""
    one, reason = page.placed[row], message.reason  # each look at a message within makes an object
    message.post_id = one.post_id
    message.author_id = one.author_id
    message.score = page.ranking.scored.score[row]
    message.position = page.first_place + row
    message.source = one.source
    reason.code, reason.text = one.reason.code, one.reason.text
    if one.reason.user_ids:
        reason.user_ids.extend(one.reason.user_ids)
    if one.reason.post_ids:
        reason.post_ids.extend(one.reason.post_ids)
    if with_probabilities:
        _explain_score(message, page, row)


def _explain_score(message: feed_pb2.RankedPost, page: Page, row: int) -> None:
    scored = page.ranking.scored
    message.probabilities.extend(
        feed_pb2.HeadProbability(head=name, probability=p)
        for name, p in zip(heads.NAMES, scored.probabilities[row].tolist(), strict=True)
    )
    message.factors.extend(
        feed_pb2.Factor(name=name, value=values[row])
        for name, values in scored.multipliers.items()
        if values[row] != 1
    )


def degraded(trace: Trace) -> list[types_pb2.Degraded]:
    """What was not as it should be."""
    return [types_pb2.Degraded(stage=stage, reason=reason) for stage, reason in trace.degraded]


def written(
    accepted: int, bad: Iterable[tuple[int, Problem]], entry_id: str, *, visible: bool
) -> types_pb2.WriteResult:
    """What became of a batch."""
    rejected = [types_pb2.RejectedRow(index=i, code=p.code, field=p.field, message=p.message) for i, p in bad]
    return types_pb2.WriteResult(accepted=accepted, rejected=rejected, entry_id=entry_id, visible=visible)
