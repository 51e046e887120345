"""The simulated network: its people, posts and history from a seed, and viewers who answer a timeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from feedrank.v1 import types_pb2 as t
from feedrank.v1.controls_pb2 import SetPreferencesRequest

from ranker.errors import InvalidArgument
from training.playground import behaviour, graph, messages, taste
from training.playground.history import History, history
from training.playground.people import Floats, People, people
from training.playground.posts import DAY_MS, Form, Posts, posts
from training.playground.words import LANGUAGES, TOPICS
from training.rows import Row

_RELATION = {graph.FOLLOWS: t.RELATION_KIND_FOLLOW}


@dataclass(frozen=True)
class World:
    """A network that follows from its settings alone: equal settings give equal rows.

    The first `authors` users write, the first `viewers` users read; where both are equal, all do both. What
    is drawn is drawn once, when it is first asked for, and kept.

    >>> small = World(authors=20, viewers=20, post_count=60, days=1)
    >>> small.post("p000000").author_id in small.user_ids
    True
    """

    seed: int = 7
    authors: int = 300
    viewers: int = 300
    post_count: int = 3_000
    days: float = 7.0
    pages_a_day: float = 3.0  # that a viewer opens, on average, in the history
    page_size: int = 20
    end_ms: int = 1_795_305_600_000  # 2026-11-22 00:00 UTC: the end of the history
    vector_dimension: int = 0  # numbers in each post's own vector, clustered by topic; 0: posts carry none

    def __post_init__(self) -> None:
        for name in ("authors", "viewers", "post_count", "page_size"):
            if getattr(self, name) < 3:
                raise InvalidArgument(name, f"{name} must be at least 3, not {getattr(self, name)}")
        if self.days * DAY_MS < 1:
            raise InvalidArgument("days", f"days must be more than 0, not {self.days}")

    @property
    def start_ms(self) -> int:
        """When the history starts."""
        return self.end_ms - int(self.days * DAY_MS)

    @property
    def user_ids(self) -> list[str]:
        """All users, max(authors, viewers) of them; the first `viewers` are the viewers."""
        return self.people.ids

    @cached_property
    def people(self) -> People:
        """The users' hidden columns."""
        return people(max(self.authors, self.viewers), self._rng("people"))

    @cached_property
    def posts(self) -> Posts:
        """The posts' hidden columns."""
        rng = self._rng("posts")
        return posts(self.people, self.authors, self.post_count, self.start_ms, self.end_ms, rng)

    @cached_property
    def standing(self) -> graph.Standing:
        """Who follows or avoids whom at the start: (users, authors) int8, see graph."""
        return graph.standing(self.people, self.authors, self._rng("graph"))

    @cached_property
    def history(self) -> History:
        """All events before `end_ms`, as columns."""
        visits = max(1, round(self.viewers * self.days * self.pages_a_day))
        rng = self._rng("history")
        return history(self.people, self.posts, self.standing, self.viewers, visits, self.page_size, rng)

    def rows(self) -> Iterator[Row]:
        """The whole history in time order: users, relations, preferences, then posts and events."""
        yield from self.users()
        yield from self.relations()
        yield from self.preferences()
        events, made = self.history, 0
        after = np.searchsorted(self.posts.created_ms, events.time_ms, side="right")
        for i, due in enumerate(after.tolist()):
            yield from map(self._post, range(made, due))
            made = due
            yield self._event(i)
        yield from map(self._post, range(made, self.post_count))

    def post(self, post_id: str) -> t.Post:
        """The post with an id; raises KeyError where there is none."""
        return self._post(self._post_index[post_id])

    def act(
        self, viewer_id: str, post_ids: Sequence[str], t_ms: int, request_id: str, rng: np.random.Generator
    ) -> list[t.Event]:
        """How a viewer answers a page that was served at `t_ms`, top first: events in time order.

        The first event is the impression of the top post. Posts that the world does not know are passed over,
        and the others keep their positions. Raises KeyError for an unknown viewer.
        """
        known = [(i, self._post_index[post]) for i, post in enumerate(post_ids) if post in self._post_index]
        if not known:
            return []
        position, shown = np.array(known).T
        viewer = self._user_index[viewer_id]
        page = taste.page(self.people, self.posts, self.standing[viewer], viewer, shown)
        done = behaviour.act(page, rng)
        events = messages.events(viewer_id, shown[done.position], done, t_ms, request_id)
        for event in events:
            event.position = int(position[event.position])
        return events

    def utility(self, viewer_id: str, post_id: str) -> float:
        """The hidden truth: how much a viewer would like a post, about -4 to 4."""
        return float(self.utilities(viewer_id, [post_id])[0])

    def utilities(self, viewer_id: str, post_ids: Sequence[str]) -> Floats:
        """The hidden truth for many posts: (m,); raises KeyError for an unknown viewer or post."""
        of = np.array([self._post_index[post] for post in post_ids], np.int64)
        viewer = self._user_index[viewer_id]
        followed = self.standing[viewer, self.posts.author[of]] == graph.FOLLOWS
        return taste.utility(self.people, self.posts, viewer, of, followed)

    def _rng(self, purpose: str) -> np.random.Generator:
        """A stream of its own for each purpose, so that one does not shift another."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    @cached_property
    def _user_index(self) -> dict[str, int]:
        return {user: i for i, user in enumerate(self.people.ids)}

    @cached_property
    def _post_index(self) -> dict[str, int]:
        return {messages.post_id(i): i for i in range(self.post_count)}

    def users(self) -> Iterator[t.User]:
        """Accounts made over the year before the history starts."""
        ages = self._rng("users").integers(1, 365 * DAY_MS, len(self.people.ids))
        for i, age in enumerate(np.sort(ages)[::-1].tolist()):
            yield messages.user(self.people, i, self.start_ms - age)

    def relations(self) -> Iterator[t.Relation]:
        """Who follows, mutes or blocks whom at the start."""
        rng, ids = self._rng("relations"), self.people.ids
        for user, target in np.argwhere(self.standing):
            avoids = t.RELATION_KIND_BLOCK if rng.random() < 0.3 else t.RELATION_KIND_MUTE
            kind = _RELATION.get(int(self.standing[user, target]), avoids)
            yield t.Relation(user_id=ids[user], target_id=ids[target], kind=kind)

    def preferences(self) -> Iterator[SetPreferencesRequest]:
        """What some viewers have asked for."""
        rng = self._rng("preferences")
        for i in range(self.viewers):
            if asked := messages.preferences(self.people, i, rng):
                yield asked

    def _post(self, index: int) -> t.Post:
        message = messages.post(self.people, self.posts, index, self.seed)
        if self.vector_dimension and self.posts.form[index] != Form.REPOST:
            message.vector.extend(self._vector(index).tolist())
        return message

    @cached_property
    def _centres(self) -> tuple[Floats, Floats]:
        """A unit vector for each topic and each language."""
        rng = self._rng("vectors")
        topics = rng.standard_normal((len(TOPICS), self.vector_dimension), dtype=np.float32)
        tongues = rng.standard_normal((len(LANGUAGES), self.vector_dimension), dtype=np.float32)
        return _unit(topics), _unit(tongues)

    def _vector(self, index: int) -> Floats:
        """Near the centre of the post's topic, a little towards its language's."""
        topics, tongues = self._centres
        rng = np.random.default_rng([self.seed, index])
        noise = rng.standard_normal(self.vector_dimension, dtype=np.float32)
        centre = topics[self.posts.topic[index]] + 0.3 * tongues[self.posts.language[index]]
        return _unit(centre + 0.8 * _unit(noise))

    def _event(self, i: int) -> t.Event:
        events, visit = self.history, int(self.history.visit[i])
        return t.Event(
            event_id=f"e{self.seed}-{i}",
            viewer_id=self.people.ids[events.viewer[i]],
            kind=t.EventKind.ValueType(int(events.kind[i])),
            post_id=messages.post_id(int(events.post[i])),
            time_ms=int(events.time_ms[i]),
            dwell_ms=int(events.dwell_ms[i]),
            request_id=f"r{self.seed}-{visit}" if visit >= 0 else "",
            position=int(events.position[i]),
            surface=t.SURFACE_FOR_YOU if visit >= 0 else t.SURFACE_UNSPECIFIED,
        )


def _unit(vectors: npt.NDArray[np.float32]) -> Floats:
    """Scaled to length 1 along the last axis."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = vectors / length
    return unit
