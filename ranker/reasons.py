"""Reasons: for each post of a page, a sentence a viewer understands, with the people and posts behind it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ranker.candidates import among
from ranker.dots import cosines
from ranker.events import KINDS
from ranker.query import Query
from ranker.state import NONE, State
from ranker.state.columns import Slots
from ranker.state.tables import REPOST
from ranker.text import readable

_EXCERPT = 60
_REPEATS = 4
_READ_BYTES = 4_000
"""Of a text, so many are read for its first words."""


class Reason(NamedTuple):
    """Why a post is there: a word, a sentence, and the users and posts that are part of it."""

    code: str
    text: str
    user_ids: tuple[str, ...] = ()
    post_ids: tuple[str, ...] = ()


def reason(state: State, query: Query, source: str, slot: int) -> Reason:
    """The reason for one post that a source brought."""
    return _REASONS[source](state, query, slot)


def excerpt(state: State, slot: int) -> str:
    """The first words of a post, of its prompt, or of the post that it repeats."""
    lines = _words(state, slot).splitlines()
    line = " · ".join(" ".join(part.split()) for part in lines if part.strip())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1].rsplit(" ", 1)[0] + "…"


def _words(state: State, slot: int) -> str:
    """How a post begins. Reposts of reposts may come back to where they began, so few are followed."""
    columns = state.posts
    for _ in range(_REPEATS):
        held = columns.text[slot] if columns.text.length[slot] else columns.media_text[slot]
        words = readable(held[:_READ_BYTES].tobytes().decode(errors="ignore"))
        if words or not columns.form[slot] & REPOST:
            return words
        slot = int(columns.parent[slot])
    return ""


def _in_network(state: State, query: Query, slot: int) -> Reason:
    author = int(state.posts.author[slot])
    if author == query.viewer:
        return Reason("own_post", "You wrote this.")
    name = state.user_ids.text(author)
    if state.posts.form[slot] & REPOST:
        return Reason("shared_by_followed", f"{name}, whom you follow, shared this.", user_ids=(name,))
    return Reason("followed_author", f"You follow {name}.", user_ids=(name,))


def _social_proof(state: State, query: Query, slot: int) -> Reason:
    people = _engagers(state, slot)
    friends = people[among(people, query.follows)][:3]
    if not len(friends):
        return _interests(state, query, slot)
    names = tuple(state.user_ids.text(friend) for friend in friends)
    deeds = {_did(state, int(friend), slot) for friend in friends}
    did = deeds.pop() if len(deeds) == 1 else "engaged with"
    return Reason("engaged_by_followed", f"{_list(names)}, whom you follow, {did} this.", user_ids=names)


def _co_engagement(state: State, query: Query, slot: int) -> Reason:
    """Names the viewer's post that shares most people with this one."""
    people = _engagers(state, slot)
    others = query.liked[query.liked != slot]
    shared = among(state.posts.engagers[others], np.sort(people[people != query.viewer])).sum(axis=1)
    if not shared.any():
        return _interests(state, query, slot)
    liked = int(others[shared.argmax()])
    did = _did(state, query.viewer, liked)
    text = f"People who liked “{excerpt(state, liked)}”, which you {did}, liked this too."
    return Reason("liked_together", text, post_ids=(state.post_ids.text(liked),))


def _interests(state: State, query: Query, slot: int) -> Reason:
    """Names the viewer's liked post that is nearest."""
    liked = query.liked[state.posts.has_vector[query.liked] & (query.liked != slot)]
    if not len(liked) or not state.posts.has_vector[slot]:
        return Reason("your_interests", "It is near your interests.")
    near = cosines(state.posts.vector, liked, state.posts.vector[[slot]].astype(np.float32))[:, 0]
    nearest = int(liked[near.argmax()])
    text = f"Similar to “{excerpt(state, nearest)}”, which you {_did(state, query.viewer, nearest)}."
    return Reason("similar_to_liked", text, post_ids=(state.post_ids.text(nearest),))


def _did(state: State, user: int, slot: int) -> str:
    """The strongest thing that a user did to a post, as far as remembered."""
    at = state.users.event_post.block(user) == slot
    deeds = [KINDS[number] for number in state.users.event_kind.block(user)[at].tolist() if number]
    told = [kind for kind in deeds if kind.did]
    return max(told, key=lambda kind: kind.strength).did if told else "engaged with"


def _trending(state: State, _query: Query, slot: int) -> Reason:
    place = int(state.posts.community[slot])
    where = f" in {state.community_ids.text(place)}" if place != NONE else ""
    return Reason("trending", f"Popular{where} now.")


def _community(state: State, query: Query, _slot: int) -> Reason:
    return Reason("community", f"Posted in {state.community_ids.text(query.community)}.")


def _fresh(_state: State, _query: Query, _slot: int) -> Reason:
    return Reason("new_post", "New, and few people have seen it yet.")


def _similar(_state: State, _query: Query, _slot: int) -> Reason:
    return Reason("similar_post", "Near the post you asked about.")


def _nothing(_state: State, _query: Query, _slot: int) -> Reason:
    return Reason("not_retrieved", "No source brought it.")


def _caller(_state: State, _query: Query, _slot: int) -> Reason:
    return Reason("caller", "You asked to have it ranked.")


_REASONS: dict[str, Callable[[State, Query, int], Reason]] = {
    "in_network": _in_network,
    "social_proof": _social_proof,
    "co_engagement": _co_engagement,
    "interests": _interests,
    "trending": _trending,
    "community": _community,
    "fresh": _fresh,
    "similar": _similar,
    "caller": _caller,
    "": _nothing,
}


def _engagers(state: State, slot: int) -> Slots:
    people: Slots = state.posts.engagers.block(slot)
    known: Slots = people[people != NONE]
    return known


def _list(names: tuple[str, ...]) -> str:
    """Names as a sentence lists them.

    >>> _list(("ines", "kofi", "mei"))
    'ines, kofi and mei'
    """
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])
