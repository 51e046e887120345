"""What must be true of a worker after every step, whatever went wrong."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2

from ranker.events import COUNTERS
from ranker.state import NONE, State, rings
from ranker.timelines import Page
from tests.simulation.model import BLOCK, FOLLOW, MUTE, Model, Person
from tests.simulation.worker import SESSIONS, Worker

MAX_AGE_MS = 30 * 86_400_000


class Broken(AssertionError):
    """An invariant does not hold."""


def hold(truth: object, sentence: str) -> None:
    """Raise the sentence where it does not hold."""
    if not truth:
        raise Broken(sentence)


def equal(what: str, found: Any, expected: Any) -> None:
    """Raise where the service and the model differ."""
    if found != expected:
        raise Broken(f"{what}: the service has {found!r}, and should have {expected!r}")


def state_is_as_expected(worker: Worker) -> None:
    """The state is what the entries so far mean: nothing lost, nothing twice."""
    state, model = worker.state, worker.model
    equal("posts", list(state.post_ids.names), list(model.posts))
    equal("users", list(state.user_ids.names), list(model.people))
    _posts_are(state, model)
    _people_are(state, model)
    equal("poison entries", worker.follower.poison_count, model.poison - worker.poison_before)


def _posts_are(state: State, model: Model) -> None:
    posts, count = state.posts, state.posts.size
    names = np.array([*state.user_ids.names, None], object)
    held = list(model.posts.values())
    equal("deleted", posts.deleted[:count].tolist(), [one.deleted for one in held])
    equal("authors", names[posts.author[:count]].tolist(), [one.author for one in held])
    equal("with vectors", posts.has_vector[:count].tolist(), [one.has_vector for one in held])
    _counts_are("post", list(model.posts), posts.counter[:count], [one.counts for one in held])


def _people_are(state: State, model: Model) -> None:
    users, count = state.users, state.users.size
    people = list(model.people.values())
    equal("last heard of", users.active_ms[:count].tolist(), [one.active_ms for one in people])
    names = list(model.people)
    _counts_are("received", names, users.received[:count], [one.received for one in people])
    _counts_are("given", names, users.given[:count], [one.given for one in people])
    followers = dict.fromkeys(names, 0)
    blocked_by: dict[str, set[str]] = {name: set() for name in names}
    for slot, (name, person) in enumerate(model.people.items()):
        _person_is(state, slot, name, person)
        for other in person.relations[FOLLOW]:
            followers[other] += 1
        for other in person.relations[BLOCK]:
            blocked_by[other].add(name)
    equal("followers", users.followers[:count].tolist(), list(followers.values()))
    for slot, by in enumerate(blocked_by.values()):
        if by or len(users.blocked_by[slot]):
            equal(f"who blocks {names[slot]}", _named(names, users.blocked_by[slot]), by)


def _person_is(state: State, slot: int, name: str, person: Person) -> None:
    users, names, posts = state.users, list(state.user_ids.names), list(state.post_ids.names)
    for kind, held in ((FOLLOW, users.follows), (BLOCK, users.blocks), (MUTE, users.mutes)):
        if len(held[slot]) or person.relations[kind]:
            equal(f"relations {kind} of {name}", _named(names, held[slot]), person.relations[kind])
    if len(users.hidden[slot]) or person.hidden:
        equal(f"hidden from {name}", _named(posts, users.hidden[slot]), person.hidden)
    for what, ring, count, expected in (
        ("seen by", users.seen, users.seen_count, person.seen),
        ("served to", users.served, users.served_count, person.served),
    ):
        if count[slot] or expected:
            equal(f"{what} {name}", _named(posts, rings.newest(ring, count, slot)), expected)
    told = users.preferences[slot].tobytes()
    if told or person.wishes.ByteSize():
        equal(f"preferences of {name}", types_pb2.Preferences.FromString(told), person.wishes)


def _named(names: list[str], slots: Iterable[int]) -> set[str]:
    return {names[slot] for slot in slots if slot != NONE}


def _counts_are(what: str, names: list[str], found: Any, expected: list[Any]) -> None:
    """The plain totals of counters, which are the last of each row's half-lives."""
    hold((np.isfinite(found) & (found >= 0)).all(), f"a counter ({what}) is negative or no number")
    wanted = np.array([[counts[name] for name in COUNTERS] for counts in expected]).reshape(-1, len(COUNTERS))
    wrong = np.argwhere(found[..., -1] != wanted)
    for row, kind in wrong[:1]:
        equal(f"{what}, {COUNTERS[kind]}s of {names[row]}", found[row, kind, -1], wanted[row, kind])


def all_is_bounded(worker: Worker, generation: int) -> None:
    """Every structure is within its cap, and the index holds what can be found."""
    state = worker.state
    hold(state.posts.size <= state.settings.max_posts, "more posts than max_posts")
    hold(state.users.size <= state.settings.max_users, "more users than max_users")
    hold(len(state.event_ids) <= 2 * generation, "more event ids than two generations")
    hold(len(worker.sessions) <= SESSIONS.max_sessions, "more sessions than max_sessions")
    waiting = worker.impressions._queue.qsize()
    hold(waiting <= worker.impressions.settings.queue_answers, "more answers wait than queue_answers")
    vectors = int(state.posts.has_vector[: state.posts.size].sum())
    equal("posts in the index", len(worker.slices), vectors)


def page_is_sound(worker: Worker, viewer: str, surface: int, page: Page, now_ms: int) -> None:
    """A page holds nothing that the viewer must not see, and nothing twice."""
    model, names = worker.model, [one.post_id for one in page.placed]
    equal("a page without repeats", len(set(names)), len(names))
    for one in page.placed:
        why = model.why_not(viewer, one.post_id, now_ms)
        hold(not why, f"{one.post_id} was served to {viewer}: {why}")
        post = model.posts[one.post_id]
        equal(f"the author of {one.post_id}", one.author_id, post.author)
        _belongs(model, viewer, surface, one.post_id, now_ms)
    originals = [model.posts[name].reposts or name for name in names]
    known = [name for name in originals if name in model.posts]
    equal("one post and its reposts on a page", len(set(known)), len(known))


def _belongs(model: Model, viewer: str, surface: int, name: str, now_ms: int) -> None:
    """What only some surfaces leave out."""
    post = model.posts[name]
    person = model.people.get(viewer) or Person(0)
    if surface == types_pb2.SURFACE_UNSPECIFIED:  # the caller's own posts
        return
    follows = post.author in person.relations[FOLLOW]
    if not person.wishes.show_own_posts:
        hold(post.author != viewer, f"{name} was served to its author {viewer}")
    if surface == types_pb2.SURFACE_COMMUNITY:
        equal(f"the community of {name}", post.row.community_id, "garden")
        return
    hold(post.row.created_ms >= now_ms - MAX_AGE_MS, f"{name} was served at more than 30 days")
    if surface == types_pb2.SURFACE_FOLLOWING:
        own = person.wishes.show_own_posts and post.author == viewer
        hold(follows or own, f"{name} is in what {viewer} follows, and is not followed")
    if surface == types_pb2.SURFACE_DISCOVER:
        hold(not follows, f"{name} is in what {viewer} may discover, and is followed")
