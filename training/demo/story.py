"""The story: a timeline, a like, a "show less like this", the timeline again, and why.

Everything is asked of the server as a feed backend would ask. The parts are values, told one by one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import feedrank
from feedrank.v1 import types_pb2 as t

from training.demo.cast import Cast
from training.demo.evidence import Evidence, strongest

PAGE = 10
_ASKED = 200
_EXPLAINED = 60
_KIN = 0.3
"""A cosine from which two posts speak of the same kind of thing."""
_FELL = 0.9
"""A post that kept less than this share of its score fell by itself, and was not only passed."""


@dataclass(frozen=True)
class Placed:
    """A post of a page. `rank` counts from 1 among what the viewer has not met; 0: drawn by lot."""

    rank: int
    post: feedrank.RankedPost

    @property
    def post_id(self) -> str:
        """The post's id."""
        return self.post.post_id


@dataclass(frozen=True)
class Timeline:
    """What the server would show of what the viewer has not met, best first."""

    request_id: str
    placed: list[Placed]

    @property
    def page(self) -> list[Placed]:
        """The first page: `PAGE` ranked posts and the drawn one where it came."""
        last = next((i for i, one in enumerate(self.placed) if one.rank == PAGE), len(self.placed) - 1)
        return self.placed[: last + 1]

    def rank_of(self, post_id: str) -> int:
        """The rank of a post; 0 when it is not there."""
        return next((one.rank for one in self.placed if one.post_id == post_id), 0)

    def __getitem__(self, post_id: str) -> feedrank.RankedPost:
        return next(one.post for one in self.placed if one.post_id == post_id)

    def __contains__(self, post_id: str) -> bool:
        return any(one.post_id == post_id for one in self.placed)


@dataclass(frozen=True)
class Before:
    """Part one: the timeline."""

    timeline: Timeline


@dataclass(frozen=True)
class Actions:
    """Part two: what the viewer does."""

    timeline: Timeline
    liked: str
    less: str


@dataclass(frozen=True)
class After:
    """Part three: the timeline again."""

    before: Timeline
    after: Timeline
    liked: str
    less: str


@dataclass(frozen=True)
class Why:
    """Part four: one post that rose and one that left the page. A rank is 0 where there is none."""

    before: Timeline
    after: Timeline
    risen: str
    absent: str
    liked: str
    less: str
    rise: list[Evidence]
    fall: list[Evidence]
    told: feedrank.ExplainPostResponse
    """What the server says of the absent post."""


Part = Before | Actions | After | Why


@dataclass(frozen=True)
class Story:
    """What was told."""

    actions: Actions
    after: After
    why: Why


def play(client: feedrank.Client, cast: Cast, tell: Callable[[Part], None]) -> Story:
    """Play the story, and tell each part when it is known."""
    before = _timeline(client, cast, cast.person.met)
    tell(Before(before))
    kin = _kin(client, before)
    actions = _chosen(cast, before, kin)
    explained = _explained(client, cast, before, kin[actions.liked])
    _act(client, cast, actions)
    tell(actions)
    later = _timeline(client, cast, cast.person.met | {actions.liked})
    after = After(before, later, actions.liked, actions.less)
    tell(after)
    why = _why(client, cast, after, kin, explained)
    tell(why)
    return Story(actions, after, why)


def _timeline(client: feedrank.Client, cast: Cast, met: set[str]) -> Timeline:
    """Asks for seen posts too, so that two answers can be compared; what was met is left out here."""
    answer = client.timeline(cast.viewer, size=_ASKED, include_seen=True, with_probabilities=True, timeout=10)
    drawn = _drawn(answer.posts)
    placed, rank = [], 0
    for post in answer.posts:
        if post.post_id in met or post.post_id not in cast.posts:
            continue
        rank += post.post_id != drawn
        placed.append(Placed(0 if post.post_id == drawn else rank, post))
    return Timeline(answer.request_id, placed)


def _drawn(posts: Sequence[feedrank.RankedPost]) -> str:
    """The post that was drawn by lot: the one whose score is below the next one's."""
    return next((a.post_id for a, b in pairwise(posts) if a.score < b.score), "")


Kin = dict[str, dict[str, float]]


def _kin(client: feedrank.Client, timeline: Timeline) -> Kin:
    """For each post of the page, the cosine to each of its nearest posts."""
    page = [one.post_id for one in timeline.page]
    return {one: {p.post_id: p.score for p in client.similar_posts(one, size=200).posts} for one in page}


def _chosen(cast: Cast, timeline: Timeline, kin: Kin) -> Actions:
    """A like for a low post unlike the others, "less" for a high one with most of its kind on the page."""
    ranked = [one.post_id for one in timeline.page if one.rank]
    clear = [post for post in ranked if cast.speaks_for_itself(post)] or ranked
    half = len(clear) // 2
    high, low = clear[:half] or clear, clear[half:]
    below = [one.post_id for one in timeline.placed if PAGE // 2 < one.rank <= _EXPLAINED]

    def strange(post: str) -> float:
        near = max(kin[post].get(other, 0.0) for other in ranked if other != post)
        relatives = sum(kin[post].get(other, 0.0) >= _KIN for other in below if other != post)
        return near - 0.15 * min(relatives, 6)

    liked = min(low, key=strange)

    def crowded(post: str) -> float:
        shared = set(cast.posts[post].topics) & set(cast.posts[liked].topics)
        to_liked = kin[post].get(liked, 0.0) + bool(shared)
        return sum(kin[post].get(other, 0.0) for other in ranked) - 10 * to_liked

    return Actions(timeline, liked, max(high, key=crowded))


def _act(client: feedrank.Client, cast: Cast, actions: Actions) -> None:
    now_ms = int(time.time() * 1000)
    for kind, post_id in (
        (t.EVENT_KIND_LIKE, actions.liked),
        (t.EVENT_KIND_REQUEST_LESS, actions.less),
    ):
        event = feedrank.event(
            cast.viewer,
            kind,
            post_id,
            time_ms=now_ms,
            request_id=actions.timeline.request_id,
            position=actions.timeline[post_id].position,
            surface="for_you",
        )
        client.record_events([event]).raise_if_rejected()


Explained = dict[str, feedrank.ExplainPostResponse]


def _explain(client: feedrank.Client, cast: Cast, post_id: str) -> feedrank.ExplainPostResponse:
    return client.explain_post(cast.viewer, post_id, size=PAGE, include_seen=True)


def _explained(client: feedrank.Client, cast: Cast, timeline: Timeline, near: dict[str, float]) -> Explained:
    """What the server says now of the posts that the story may come back to."""
    ids = [one.post_id for one in timeline.placed]
    wanted = dict.fromkeys(ids[:_EXPLAINED] + [post for post in ids if near.get(post, 0.0) >= _KIN])
    return {post_id: _explain(client, cast, post_id) for post_id in wanted}


def _why(client: feedrank.Client, cast: Cast, after: After, kin: Kin, explained: Explained) -> Why:
    risen = _risen(after, kin[after.liked], explained)
    absent = _absent(after)
    told = _explain(client, cast, absent)
    return Why(
        before=after.before,
        after=after.after,
        risen=risen,
        absent=absent,
        liked=after.liked,
        less=after.less,
        rise=strongest(explained, risen, _explain(client, cast, risen), up=True),
        fall=strongest(explained, absent, told, up=False),
        told=told,
    )


def _risen(after: After, near: dict[str, float], explained: Explained) -> str:
    """Of the page, the post that rose and whose score gained most, those near the liked one before others."""

    def gain(one: Placed) -> float:
        was = explained[one.post_id].post.score
        return (one.post.score - was) / (abs(was) + 0.01) * (0.2 + near.get(one.post_id, 0.0))

    known = [one for one in after.after.page if one.rank and one.post_id in explained]
    rose = [
        one for one in known if one.rank < (after.before.rank_of(one.post_id) or len(after.before.placed))
    ]
    return max(rose or known, key=gain).post_id


def _absent(after: After) -> str:
    """Of what left the page, the post whose score lost most; the unwanted one itself where no other lost."""
    there = {one.post_id for one in after.after.page} | {after.liked, after.less}
    gone = [one for one in after.before.page if one.rank and one.post_id not in there]
    fell = {one.post_id: _kept(after, one) for one in gone}
    least = min(fell, key=fell.__getitem__, default=after.less)
    return least if fell.get(least, 1.0) < _FELL else after.less


def _kept(after: After, one: Placed) -> float:
    """The share of its score that a post kept; 0 where it is not even among those asked for."""
    return after.after[one.post_id].score / one.post.score if one.post_id in after.after else 0.0
