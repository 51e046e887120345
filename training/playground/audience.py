"""The viewers in time: whom they follow by now, what they like by now, what they have read.

`World` says how things stand at the start. An audience lives on from there, by what it is served: a follow
or a mute on a page holds from then on, a post that was on the screen is not read again, and on a day the
viewers' tastes may change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from feedrank.v1 import types_pb2 as t

from training.playground import behaviour, messages, taste
from training.playground.graph import AVOIDS, FOLLOWS
from training.playground.people import Floats, People, tastes
from training.playground.world import World

Indices = npt.NDArray[np.integer[Any]]

_NOW_STANDS = {t.EVENT_KIND_FOLLOW: FOLLOWS, t.EVENT_KIND_MUTE: AVOIDS}


@dataclass(frozen=True)
class TasteChange:
    """From a moment on, that share of the viewers like other topics: each of them draws a taste anew."""

    at_ms: int
    share: float = 1.0


class Audience:
    """A world's viewers, by number (the order of `world.user_ids`), and its posts by number.

    Equal worlds, changes and pages give equal events: all that is drawn comes from generators given.
    """

    def __init__(self, world: World, change: TasteChange | None = None) -> None:
        self.world = world
        self.change = change
        self.stands = world.standing.copy()
        """How each user stands to each author now, as graph.standing."""
        self.read = np.zeros((world.viewers, world.post_count), np.bool_)
        """What was on each viewer's screen."""

    @cached_property
    def _changed(self) -> People:
        """The people after the change of taste."""
        people, share = self.world.people, self.change.share if self.change else 0.0
        rng = np.random.default_rng([self.world.seed, *b"taste change"])
        chosen = rng.random(len(people.ids)) < share
        return replace(people, taste=np.where(chosen[:, None], tastes(len(people.ids), rng), people.taste))

    def people(self, t_ms: int) -> People:
        """The people as they are at a moment."""
        changed = self.change is not None and t_ms >= self.change.at_ms
        return self._changed if changed else self.world.people

    def page(self, viewer: int, of: Indices, t_ms: int) -> behaviour.Page:
        """The posts `of` (m,) as a viewer meets them at a moment."""
        met = taste.page(self.people(t_ms), self.world.posts, self.stands[viewer], viewer, of)
        return replace(met, read=self.read[viewer, of])

    def utilities(self, viewer: int, of: Indices, t_ms: int) -> Floats:
        """The hidden truth: how much a viewer would like posts at a moment, about -4 to 4: (m,)."""
        return self.page(viewer, of, t_ms).utility

    def act(
        self, viewer: int, of: Sequence[int], t_ms: int, request_id: str, rng: np.random.Generator
    ) -> list[t.Event]:
        """What a viewer does on a page that was served at `t_ms`, top first: events in time order.

        A follow or mute holds from now on, and what was on the screen is read.
        """
        shown = np.asarray(of, np.int64)
        done = behaviour.act(self.page(viewer, shown, t_ms), rng)
        post = shown[done.position]
        self.read[viewer, post] = True
        for kind, stands in _NOW_STANDS.items():
            self.stands[viewer, self.world.posts.author[post[done.kind == kind]]] = stands
        return messages.events(self.world.user_ids[viewer], post, done, t_ms, request_id)
