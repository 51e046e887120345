"""What is known of posts, users and places: the tables of the state, column by column."""

import numpy as np
from numpy.typing import NDArray

from ranker.events import COUNTERS
from ranker.state import affinity, event_log, heat
from ranker.state.columns import Ragged, Slots, column, ragged
from ranker.state.counters import HALF_LIVES
from ranker.state.growing import Field, growing, ring
from ranker.state.table import Table

INTERESTS = 5
"""Taste vectors a viewer."""

REPLY, REPOST, QUOTE, REMIX = 1, 2, 4, 8
"""Bits of `Posts.form`."""

Int64s = NDArray[np.int64]
Floats = NDArray[np.float32]
Bits = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_COUNTERS = (len(COUNTERS), len(HALF_LIVES))


class Posts(Table):
    """One row a post."""

    author: Slots = column(np.int32, of="user")
    created_ms: Int64s = column(np.int64)
    language: Slots = column(np.int32, of="language")
    community: Slots = column(np.int32, of="community")
    topics: Slots = column(np.int32, 16, of="topic")
    labels: Slots = column(np.int32, 16, of="label")
    provenance: Bits = column(np.uint8)
    form: Bits = column(np.uint8)
    """What it is to another post: REPLY, REPOST, QUOTE, REMIX."""
    parent: Slots = column(np.int32, of="post")
    """The post it replies to, reposts, quotes or remixes, when that is known."""
    parent_hash: NDArray[np.uint64] = column(np.uint64)
    """Of that post's id, known or not; 0 for none."""
    media: Bits = column(np.uint8)
    """Bit `k` is set when it has a medium of kind `k`."""
    has_prompt: Flags = column(np.bool_)
    deleted: Flags = column(np.bool_)
    text: Ragged = ragged(np.uint8)
    """UTF-8."""
    media_text: Ragged = ragged(np.uint8)
    """Prompts and alt texts, UTF-8."""
    folded: Ragged = ragged(np.uint8)
    """All its words, folded for muted words, UTF-8."""
    text_hash: NDArray[np.uint64] = column(np.uint64)
    """Of what its vector is made from."""
    awaits_vector: Flags = column(np.bool_)
    has_vector: Flags = column(np.bool_)
    vector: NDArray[np.float16] = column(np.float16, 0)
    """Unit length, or zero."""
    counter: Floats = column(np.float32, *_COUNTERS)
    """What others did with it."""
    counter_ms: Int64s = column(np.int64)
    heat: NDArray[np.float64] = column(np.float64, derived=True)
    """What it is engaged with these hours, in the order of `ranker.state.heat`."""
    engagers: Field = ring(32, of="user")
    """Ring: who engaged with it."""
    engager_count: Int64s = column(np.int64)
    opposers: Field = ring(32, of="user")
    """Ring: who wanted less of it."""
    opposer_count: Int64s = column(np.int64)

    def derive(self, rows: Slots) -> None:
        """The heat of posts whose counters changed."""
        heat.update(self.heat, self.counter, self.counter_ms, rows)


class Users(Table):
    """One row a user, as an author and as a viewer."""

    created_ms: Int64s = column(np.int64)
    active_ms: Int64s = column(np.int64)
    """Last time the user was heard of."""
    heard_ms: Int64s = column(np.int64)
    """First time, by the journal's clock; `created_ms` is what the caller says."""
    met: NDArray[np.uint64] = column(np.uint64)
    """Bit: the user engaged with an author of that group, as `ranker.state.standing` draws them."""
    languages: Slots = column(np.int32, 16, of="language")
    communities: Slots = column(np.int32, 64, of="community")
    # as an author
    posts: Field = ring(64, of="post")
    """Ring: own posts."""
    post_count: Int64s = column(np.int64)
    followers: Slots = column(np.int32)
    """How many."""
    received: Floats = column(np.float32, *_COUNTERS)
    """What others did with the author's posts."""
    received_ms: Int64s = column(np.int64)
    # as a viewer
    follows: Ragged = ragged(np.int32, of="user")
    new_follows: Ragged = ragged(np.int32, of="user")
    """Of these, what was set while the user was new here: not among the authors' followers yet."""
    blocks: Ragged = ragged(np.int32, of="user")
    blocked_by: Ragged = ragged(np.int32, of="user")
    mutes: Ragged = ragged(np.int32, of="user")
    hidden: Ragged = ragged(np.int32, of="post")
    """Posts never to be shown again. Rows of slots are sorted."""
    preferences: Ragged = ragged(np.uint8)
    """The contract's Preferences, serialised."""
    given: Floats = column(np.float32, *_COUNTERS)
    """What the viewer did."""
    given_ms: Int64s = column(np.int64)
    event = growing(
        event_log.WIDTH,
        post=column(np.int32, of="post"),
        author=column(np.int32, of="user"),
        kind=column(np.uint8),
        ms=column(np.int64),
        counts=column(np.bool_),
    )
    event_post: Field
    event_author: Field
    event_kind: Field
    event_ms: Field
    event_counts: Field
    """Whether it counts in the eyes of others."""
    event_count: Int64s = column(np.int64)
    liked: Field = ring(32, of="post")
    """Ring: posts engaged with, in a good way."""
    liked_count: Int64s = column(np.int64)
    disliked: Field = ring(32, of="post")
    """Ring: posts that the viewer wants less of."""
    disliked_count: Int64s = column(np.int64)
    seen: Field = ring(1024, of="post")
    """Ring: posts that were on the screen."""
    seen_count: Int64s = column(np.int64)
    stayed: Field = ring(128, of="post")
    """Ring: posts that the viewer stayed with, be it for a moment."""
    stayed_count: Int64s = column(np.int64)
    served: Field = ring(256, of="post")
    """Ring: posts that were in an answer."""
    served_count: Int64s = column(np.int64)
    author = growing(64, key=column(np.int32, of="user"), **affinity.COLUMNS)
    author_key: Field
    author_sum: Field
    author_ms: Field
    topic = growing(96, key=column(np.int32, of="topic"), **affinity.COLUMNS)
    topic_key: Field
    topic_sum: Field
    topic_ms: Field
    interest = growing(
        INTERESTS, INTERESTS, vector=column(np.float16, 0), weight=column(np.float32), ms=column(np.int64)
    )
    interest_vector: Field
    """Unit length, or zero."""
    interest_weight: Field
    interest_ms: Field


class Places(Table):
    """One row a community, or a language: what is new and what is popular there."""

    recent: Field = ring(1024, of="post")
    """Ring: new posts, of authors who are known for a while."""
    recent_count: Int64s = column(np.int64)
    newcomers: Field = ring(64, of="post")
    """Ring: new posts of authors who are new here, so that a crowd of these pushes no others out."""
    newcomer_count: Int64s = column(np.int64)
    hot: Field = ring(2048, of="post")
    """Ring: posts that somebody engaged with."""
    hot_count: Int64s = column(np.int64)
    shown: Int64s = column(np.int64)
    """How often posts of this place were on a screen, ever."""
    engaged: Int64s = column(np.int64)
    """How many people engaged with its posts in a good way, each once a post, ever."""
