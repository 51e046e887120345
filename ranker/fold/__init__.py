"""The fold: journal entries in, state out. Nothing else changes the state.

Time comes from the entries, never from a clock, and entries apply in order, in one thread. So a live server,
a restart, a replica and an offline replay come to the same state, bit for bit.
"""

from collections.abc import Callable
from typing import Any

from feedrank.journal.v1 import journal_pb2

from ranker.errors import JournalError
from ranker.fold import erasure, events, models, people, posts
from ranker.fold.index import Index, NoIndex
from ranker.known import holds_more
from ranker.state import State

__all__ = ["Fold", "Index"]


class Fold:
    """Applies entries to a state, and tells the index."""

    def __init__(self, state: State, index: Index | None = None) -> None:
        self.state = state
        self.index = NoIndex() if index is None else index
        self.when_erased: list[Callable[[erasure.Erased], None]] = []
        """Who is told of each erased person, by the fold's thread."""
        self._read: dict[str, Callable[[Any], Any]] = {
            "posts": lambda change: posts.read(change, state.dimension),
            "served": lambda change: people.read_served(state, change),
            "erased_user": lambda change: erasure.find(state, change),
            "events": lambda change: events.read(state, change),
            "relations": people.read_relations,
            "vectors": lambda change: posts.read_vectors(change, state.dimension),
        }
        """What is made of a change before it is applied."""
        self._apply: dict[str, Callable[[Any], None]] = {
            "posts": lambda change: posts.put(state, self.index, change),
            "deleted_posts": lambda change: posts.delete(state, self.index, change),
            "vectors": lambda change: posts.put_vectors(state, self.index, change),
            "users": lambda change: people.put(state, change),
            "relations": lambda change: people.put_relations(state, change),
            "preferences": lambda change: people.put_preferences(state, change),
            "served": lambda change: people.remember_served(state, change),
            "events": lambda change: events.record(state, change),
            "active_model": lambda change: models.activate(state, change),
            "shadow_model": lambda change: models.set_shadow(state, change),
            "started_experiment": lambda change: models.start(state, change),
            "stopped_experiment": lambda change: models.stop(state, change),
            "erased_user": lambda change: erasure.erase(state, self.index, change),
        }

    def apply(self, position: str, entry: journal_pb2.Entry, patience_s: float = 0.0) -> None:
        """Apply one entry. `position` is its id in the journal; for `patience_s` readers go first."""
        change = entry.WhichOneof("change")
        if change is None:
            raise JournalError(
                f"entry {position} holds a change that this version does not know: upgrade feedrank"
            )
        content = getattr(entry, change)
        if change in self._read:  # before the turn: nothing else changes the state, so looking waits for none
            content = self._read[change](content)
        partly = holds_more(entry)
        with self.state.turn.write(patience_s):
            if partly:
                self._pass_over(position)
            self.state.time_ms = max(self.state.time_ms, entry.time_ms)
            self.state.departed.expire(self.state.time_ms)
            self._apply[change](content)
            self._make_room()
            if not isinstance(content, erasure.Traces):
                self.state.position = position
        if isinstance(content, erasure.Traces):
            self._tell(content, position)

    def _tell(self, traces: erasure.Traces, position: str) -> None:
        """An erasure counts as folded when all have heard of it: who waits for it asks them."""
        if traces.change.user_id:
            for tell in self.when_erased:
                tell(traces.told(self.state.time_ms, position))
        with self.state.turn.write():
            self.state.position = position

    def skip(self, position: str, *, readable: bool = True) -> None:
        """Pass over an entry that can't be applied. `readable`: another version may be able to."""
        with self.state.turn.write():
            if readable:
                self._pass_over(position)
            self.state.position = position

    def _pass_over(self, position: str) -> None:
        """Remember where it began that entries were not folded as they are."""
        self.state.passed_over = self.state.passed_over or position

    def _make_room(self) -> None:
        state = self.state
        while state.posts.size > state.settings.max_posts:
            self.index.renumber(state.drop_oldest_posts())
        while state.users.size > state.settings.max_users:
            state.drop_idlest_users()
            posts.delete_orphans(state, self.index)
