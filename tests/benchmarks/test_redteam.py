"""The red team on a small network: with the defence a ring leaves no trace, without it a ring rules."""

import numpy as np
import pytest

from benchmarks import redteam
from benchmarks.redteam import ATTACKS, UNDEFENDED, Ring, Town
from ranker.state import State
from ranker.state.standing import StandingSettings

OFF = StandingSettings(days=0, authors=0)
ACCOUNTS = 60


@pytest.fixture(scope="module")
def town() -> Town:
    return redteam.settled(posts=1_000, viewers=120, days=2, seed=1)


def attacked(town: Town, attack: str, standing: StandingSettings) -> State:
    state = town.copy(standing)
    ring = Ring(state, ACCOUNTS, town.now_ms - redteam.HOUR_MS, town.now_ms)
    ring.join([])
    ATTACKS[attack](ring, town.targets[0])
    return state


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in UNDEFENDED])
def test_a_ring_changes_nothing_that_others_are_shown_by(town: Town, attack: str) -> None:
    assert redteam.untouched(town.state, attacked(town, attack, StandingSettings())) == []


def test_without_the_defence_a_ring_changes_the_post(town: Town) -> None:
    assert "post.counter" in redteam.untouched(town.state, attacked(town, "push", OFF))


def test_a_ring_moves_a_post_far_without_the_defence_and_not_at_all_with_it(town: Town) -> None:
    moved = []
    target = town.targets[0]
    asked = redteam.groups(town, target, 6, seed=1)["no tie"]
    before = redteam.standpoint(town, town.state, target, asked, "for_you").place
    for standing in (OFF, StandingSettings()):
        state = attacked(town, "push", standing)
        now = redteam.standpoint(town, state, target, asked, "for_you").place
        moved.append(int(np.abs(now - before).max()))
    assert moved[0] > redteam.PAGE
    assert moved[1] == 0
