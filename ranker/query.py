"""The query: all that the post side must know of a viewer, as one plain value.

`build` is the viewer side of the read path: it reads the viewer's columns. The post side (sources, filters,
features, heads) reads the query and the posts' columns only, and could run elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numba
import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from embeddings import interests
from ranker.candidates import among
from ranker.events import STRENGTH_OF
from ranker.exploration import ExplorationSettings
from ranker.sets import ordered, position, positions
from ranker.state import NONE, State, affinity, counters, rings
from ranker.state.columns import Slots
from ranker.state.ids import Ids
from ranker.state.tables import Users
from ranker.text import fold, primary_language

Fields = dict[str, Any]
"""Some of a query's, by name."""

_FEW_SLOTS = np.zeros(0, np.int32)
_NO_WISHES: Fields = {
    "chosen": types_pb2.Preferences(),
    "languages": _FEW_SLOTS,
    "muted_words": (),
    "hidden_labels": _FEW_SLOTS,
    "topics_more": _FEW_SLOTS,
    "topics_less": _FEW_SLOTS,
}
_HISTORY = 128
"""Posts met, at most, that the features look back on."""
_TOLD = 0.1
"""The share of posts met with a stay, from which on a client is taken to tell them."""
_MOST = 3.0
"""Of a reaction, however much was done."""


@dataclass(frozen=True)
class Ask:
    """What a caller asks for, checked and with its defaults filled in."""

    viewer_id: str
    now_ms: int
    surface: int = types_pb2.SURFACE_FOR_YOU
    size: int = 20
    community_id: str = ""
    near_id: str = ""
    """The post asked about, on the surface similar."""
    chronological: bool = False
    include_seen: bool = False
    request_id: str = ""
    """Of the answer, a UUID in hex; empty: a fresh one. A simulation names its own, so that it can repeat."""
    seed: int = 0
    """Of what is drawn at random; made of the answer's id, which is logged."""
    exploration: ExplorationSettings = field(default_factory=ExplorationSettings)
    """What may be drawn."""
    candidates: int = 500
    """Posts scored, at most, where a light ranker chooses them."""
    shown: Slots = field(default_factory=lambda: _FEW_SLOTS)
    """Posts that this session has shown already."""


@dataclass(frozen=True)
class Query:
    """A viewer at a moment. Slot arrays are int32 and sorted, unless it says otherwise."""

    ask: Ask
    viewer: int
    """Slot, or NONE for a viewer nobody has heard of."""
    community: int
    near: int
    """The post asked about."""
    follows: Slots
    shut_out: Slots
    """Authors who are blocked, or who block the viewer."""
    mutes: Slots
    hidden: Slots
    seen: Slots
    """Posts that were on the screen, or that the viewer engaged with."""
    served: Slots
    liked: Slots
    """Posts engaged with, newest first."""
    disliked: Slots
    """Posts the viewer wants less of, newest first."""
    history: Slots
    """The last posts that were on the screen, oldest first. Where the viewer's client tells of stays, those
    that were passed by at once are left out: they say nothing of taste."""
    reactions: NDArray[np.float32]
    """To each post of `history`: 0 for none that is remembered, 1 to 3 for, -1 to -3 against: more where more
    was done."""
    interests: NDArray[np.float32]
    """Unit rows, strongest first, (k, D)."""
    interest_weights: NDArray[np.float32]
    authors: tuple[Slots, NDArray[np.float32]]
    """Keys and sums of affinity.SUMS, as affinity.look_up wants them."""
    topics: tuple[Slots, NDArray[np.float32]]
    given: NDArray[np.float32]
    """What the viewer did: (counters, half-lives)."""
    age_ms: int
    """Since the account was made."""
    reads: Slots
    """Languages the viewer reads, as far as known."""
    communities: Slots
    chosen: types_pb2.Preferences
    languages: Slots
    """Languages to show, those that some post is in; `chosen` says whether the viewer chose any."""
    muted_words: tuple[bytes, ...]
    """Folded, as Posts.folded is."""
    hidden_labels: Slots
    topics_more: Slots
    topics_less: Slots

    @cached_property
    def met(self) -> Slots:
        """Posts that were seen or served before."""
        return np.sort(np.concatenate([self.seen, self.served]))

    @property
    def now_ms(self) -> int:
        """The moment that the timeline is for."""
        return self.ask.now_ms


def build(state: State, ask: Ask) -> Query:
    """The query of a viewer; the caller holds the state's turn. An unknown viewer is a newcomer."""
    viewer = state.user_ids.slot(ask.viewer_id) if ask.viewer_id else NONE
    return Query(
        ask=ask,
        viewer=viewer,
        community=state.community_ids.slot(ask.community_id) if ask.community_id else NONE,
        near=state.post_ids.slot(ask.near_id) if ask.near_id else NONE,
        **_relations(state.users, viewer),
        **_past(state, viewer, ask),
        **_taste(state.users, viewer, ask.now_ms),
        **_wishes(state, viewer),
    )


def _relations(users: Users, viewer: int) -> Fields:
    """Whom the viewer follows and shuts out, and the posts never to be shown again."""
    return {
        "follows": users.follows[viewer].copy(),
        "shut_out": ordered(np.concatenate([users.blocks[viewer], users.blocked_by[viewer]])),
        "mutes": users.mutes[viewer].copy(),
        "hidden": users.hidden[viewer].copy(),
        "communities": ordered(users.communities[viewer]),
    }


def _past(state: State, viewer: int, ask: Ask) -> Fields:
    """What the viewer met and did."""
    users = state.users
    liked = rings.newest(users.liked, users.liked_count, viewer)
    seen = np.concatenate([users.seen.block(viewer), liked])
    history, reactions = _history(users, viewer)
    return {
        "seen": _FEW_SLOTS if ask.include_seen else ordered(seen),
        "served": _FEW_SLOTS if ask.include_seen else ordered(users.served.block(viewer)),
        "liked": liked,
        "disliked": rings.newest(users.disliked, users.disliked_count, viewer),
        "history": history,
        "reactions": reactions,
        "given": _given(users, viewer, ask.now_ms),
        "age_ms": max(ask.now_ms - int(users.created_ms[viewer]), 0) if viewer != NONE else 0,
        "reads": _languages_read(state, viewer, liked),
    }


def _taste(users: Users, viewer: int, now_ms: int) -> Fields:
    """What the viewer is near to: interests, authors and topics, as they stand."""
    vector, weight, ms = (
        one.block(viewer)[None] for one in (users.interest_vector, users.interest_weight, users.interest_ms)
    )
    vectors, weights = interests.read(vector, weight, ms, 0, now_ms)
    authors = users.author_key, users.author_sum, users.author_ms
    topics = users.topic_key, users.topic_sum, users.topic_ms
    return {
        "interests": vectors,
        "interest_weights": weights,
        "authors": affinity.read(*authors, viewer, now_ms, affinity.AUTHOR_HALF_LIFE_MS),
        "topics": affinity.read(*topics, viewer, now_ms, affinity.TOPIC_HALF_LIFE_MS),
    }


def _wishes(state: State, viewer: int) -> Fields:
    """What the viewer chose, which most never do."""
    if not len(told := state.users.preferences[viewer]):
        return _NO_WISHES
    chosen = types_pb2.Preferences.FromString(told.tobytes())
    languages = [primary_language(tag) for tag in chosen.languages]
    labels = [label.casefold() for label in chosen.hidden_safety_labels]
    return {
        "chosen": chosen,
        "languages": _named(state.language_ids, languages),
        "muted_words": tuple(
            folded for word in chosen.muted_words if (folded := fold(word).encode()).strip()
        ),
        "hidden_labels": _named(state.label_ids, labels),
        "topics_more": _named(state.topic_ids, [name.casefold() for name in chosen.topics_more]),
        "topics_less": _named(state.topic_ids, [name.casefold() for name in chosen.topics_less]),
    }


def _named(ids: Ids, names: Sequence[str]) -> Slots:
    """The known ones of what a viewer named."""
    return ordered(ids.slots(names)) if names else _FEW_SLOTS


def _history(users: Users, viewer: int) -> tuple[Slots, NDArray[np.float32]]:
    """Posts that the viewer looked at, oldest first, and the reactions to them.

    Where the client tells stays, a post that nobody stayed with was passed by. Whether it told them is not
    known of what came before the first, nor where it told few.
    """
    seen = rings.newest(users.seen, users.seen_count, viewer, _HISTORY)[::-1]
    reactions = _reactions(seen, users.event_post.block(viewer), users.event_kind.block(viewer), STRENGTH_OF)
    stayed = among(seen, ordered(users.stayed.block(viewer)))
    first = int(stayed.argmax()) if stayed.any() else len(seen)
    if not len(seen[first:]) or stayed[first:].mean() < _TOLD:
        return seen, reactions
    looked_at = stayed | (reactions != 0) | (np.arange(len(seen)) < first)
    return seen[looked_at], reactions[looked_at]


@numba.njit(cache=True, nogil=True)
def _reactions(
    posts: Slots, event_post: Slots, event_kind: NDArray[np.uint8], strength_of: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What remembered events say of different posts: the sum of strengths; where any spoke, at least 1."""
    at, said = positions(posts), np.zeros(len(posts), np.float32)
    for i in range(len(event_post)):
        of = position(at, event_post[i])
        if of >= 0:
            said[of] += strength_of[event_kind[i]]
    for of in range(len(said)):
        size = min(max(abs(said[of]), 1.0), _MOST)
        said[of] = np.sign(said[of]) * size
    return said


def _given(users: Users, viewer: int, now_ms: int) -> NDArray[np.float32]:
    rows = np.array([viewer], np.int32)
    given: NDArray[np.float32] = counters.read(
        users.given, users.given_ms, rows, now_ms, counters.HALF_LIVES_MS
    )[0]
    return given


def _languages_read(state: State, viewer: int, liked: Slots) -> Slots:
    """Those the viewer named, else those of what the viewer liked."""
    named = ordered(state.users.languages[viewer])
    return named if len(named) else ordered(state.posts.language[liked])
