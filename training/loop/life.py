"""A life: a network's weeks under one feed, from the first page to the last, on virtual time."""

import heapq
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from feedrank.journal.v1 import journal_pb2

from ranker import entries
from training.loop.feeds import Feed
from training.loop.plan import Plan
from training.loop.value import MEASURES, worth
from training.playground import messages
from training.playground.audience import Audience
from training.playground.posts import DAY_MS

Entry = journal_pb2.Entry
_NIGHT_MS = 4 * 3_600_000
"""Retraining begins at four in the morning."""


class Happenings:
    """Entries that are due at a moment, oldest first."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Entry]] = []
        self._number = 0

    def add(self, due_ms: int, entry: Entry) -> None:
        """Something that happens then."""
        self._number += 1
        heapq.heappush(self._due, (due_ms, self._number, entry))

    def until(self, t_ms: int) -> Iterator[Entry]:
        """What has happened by a moment, and was not taken yet."""
        while self._due and self._due[0][0] <= t_ms:
            yield heapq.heappop(self._due)[2]


def live(
    plan: Plan, audience: Audience, feed: Feed, told: Callable[[int], None] = lambda _: None
) -> npt.NDArray[np.float64]:
    """Live through a plan: what a page was worth on each day, float64 (days, measures), means over pages.

    `told` hears of each day. What viewers draw at random depends on the plan and the visit alone, so that
    feeds are compared on common random numbers.
    """
    happenings = Happenings()
    for entry in _beginning(plan):
        feed.write(entry)
    sums, pages = np.zeros((plan.days, len(MEASURES))), np.zeros(plan.days)
    posts, nights = _Posts(plan), _Nights(plan)
    for visit, (viewer, now_ms) in enumerate(zip(*(c.tolist() for c in plan.visits), strict=True)):
        for night_ms in nights.until(now_ms):
            told(plan.day(night_ms))
            _take_in(feed, happenings, night_ms)
            feed.at_night(night_ms)
        for entry in posts.until(now_ms):
            feed.write(entry)
        _take_in(feed, happenings, now_ms)
        request_id, shown = feed.page(viewer, now_ms, visit)
        day = plan.day(now_ms)
        sums[day] += worth(audience.page(viewer, np.array(shown, np.int64), now_ms))
        pages[day] += 1
        rng = np.random.default_rng([plan.seed, visit])
        events = audience.act(viewer, shown, now_ms, request_id, rng)
        if events:
            left_ms = max(event.time_ms + event.dwell_ms for event in events)
            happenings.add(left_ms, entries.of_events(events, left_ms))
    return sums / np.maximum(pages, 1)[:, None]


def _take_in(feed: Feed, happenings: Happenings, t_ms: int) -> None:
    for entry in happenings.until(t_ms):
        feed.write(entry)


def _beginning(plan: Plan) -> Iterator[Entry]:
    """Who there is, and how they stand to each other."""
    world, t_ms = plan.world, plan.world.start_ms
    yield entries.of_users(list(world.users()), t_ms)
    yield entries.of_relations(list(world.relations()), t_ms)
    for asked in world.preferences():
        yield entries.of_preferences(asked, t_ms)


class _Posts:
    """The world's posts, as they come."""

    def __init__(self, plan: Plan) -> None:
        self.world = plan.world
        self.made = 0

    def until(self, t_ms: int) -> Iterator[Entry]:
        """New posts since the last call, in one entry."""
        due = int(np.searchsorted(self.world.posts.created_ms, t_ms, side="right"))
        new = [self.world.post(messages.post_id(i)) for i in range(self.made, due)]
        self.made = due
        if new:
            yield entries.of_posts(new, new[-1].created_ms)


class _Nights:
    """Once a day, from the second on."""

    def __init__(self, plan: Plan) -> None:
        self.next_ms = plan.begin_ms + DAY_MS + _NIGHT_MS

    def until(self, t_ms: int) -> Iterator[int]:
        """The nights by a moment."""
        while self.next_ms <= t_ms:
            yield self.next_ms
            self.next_ms += DAY_MS
