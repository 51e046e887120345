import numpy as np

from ranker.events import LASTING, NUMBERS
from ranker.state import event_log
from ranker.state.event_log import WIDTH
from ranker.state.growing import Growing
from ranker.state.tables import Users


class Log:
    """One viewer's log."""

    def __init__(self) -> None:
        rows = Growing(Users.growings["event"])
        rows.resize(1)
        self.fields = [rows.field(name) for name in ("post", "author", "kind", "ms", "counts")]
        self.count = np.zeros(1, np.int64)

    def settle(
        self, kind: str, post: int = 1, *, undo: bool = False, time_ms: int = 5, counts: bool = True
    ) -> tuple[float, int]:
        """What the event counts, and its time."""
        times = np.array([time_ms])
        self.counts = np.array([counts])
        post_, author, kind_, ms, stands = self.fields
        amounts = event_log.settle(
            post_, author, kind_, ms, stands, self.count, np.zeros(1, np.int32),
            np.array([post], np.int32), np.array([0], np.int32), np.array([NUMBERS[kind]], np.int8),
            np.array([undo]), times, self.counts, LASTING, NUMBERS["impression"],
        )  # fmt: skip
        return float(amounts[0]), int(times[0])


def test_a_lasting_kind_counts_once() -> None:
    log = Log()
    assert [log.settle("like")[0] for _ in range(3)] == [1, 0, 0]


def test_a_passing_kind_counts_each_time() -> None:
    log = Log()
    assert [log.settle("click")[0] for _ in range(3)] == [1, 1, 1]


def test_an_undo_takes_back_with_the_time_of_what_it_undoes() -> None:
    log = Log()
    log.settle("like", time_ms=3)
    assert log.settle("like", undo=True, time_ms=9) == (-1, 3)


def test_an_undo_takes_back_from_others_what_was_added_for_them() -> None:
    log = Log()
    for did, later in ((True, False), (False, True)):
        log.settle("like", counts=did)
        log.settle("like", undo=True, counts=later)
        assert log.counts.tolist() == [did]


def test_an_undo_of_what_never_was_changes_nothing() -> None:
    log = Log()
    log.settle("like", post=2)
    assert log.settle("like", post=1, undo=True) == (0, 5)
    assert log.settle("reply", post=2, undo=True) == (0, 5)


def test_an_undo_works_once() -> None:
    log = Log()
    log.settle("like")
    assert [log.settle("like", undo=True)[0] for _ in range(2)] == [-1, 0]


def test_a_lasting_kind_counts_again_after_its_undo() -> None:
    log = Log()
    log.settle("like")
    log.settle("like", undo=True)
    assert log.settle("like")[0] == 1


def test_impressions_count_and_push_nothing_out() -> None:
    log = Log()
    log.settle("like")
    assert sum(log.settle("impression", post)[0] for post in range(300)) == 300
    assert log.settle("like")[0] == 0


def test_an_event_is_forgotten_after_as_many_others_as_the_log_is_wide() -> None:
    log = Log()
    log.settle("like", post=0)
    for post in range(1, WIDTH + 1):
        log.settle("click", post)
    assert log.settle("like", post=0, undo=True)[0] == 0
