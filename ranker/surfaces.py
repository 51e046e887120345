"""The surfaces: what each kind of timeline is made of. The lists are the documentation; order counts."""

from dataclasses import replace

from feedrank.v1 import types_pb2

from ranker import factors, filters, light, selection, sources
from ranker.pipeline import Pipeline, Source
from ranker.query import Ask

_ALWAYS = (
    filters.deleted,
    filters.from_the_future,
    filters.blocked_author,
    filters.muted_author,
    filters.muted_words,
    filters.hidden,
    filters.safety_label,
    filters.ai_content,
    filters.other_language,
    filters.shown,
)
"""No timeline shows these. `duplicate` comes after all others: what it keeps must not be removed by them."""

_CHOSEN = (factors.fatigue, factors.chosen_topics, factors.ai_level)
_TASTE = (*_CHOSEN, factors.seen_before)

FOR_YOU = Pipeline(
    sources=(
        Source(sources.in_network, 300),
        Source(sources.social_proof, 100),
        Source(sources.interests, 200),
        Source(sources.co_engagement, 100),
        Source(sources.trending, 180),
        Source(sources.fresh, 100),
    ),
    filters=(
        *_ALWAYS,
        filters.too_old,
        filters.own_posts,
        filters.without_context,
        filters.duplicate,
    ),
    once=(filters.seen, filters.served),
    factors=(factors.out_of_network, *_TASTE),
    order=selection.explored,
    light=light.value,
)

FOLLOWING = Pipeline(
    sources=(Source(sources.in_network, 600),),
    filters=(*_ALWAYS, filters.too_old, filters.own_posts, filters.without_context, filters.duplicate),
    once=(filters.seen, filters.served),
    factors=_TASTE,
)

FOLLOWING_NEWEST = replace(FOLLOWING, once=(), order=selection.newest_first)
"""By time alone, and complete: what was seen stays in its place."""

DISCOVER = Pipeline(
    sources=(
        Source(sources.interests, 300),
        Source(sources.co_engagement, 150),
        Source(sources.trending, 150),
        Source(sources.fresh, 100),
    ),
    filters=(
        *_ALWAYS,
        filters.too_old,
        filters.own_posts,
        filters.followed_author,
        filters.without_context,
        filters.duplicate,
    ),
    once=(filters.seen, filters.served),
    factors=_TASTE,
    order=selection.explored,
    light=light.value,
)

COMMUNITY = Pipeline(
    sources=(Source(sources.community, 500),),
    filters=(
        *_ALWAYS,
        filters.own_posts,
        filters.other_community,
        filters.without_context,
        filters.duplicate,
    ),
    once=(filters.seen, filters.served),
    factors=_TASTE,
)

SIMILAR = Pipeline(
    sources=(Source(sources.similar, 300),),
    filters=(*_ALWAYS, filters.without_context, filters.duplicate),
    once=(),
    factors=(),
    order=selection.nearest_first,
)

CALLER = Pipeline(
    sources=(),
    filters=(*_ALWAYS, filters.duplicate),
    once=(),
    factors=_CHOSEN,
    order=selection.best_first,
)
"""For RankPosts: the caller is the source, and knows what the viewer has met."""

SURFACES: dict[int, Pipeline] = {
    types_pb2.SURFACE_FOR_YOU: FOR_YOU,
    types_pb2.SURFACE_FOLLOWING: FOLLOWING,
    types_pb2.SURFACE_DISCOVER: DISCOVER,
    types_pb2.SURFACE_COMMUNITY: COMMUNITY,
    types_pb2.SURFACE_SIMILAR: SIMILAR,
}

FACTORS: tuple[str, ...] = (
    *dict.fromkeys(one.__name__ for surface in (*SURFACES.values(), CALLER) for one in surface.factors),
    *selection.SPREADS,
)
"""The names of all factors, in the order of the impressions log."""


def pipeline_of(ask: Ask) -> Pipeline:
    """The pipeline that answers."""
    return FOLLOWING_NEWEST if ask.chronological else SURFACES[ask.surface]
