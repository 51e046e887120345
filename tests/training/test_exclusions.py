"""Exclusions: each rule takes the viewers that it is there for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker.errors import InvalidArgument
from training.exclusions import Behaviour, Exclusions

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CLICK, DWELL, LIKE = t.EVENT_KIND_CLICK, t.EVENT_KIND_DWELL, t.EVENT_KIND_LIKE


def behaviour(
    events: Sequence[tuple[int, int, int]] = (), answers: Sequence[tuple[int, int]] = ()
) -> Behaviour:
    """Of three viewers. Events are (viewer, kind, time in ms), answers (viewer, time in ms)."""
    done = np.array(events, np.int64).reshape(-1, 3)
    asked = np.array(answers, np.int64).reshape(-1, 2)
    return Behaviour(
        viewers=["ines", "test-1", "Test-2"],
        viewer=done[:, 0].astype(np.int32),
        kind=done[:, 1].astype(np.int8),
        time_ms=done[:, 2],
        asker=asked[:, 0].astype(np.int32),
        asked_ms=asked[:, 1],
    )


def taken(rules: Exclusions, what: Behaviour) -> list[list[bool]]:
    return [mask.tolist() for mask in rules.masks(what).values()]


def test_no_rule_takes_anybody() -> None:
    assert taken(Exclusions(), behaviour([(0, CLICK, 0)] * 10_000)) == []


def test_patterns_tell_small_and_capital_letters_apart() -> None:
    assert taken(Exclusions(viewers=("test-*",)), behaviour()) == [[False, True, False]]


def test_actions_are_counted_by_hours_of_the_clock() -> None:
    at_once = [(0, LIKE, HOUR_MS + n) for n in range(3)]
    over_two_hours = [(1, LIKE, HOUR_MS - 1 + n) for n in range(3)]
    found = taken(Exclusions(actions_an_hour=2), behaviour([*at_once, *over_two_hours]))
    assert found == [[True, False, False]]


def test_answers_are_counted_by_days() -> None:
    answers = [(0, DAY_MS), (0, 2 * DAY_MS - 1), (1, DAY_MS - 1), (1, DAY_MS)]
    assert taken(Exclusions(answers_a_day=1), behaviour(answers=answers)) == [[True, False, False]]


def test_who_clicks_and_never_stays_is_taken() -> None:
    clicks = [(viewer, CLICK, n) for viewer in (0, 1) for n in range(5)]
    found = taken(Exclusions(clicks_without_dwell=5), behaviour([*clicks, (1, DWELL, 9), (2, CLICK, 1)]))
    assert found == [[True, False, False]]


def test_a_file_of_rules_is_read_and_more_are_added(tmp_path: Path) -> None:
    file = tmp_path / "bots.toml"
    file.write_text('viewers = ["test-*"]\nanswers_a_day = 500\n')
    rules = Exclusions.of([str(file), "viewers=bot-*"])
    assert rules == Exclusions(viewers=("test-*", "bot-*"), answers_a_day=500)


@pytest.mark.parametrize("rule", ["robots=1", "answers_a_day=many", "answers_a_day=0", "no_such_file.toml"])
def test_what_is_no_rule_is_refused_with_a_repair(rule: str) -> None:
    with pytest.raises(InvalidArgument, match=r"the rules are viewers|name a TOML file"):
        Exclusions.of([rule])
