"""What was shown to whom before feedrank came, and what they did.

Viewers open pages; a page mixes the newest posts of followed authors, what is popular now and posts at
random, in random order: dull, but every post and every position is tried, so a first model can learn.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from feedrank.v1 import types_pb2 as t

from training.playground import behaviour, taste
from training.playground.graph import AVOIDS, FOLLOWS, Standing
from training.playground.people import People
from training.playground.posts import DAY_MS, Form, Posts, moments

Integers = npt.NDArray[np.int64]

_WINDOW = 4_000  # the newest posts that a page may show
_OLDEST_MS = 3 * DAY_MS
_POPULAR = 200
_REFRESH = 50  # visits between two counts of what is popular
_MIX = (0.45, 0.35, 0.20)  # of a page: followed, popular, random
_ANSWER = {
    Form.REPLY: t.EVENT_KIND_REPLY,
    Form.REPOST: t.EVENT_KIND_REPOST,
    Form.QUOTE: t.EVENT_KIND_QUOTE,
    Form.REMIX: t.EVENT_KIND_REMIX,
}


@dataclass(frozen=True)
class History:
    """Events as int64 columns of equal length, in time order."""

    time_ms: Integers
    viewer: Integers
    post: Integers
    kind: Integers
    dwell_ms: Integers
    visit: Integers  # the page it happened on; -1 for answers, which are posts too
    position: Integers


@dataclass
class _Memory:
    """What changes on the way."""

    stands: Standing
    likes: npt.NDArray[np.float32]
    popular: npt.NDArray[np.int64]
    seen: list[set[int]] = field(default_factory=list)


@dataclass(frozen=True)
class _Shunned:
    """The posts that a viewer must not meet: seen ones, own ones, those of avoided authors."""

    author: npt.NDArray[np.int32]
    stands: npt.NDArray[np.int8]
    seen: set[int]
    viewer: int

    def __contains__(self, post: int) -> bool:
        author = self.author[post]
        return post in self.seen or author == self.viewer or self.stands[author] == AVOIDS


def history(
    people: People,
    posts: Posts,
    stands: Standing,
    viewers: int,
    visits: int,
    page_size: int,
    rng: np.random.Generator,
) -> History:
    """That many visits, spread over the time of the posts."""
    memory = _Memory(
        stands=stands.copy(),
        likes=np.zeros(len(posts.author), np.float32),
        popular=np.zeros(0, np.int64),
        seen=[set() for _ in range(viewers)],
    )
    weight = people.activity[:viewers].astype(np.float64)
    viewer = rng.choice(viewers, visits, p=weight / weight.sum())
    opened = moments(visits, int(posts.created_ms[0]), int(posts.created_ms[-1]), rng)
    parts = [_answers(posts)]
    for visit, (who, when) in enumerate(zip(viewer.tolist(), opened.tolist(), strict=True)):
        if visit % _REFRESH == 0:
            memory.popular = _popular(posts, memory.likes, when)
        shown = _page(people, posts, memory, who, when, page_size, rng)
        if len(shown):
            parts.append(_visit(people, posts, memory, visit, who, when, shown, rng))
    columns = np.concatenate(parts, axis=1)
    return History(*columns[:, np.argsort(columns[0], kind="stable")])


def _answers(posts: Posts) -> Integers:
    """Replies, reposts, quotes and remixes as events, (7, m) in the order of History's columns."""
    answers = np.flatnonzero(posts.target >= 0)
    kind = np.array([_ANSWER.get(form, 0) for form in Form], np.int64)[posts.form[answers]]
    none = np.zeros(len(answers), np.int64)
    when, who, what = posts.created_ms[answers], posts.author[answers], posts.target[answers]
    rows = (when, who, what, kind, none, none - 1, none)
    return np.stack(rows).astype(np.int64)


def _recent(posts: Posts, when: int) -> tuple[int, int]:
    """The range of posts that a page may show now."""
    low, high = np.searchsorted(posts.created_ms, (when - _OLDEST_MS, when))
    return max(int(low), int(high) - _WINDOW), int(high)


def _popular(posts: Posts, likes: npt.NDArray[np.float32], when: int) -> Integers:
    """The most liked posts for their age now, best first."""
    low, high = _recent(posts, when)
    hours = (when - posts.created_ms[low:high]) / 3_600_000
    return low + np.argsort(-likes[low:high] / (hours + 2) ** 1.5, kind="stable")[:_POPULAR]


def _page(
    people: People,
    posts: Posts,
    memory: _Memory,
    viewer: int,
    when: int,
    size: int,
    rng: np.random.Generator,
) -> Integers:
    """Unseen posts by the mix, each part refilled by the next, in random order: (size or fewer,)."""
    low, high = _recent(posts, when)
    if high <= low:
        return np.zeros(0, np.int64)
    stands = memory.stands[viewer]
    followed = low + np.flatnonzero(stands[posts.author[low:high]] == FOLLOWS)[: -3 * size - 1 : -1]
    popular = memory.popular[people.reads[viewer, posts.language[memory.popular]]]
    by_chance = rng.integers(low, high, size)
    shunned = _Shunned(posts.author, stands, memory.seen[viewer], viewer)
    taken: dict[int, None] = {}
    quota = 0.0
    for part, share in zip((followed, popular, by_chance), _MIX, strict=True):
        quota += share * size
        _take(part, taken, round(quota), shunned)
    return rng.permutation(np.fromiter(taken, np.int64, len(taken)))


def _take(part: Integers, taken: dict[int, None], quota: int, shunned: _Shunned) -> None:
    for post in part.tolist():
        if len(taken) >= quota:
            return
        if post not in shunned:
            taken[post] = None


def _visit(
    people: People,
    posts: Posts,
    memory: _Memory,
    visit: int,
    viewer: int,
    when: int,
    shown: Integers,
    rng: np.random.Generator,
) -> Integers:
    """What the viewer does, remembered: (7, m) in the order of History's columns."""
    page = taste.page(people, posts, memory.stands[viewer], viewer, shown)
    done = behaviour.act(page, rng)
    post = shown[done.position]
    memory.seen[viewer].update(post.tolist())
    memory.likes[post[done.kind == t.EVENT_KIND_LIKE]] += 1
    memory.stands[viewer, posts.author[post[done.kind == t.EVENT_KIND_FOLLOW]]] = FOLLOWS
    memory.stands[viewer, posts.author[post[done.kind == t.EVENT_KIND_MUTE]]] = AVOIDS
    many = np.ones(len(post), np.int64)
    rows = (when + done.offset_ms, viewer * many, post, done.kind, done.dwell_ms, visit * many, done.position)
    return np.stack(rows)
