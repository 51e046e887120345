"""A week of a network of any size, drawn as columns.

People have three home topics out of 128 and mostly follow authors who share one, popular ones more. Authors
write on their topics; a post's vector lies around a thread of its topic (benchmarks/vectors.py), a reply's
around that of its parent. Viewers meet posts of those they follow, and well-met posts of their topics.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from benchmarks import vectors
from benchmarks.calls import drawn_kinds
from benchmarks.vectors import Floats, Numbers
from ranker import entries
from training.playground import words
from training.playground.posts import DAY_MS, moments

HOMES = 3
ROWS = 1_000
"""Of an entry."""

PROVENANCES = (types_pb2.PROVENANCE_HUMAN, types_pb2.PROVENANCE_AI_GENERATED)
"""Of posts that are not generated, and that are."""

_TAGS: tuple[str, ...] = tuple(words.LANGUAGES)
_POSTS_AN_AUTHOR = 50
_TEXTS_A_LANGUAGE = 300
_DRAWS_A_FOLLOW = 3  # those drawn twice count once
_LANGUAGE_SHARES = (0.52, 0.11, 0.11, 0.08, 0.07, 0.06, 0.05)


@dataclass(frozen=True)
class Follows:
    """Who follows whom: for each viewer a rising row of authors, one after the other."""

    length: NDArray[np.int32]
    author: NDArray[np.int32]


@dataclass(frozen=True)
class Posts:
    """Columns by post, oldest first."""

    author: Numbers
    thread: Numbers
    created_ms: Numbers
    language: Numbers
    parent: Numbers
    """The post that it replies to; -1 for none."""
    text: Numbers
    """Which of its language's texts."""
    generated: NDArray[np.bool_]


@dataclass(frozen=True)
class Events:
    """Columns by event, in time order."""

    viewer: Numbers
    post: Numbers
    kind: Numbers
    time_ms: Numbers


@dataclass(frozen=True)
class Week:
    """A week that ends now, with one author to 50 posts. Equal settings give equal columns."""

    posts: int
    viewers: int
    seed: int = 1
    follows: int = 200
    events_a_viewer: int = 20
    end_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @property
    def authors(self) -> int:
        """The first users write."""
        return max(self.posts // _POSTS_AN_AUTHOR, 3)

    @property
    def user_ids(self) -> list[str]:
        """All users; the first `viewers` read."""
        return [f"u{i:07d}" for i in range(max(self.authors, self.viewers))]

    def post_id(self, index: int) -> str:
        """The id of a post."""
        return f"p{index:07d}"

    @property
    def start_ms(self) -> int:
        """When the history starts."""
        return self.end_ms - 7 * DAY_MS

    @cached_property
    def homes(self) -> Numbers:
        """Topics of users: (users, HOMES), the dearest first."""
        rng, topics = self._rng("homes"), vectors.fitted().topics
        return rng.choice(len(topics.weight), (len(self.user_ids), HOMES), p=topics.weight)

    @cached_property
    def languages(self) -> Numbers:
        """Of users, in the order of the playground's."""
        return self._rng("languages").choice(len(words.LANGUAGES), len(self.user_ids), p=_LANGUAGE_SHARES)

    @cached_property
    def followed(self) -> Follows:
        """Four in five authors by a home topic, the others by fame alone."""
        rng, parts = self._rng("follows"), list[tuple[NDArray[np.int32], NDArray[np.int32]]]()
        fame = rng.pareto(2.0, self.authors) + 0.3
        by_topic = _Drawer(self.homes[: self.authors], fame)
        by_fame = _Drawer(np.zeros((self.authors, 1), np.int64), fame)
        for start in range(0, self.viewers, 8_192):
            viewer = np.arange(start, min(start + 8_192, self.viewers))
            shape = (len(viewer), _DRAWS_A_FOLLOW * self.follows)
            home = self.homes[viewer[:, None], rng.integers(0, HOMES, shape)]
            alike = by_topic.drawn(rng, home)
            author = np.where((rng.random(shape) < 0.8) & (alike >= 0), alike, by_fame.drawn(rng, 0 * home))
            parts.append(_different(rng, author, viewer, self.follows))
        length, author = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Follows(length, author)

    @cached_property
    def posted(self) -> Posts:
        """What was written when, by whom."""
        rng, mixture = self._rng("posts"), vectors.fitted()
        activity = rng.lognormal(0, 0.7, self.authors)
        author = rng.choice(self.authors, self.posts, p=activity / activity.sum())
        topic = self.homes[author, rng.choice(HOMES, self.posts, p=(0.6, 0.3, 0.1))]
        thread = _Drawer(mixture.topic_of_thread[:, None], mixture.popularity).drawn(rng, topic)
        parent = _parents(rng, self.posts)
        thread = np.where(parent >= 0, thread[parent], thread)
        return Posts(
            author=author,
            thread=np.where(thread >= 0, thread, 0),  # a topic without a thread
            created_ms=moments(self.posts, self.start_ms, self.end_ms, rng),
            language=self.languages[author],
            parent=parent,
            text=rng.integers(0, _TEXTS_A_LANGUAGE, self.posts),
            generated=rng.random(self.posts) < 0.15,
        )

    @cached_property
    def happened(self) -> Events:
        """What viewers did: half of it with posts of those they follow, half with posts of their topics."""
        rng, count = self._rng("events"), self.viewers * self.events_a_viewer
        activity = rng.lognormal(0, 0.7, self.viewers)
        viewer = rng.choice(self.viewers, count, p=activity / activity.sum())
        home = self.homes[viewer, rng.integers(0, HOMES, count)]
        met = _Drawer(self._topics[:, None], rng.pareto(1.5, self.posts) + 0.05).drawn(rng, home)
        written = _Drawer(self.posted.author[:, None], np.ones(self.posts))
        of_followed = written.drawn(rng, _one_of_each(rng, self.followed, viewer))
        post = np.where((rng.random(count) < 0.5) & (of_followed >= 0), of_followed, met)
        post = np.where(post >= 0, post, rng.integers(0, self.posts, count))
        later = self.posted.created_ms[post] + rng.exponential(6 * 3_600_000, count).astype(np.int64)
        when = np.minimum(later, self.end_ms - 1)
        order = np.argsort(when, kind="stable")
        kind = drawn_kinds(rng, count)
        return Events(viewer[order], post[order], kind, when[order])

    def vectors(self, start: int, stop: int) -> Floats:
        """The vectors of posts `start` to `stop`; `start` must be a multiple of ROWS."""
        parts = [
            vectors.fitted().posts_of(self._rng("vectors", at), self.posted.thread[at : min(at + ROWS, stop)])
            for at in range(start, stop, ROWS)
        ]
        return np.concatenate(parts)

    @cached_property
    def texts(self) -> list[list[str]]:
        """By language."""
        draw = random.Random(self.seed)
        return [
            [words.on_topic(tag, draw.choice(words.TOPICS), draw) for _ in range(_TEXTS_A_LANGUAGE)]
            for tag in words.LANGUAGES
        ]

    def topic_name(self, index: int) -> str:
        """A post's topic."""
        return f"topic {self._topics[index]}"

    def community(self, index: int) -> str:
        """Where it was posted: every fourth goes to the community of its topic."""
        return "" if index % 4 else self.topic_name(index)

    def language(self, index: int) -> str:
        """A post's language."""
        return _TAGS[int(self.posted.language[index])]

    def text(self, index: int) -> str:
        """A post's text; each is another."""
        return f"{self.texts[self.posted.language[index]][self.posted.text[index]]} {index}"

    def parent_id(self, index: int) -> str:
        """What a post replies to; empty for nothing."""
        parent = int(self.posted.parent[index])
        return self.post_id(parent) if parent >= 0 else ""

    @cached_property
    def _topics(self) -> Numbers:
        return vectors.fitted().topic_of_thread[self.posted.thread]

    def post(self, index: int) -> types_pb2.Post:
        """A post without its vector."""
        return types_pb2.Post(
            id=self.post_id(index),
            author_id=f"u{self.posted.author[index]:07d}",
            text=self.text(index),
            language=self.language(index),
            created_ms=int(self.posted.created_ms[index]),
            topics=[self.topic_name(index)],
            community_id=self.community(index),
            provenance=PROVENANCES[int(self.posted.generated[index])],
            reply_to_id=self.parent_id(index),
        )

    def user_entries(self) -> Iterator[entries.Entry]:
        """All users."""
        ids = self.user_ids
        for start in range(0, len(ids), ROWS):
            rows = [
                types_pb2.User(
                    id=ids[i],
                    created_ms=self.start_ms - 90 * DAY_MS,
                    languages=dict.fromkeys((_TAGS[self.languages[i]], "en")),
                    community_ids=[f"topic {topic}" for topic in dict.fromkeys(self.homes[i].tolist())],
                )
                for i in range(start, min(start + ROWS, len(ids)))
            ]
            yield entries.of_users(rows, self.start_ms)

    def event_entries(self) -> Iterator[entries.Entry]:
        """All events, without ids of their own: nothing is sent twice here."""
        done = self.happened
        for start in range(0, len(done.post), ROWS):
            some = slice(start, start + ROWS)
            count = len(done.post[some])
            columns = journal_pb2.Events(
                event_ids=[""] * count,
                viewer_ids=[f"u{viewer:07d}" for viewer in done.viewer[some]],
                post_ids=[self.post_id(post) for post in done.post[some]],
                author_ids=[""] * count,
                kinds=done.kind[some],
                time_ms=done.time_ms[some],
                dwell_ms=[12_000] * count,
                undo=[False] * count,
                request_ids=[""] * count,
                positions=[0] * count,
                surfaces=[types_pb2.SURFACE_FOR_YOU] * count,
            )
            yield entries.Entry(time_ms=int(done.time_ms[some][-1]), events=columns)

    def entries(self) -> Iterator[entries.Entry]:
        """The whole journal: what benchmarks/network.py comes to without folding all of it."""
        yield from self.user_entries()
        ids, ends = self.user_ids, np.cumsum(self.followed.length)
        follow = types_pb2.RELATION_KIND_FOLLOW
        for user, row in enumerate(np.split(self.followed.author, ends[:-1])):
            rows = [types_pb2.Relation(user_id=ids[user], target_id=ids[one], kind=follow) for one in row]
            if rows:
                yield entries.of_relations(rows, self.start_ms)
        for start in range(0, self.posts, ROWS):
            posts = [self.post(index) for index in range(start, min(start + ROWS, self.posts))]
            for post, vector in zip(posts, self.vectors(start, start + len(posts)), strict=True):
                post.vector.extend(vector.tolist())
            yield entries.of_posts(posts, posts[-1].created_ms)
        yield from self.event_entries()

    def _rng(self, *purpose: str | int) -> np.random.Generator:
        """A stream of its own for each purpose, so that one does not shift another."""
        return np.random.default_rng([self.seed, *"/".join(map(str, purpose)).encode()])


class _Drawer:
    """Draws rows by weight among those that have a label."""

    def __init__(self, labels: Numbers, weight: NDArray[np.float64]) -> None:
        """labels: (rows, labels a row); weight: (rows,)."""
        label = labels.ravel()
        order = np.argsort(label, kind="stable")
        self._row = np.repeat(np.arange(len(labels)), labels.shape[1])[order]
        self._sum = np.concatenate([[0.0], np.cumsum(np.repeat(weight, labels.shape[1])[order])])
        self._first = np.searchsorted(label[order], np.arange(label.max() + 2))

    def drawn(self, rng: np.random.Generator, label: Numbers) -> Numbers:
        """A row for each label; -1 where no row has it."""
        known = label < len(self._first) - 1
        asked = np.where(known, label, 0)
        first, end = self._first[asked], self._first[asked + 1]
        low, high = self._sum[first], self._sum[end]
        at = np.searchsorted(self._sum, low + rng.random(label.shape) * (high - low), side="right") - 1
        found = self._row[np.clip(at, first, np.maximum(end - 1, first)) % len(self._row)]
        return np.where(known & (first < end), found, -1)


def _different(
    rng: np.random.Generator, author: Numbers, viewer: Numbers, follows: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """About so many different authors of each row, without the viewer: lengths, and rising rows."""
    rising = np.sort(author.astype(np.int32), axis=1)
    kept = rising != viewer[:, None]
    kept[:, 1:] &= rising[:, 1:] != rising[:, :-1]
    kept &= rng.random(kept.shape, np.float32) * kept.sum(axis=1, keepdims=True) < follows
    return kept.sum(axis=1, dtype=np.int32), rising[kept]


def _parents(rng: np.random.Generator, count: int) -> Numbers:
    """One post in eight replies to a recent one that is no reply; -1 for none."""
    asks = rng.random(count) < 1 / 8
    parent = np.arange(count) - 1 - rng.exponential(max(20, count / 40), count).astype(np.int64)
    return np.where(asks & (parent >= 0) & ~asks[parent], parent, -1)


def _one_of_each(rng: np.random.Generator, follows: Follows, viewer: Numbers) -> Numbers:
    """One of those that each viewer follows; an author beyond all where nobody is followed."""
    start = np.cumsum(follows.length, dtype=np.int64) - follows.length
    at = start[viewer] + (rng.random(len(viewer)) * follows.length[viewer]).astype(np.int64)
    everyone = np.append(follows.author, np.int32(2**31 - 1))
    return np.where(follows.length[viewer] > 0, everyone[at], 2**31 - 1).astype(np.int64)
