"""What follows the fold to make posts retrievable by vector."""

from typing import Protocol

from ranker.state.columns import Slots
from ranker.state.tables import Int64s


class Index(Protocol):
    """Told of vectors as they come and go."""

    def add(self, slots: Slots, times_ms: Int64s) -> None:
        """Posts that have a new vector."""

    def remove(self, slots: Slots) -> None:
        """Posts that must not be found any more."""

    def renumber(self, mapping: Slots) -> None:
        """Slots moved."""


class NoIndex:
    """For folds that nobody searches: replays."""

    def add(self, slots: Slots, times_ms: Int64s) -> None:
        """Nothing."""

    def remove(self, slots: Slots) -> None:
        """Nothing."""

    def renumber(self, mapping: Slots) -> None:
        """Nothing."""
