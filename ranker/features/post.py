"""What the post is."""

from feedrank.v1 import types_pb2

from ranker.candidates import Candidates
from ranker.features.declaration import Feature, Group, Rows
from ranker.kernels import fetch, kernel
from ranker.query import Query
from ranker.state.columns import Slots
from ranker.state.tables import QUOTE, REMIX, REPLY, REPOST, Bits, Flags, Int64s

_IMAGE, _VIDEO = 1 << types_pb2.MEDIA_KIND_IMAGE, 1 << types_pb2.MEDIA_KIND_VIDEO
_GENERATED, _ASSISTED = int(types_pb2.PROVENANCE_AI_GENERATED), int(types_pb2.PROVENANCE_AI_ASSISTED)


def _fill(query: Query, posts: Candidates, rows: Rows) -> None:
    columns = posts.state.posts
    _rows(
        posts.slot,
        query.now_ms,
        columns.created_ms,
        columns.text.length,
        columns.topics,
        columns.media,
        columns.has_prompt,
        columns.provenance,
        columns.form,
        rows,
    )


@kernel
def _rows(
    slots: Slots,
    now_ms: int,
    created_ms: Int64s,
    length: Slots,
    topics: Slots,
    media: Bits,
    has_prompt: Flags,
    provenance: Bits,
    form: Bits,
    rows: Rows,
) -> None:
    for slot in slots:
        fetch(created_ms, slot)
        fetch(length, slot)
        fetch(topics, slot)
        fetch(media, slot)
        fetch(has_prompt, slot)
        fetch(provenance, slot)
        fetch(form, slot)
    for i in range(len(slots)):
        slot = slots[i]
        rows[i, 0] = max(now_ms - created_ms[slot], 0) / 3_600_000
        rows[i, 1] = length[slot]
        known, mine = 0, topics[slot]
        for j in range(len(mine)):
            known += mine[j] >= 0
        rows[i, 2] = known
        rows[i, 3] = media[slot] & _IMAGE > 0
        rows[i, 4] = media[slot] & _VIDEO > 0
        rows[i, 5] = has_prompt[slot]
        rows[i, 6] = provenance[slot] == _GENERATED
        rows[i, 7] = provenance[slot] == _ASSISTED
        rows[i, 8] = form[slot] & REPLY > 0
        rows[i, 9] = form[slot] & REPOST > 0
        rows[i, 10] = form[slot] & QUOTE > 0
        rows[i, 11] = form[slot] & REMIX > 0


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
    _fill,
)
