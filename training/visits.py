"""Visits: viewers of the simulated network open timelines of a live server and respond to them."""

import time
from collections.abc import Iterator

import feedrank
import numpy as np

from training.playground import World

_PAUSE_S = 0.2


def visits(
    world: World, client: feedrank.Client, minutes: float | None = None, pause_s: float = _PAUSE_S
) -> Iterator[int]:
    """One visit after the other, by the viewers' activity: yields how many events each one sent.

    Without `minutes` it never ends. Each visit opens one page of the "for you" timeline, and what the viewer
    does on it is recorded at once.
    """
    rng = np.random.default_rng()
    active = world.people.activity[: world.viewers].astype(np.float64)
    until = time.monotonic() + 60 * minutes if minutes else np.inf
    while time.monotonic() < until:
        viewer = world.user_ids[int(rng.choice(world.viewers, p=active / active.sum()))]
        yield _visit(world, client, viewer, rng)
        time.sleep(pause_s)


def _visit(world: World, client: feedrank.Client, viewer: str, rng: np.random.Generator) -> int:
    page = client.timeline(viewer, surface="for_you", size=world.page_size)
    now_ms = int(time.time() * 1000)
    events = world.act(viewer, [post.post_id for post in page.posts], now_ms, page.request_id, rng)
    for event in events:
        # The reading takes minutes in the world and no time here.
        event.time_ms = now_ms
    return client.record_events(events).accepted if events else 0
