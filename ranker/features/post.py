"""What the post is."""

from collections.abc import Sequence

import numpy as np
from feedrank.v1 import types_pb2

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Values, log
from ranker.query import Query
from ranker.state import NONE
from ranker.state.tables import QUOTE, REMIX, REPLY, REPOST

_IMAGE, _VIDEO = 1 << types_pb2.MEDIA_KIND_IMAGE, 1 << types_pb2.MEDIA_KIND_VIDEO


def _values(query: Query, posts: Candidates) -> Sequence[Values]:
    columns = posts.state.posts
    media = columns.media[posts.slot]
    return (
        np.maximum(query.now_ms - posts.created_ms, 0) / 3_600_000,
        log(columns.text.length[posts.slot]),
        (posts.topics != NONE).sum(axis=1),
        (media & _IMAGE) > 0,
        (media & _VIDEO) > 0,
        columns.has_prompt[posts.slot],
        posts.provenance == types_pb2.PROVENANCE_AI_GENERATED,
        posts.provenance == types_pb2.PROVENANCE_AI_ASSISTED,
        (posts.form & REPLY) > 0,
        (posts.form & REPOST) > 0,
        (posts.form & QUOTE) > 0,
        (posts.form & REMIX) > 0,
    )


GROUP = Group(
    (
        Feature("post_age", "time since the post was made", "h"),
        Feature("text_length", "bytes of the post's own text", "log"),
        Feature("topic_count", "topics of the post", "count"),
        Feature("has_image", "the post has an image", "1"),
        Feature("has_video", "the post has a video", "1"),
        Feature("has_prompt", "the post has generated media with a prompt", "1"),
        Feature("is_ai_generated", "a model made the post", "1"),
        Feature("is_ai_assisted", "a model helped to make the post", "1"),
        Feature("is_reply", "the post answers another", "1"),
        Feature("is_repost", "the post shows another again", "1"),
        Feature("is_quote", "the post quotes another", "1"),
        Feature("is_remix", "the post was made from another's prompt or image", "1"),
    ),
    _values,
)
