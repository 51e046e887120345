"""The writer: puts entries into the journal, and waits until the next read, by any worker, sees them."""

from ranker.errors import JournalUnavailable
from ranker.follower import Follower
from ranker.journal import Entry, Journal, order

_VISIBLE_WITHIN_S = 0.5


class Writer:
    """Acknowledged means journaled."""

    def __init__(self, journal: Journal, follower: Follower) -> None:
        self._journal = journal
        self._follower = follower

    def write(self, entry: Entry | bytes) -> tuple[str, bool]:
        """Journal an entry, serialised or not: its position, and whether it is folded here.

        Raises JournalUnavailable: nothing was acknowledged.
        """
        before = self._follower.fold.state.position
        position = self._journal.append(entry)
        if order(position) <= order(before):
            self._journal.go_past(before)
            raise JournalUnavailable(
                "the journal's server lost entries that were folded here, and has been set right: try again"
            )
        visible = self._follower.wait_for(position, _VISIBLE_WITHIN_S)
        if visible:
            self._follower.board.acknowledge(position)
        return position, visible
