"""Simulated histories, and that they find what they are there to find."""

import os
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2

from ranker import archive, query
from ranker.errors import JournalUnavailable
from ranker.fold import people
from ranker.follower import Follower
from ranker.impression_files import Segment
from ranker.journal import now_ms, order
from ranker.sessions import Session
from ranker.state.recent_ids import RecentIds
from ranker.upkeep import Upkeep
from ranker.writer import Writer
from tests.simulation.world import Violation, run

HISTORIES = 300
PARTS = 6
MET: Counter[str] = Counter()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_breaks_an_invariant(part: int) -> None:
    for seed in range(part, HISTORIES, PARTS):
        MET.update(run(seed).met)


def test_histories_meet_what_they_are_to_meet() -> None:
    """Else the ones above would prove little."""
    met = MET or run(1).met + run(2).met + run(3).met
    wanted = {"crash", "refused", "restored", "saved", "served", "next pages", "rows logged", "replay"}
    assert not wanted - met.keys() or not MET
    assert not MET or min(met["power cut"], met["not saved"], met["stop"]) > 0


def test_the_same_seed_is_the_same_history() -> None:
    assert run(11).digest == run(11).digest != run(12).digest


def forgets_blocks(patch: pytest.MonkeyPatch) -> None:
    relate = people.relate

    def forgetful(state: Any, user: int, target: int, kind: int, *, remove: bool) -> None:
        if kind != types_pb2.RELATION_KIND_BLOCK:
            relate(state, user, target, kind, remove=remove)

    patch.setattr(people, "relate", forgetful)


def acknowledges_what_is_not_journaled(patch: pytest.MonkeyPatch) -> None:
    write = Writer.write

    def hasty(self: Writer, entry: Any) -> tuple[str, bool]:
        try:
            return write(self, entry)
        except JournalUnavailable:
            return f"{now_ms()}-7", False

    patch.setattr(Writer, "write", hasty)


def saves_in_the_middle_of_an_entry(patch: pytest.MonkeyPatch) -> None:
    apply = Follower.apply

    def interrupted(self: Follower, record: Any, patience_s: float = 0.0) -> None:
        state, before = self.fold.state, self.fold.state.position
        state.position = record[0]
        while self._jobs:
            self._jobs.popleft()()
        state.position = before
        apply(self, record, patience_s)

    patch.setattr(Follower, "apply", interrupted)


def repeats_a_place(patch: pytest.MonkeyPatch) -> None:
    cursor = Session.cursor
    patch.setattr(Session, "cursor", lambda self, place: cursor(self, max(place - 1, 0)))


def counts_events_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RecentIds, "admit_all", lambda _, ids: np.ones(len(ids.start), np.bool_))


def trims_what_is_not_archived(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Upkeep, "_archive", lambda self, position: self._journal.trim(position))


def trims_what_is_not_on_disk(patch: pytest.MonkeyPatch) -> None:
    careless = SimpleNamespace(open=os.open, close=os.close, O_RDONLY=os.O_RDONLY, fsync=lambda _: None)
    patch.setattr(archive, "os", careless)


def folds_an_entry_twice(patch: pytest.MonkeyPatch) -> None:
    follow = Follower._follow

    def again(self: Follower) -> None:
        before = self.fold.state.position
        follow(self)
        if order(before) < order(self.fold.state.position) and self.fold.state.posts.size % 7 == 3:
            self.fold.state.position = before
            follow(self)

    patch.setattr(Follower, "_follow", again)


def lets_muted_words_pass(patch: pytest.MonkeyPatch) -> None:
    wishes = query._wishes
    patch.setattr(query, "_wishes", lambda *args: wishes(*args) | {"muted_words": ()})


def logs_rows_twice(patch: pytest.MonkeyPatch) -> None:
    append = Segment.append

    def twice(self: Segment, rows: Any) -> None:
        append(self, rows)
        append(self, rows)

    patch.setattr(Segment, "append", twice)


Bug = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    ("bug", "within"),
    [
        (forgets_blocks, 20),
        (acknowledges_what_is_not_journaled, 20),
        (saves_in_the_middle_of_an_entry, 120),
        (repeats_a_place, 20),
        (counts_events_again, 20),
        (trims_what_is_not_archived, 20),
        (trims_what_is_not_on_disk, 120),
        (folds_an_entry_twice, 20),
        (lets_muted_words_pass, 20),
        (logs_rows_twice, 20),
    ],
)
def test_a_known_bug_is_found(bug: Bug, within: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        bug(patch)
        assert any(_breaks(seed) for seed in range(within))


def _breaks(seed: int) -> bool:
    try:
        run(seed)
    except Violation as violation:
        return f"--seed {seed}" in str(violation)
    return False
