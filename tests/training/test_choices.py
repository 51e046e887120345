"""Choices: viewers without an id are nobody, and no rule takes them for somebody."""

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import features
from training.choices import Chosen, Names, choose, drawn
from training.consent import Refusals
from training.examples import Choices, Impressions, Outcomes, not_logged
from training.exclusions import Exclusions

HOUR_MS = 3_600_000


def shown(*viewers: int) -> Impressions:
    """One post in an answer of its own to each viewer."""
    count = len(viewers)
    numbers = np.arange(count, dtype=np.int32)
    return Impressions(
        features=np.zeros((count, len(features.NAMES)), np.float32),
        viewer=np.array(viewers, np.int32),
        post=np.zeros(count, np.int32),
        request=numbers,
        group=numbers,
        time_ms=np.arange(count, dtype=np.int64),
        place=numbers,
        surface=np.ones(count, np.int8),
        **not_logged(count),
    )


def clicks(*viewers: int) -> Outcomes:
    """A click of each viewer on a post that was not shown."""
    count = len(viewers)
    return Outcomes(
        viewer=np.array(viewers, np.int32),
        post=np.full(count, -1, np.int32),
        request=np.full(count, -1, np.int32),
        kind=np.full(count, t.EVENT_KIND_CLICK, np.int8),
        time_ms=np.arange(count, dtype=np.int64),
        dwell_ms=np.zeros(count, np.int64),
        undo=np.zeros(count, np.bool_),
        refuses=np.zeros(count, np.uint8),
    )


def chosen(impressions: Impressions, done: Outcomes, viewers: list[str], rules: Exclusions) -> Chosen:
    nobody = np.zeros(len(viewers) + 1, np.uint8)
    refusals = Refusals(
        nobody, np.zeros(2, np.uint8), np.zeros(2, np.uint8), np.zeros(len(impressions), np.uint8)
    )
    names = Names(viewers, ["p"], [f"r{i}" for i in range(len(impressions))])
    choices = Choices(seen="no", negatives=1.0, exclude=rules)
    return choose(impressions, done, np.ones(len(impressions), np.bool_), names, choices, refusals)


@pytest.mark.parametrize("rule", ["viewers=last", "actions_an_hour=2", "clicks_without_dwell=3"])
def test_a_rule_that_takes_the_last_viewer_leaves_who_has_no_id(rule: str) -> None:
    found = chosen(shown(0, 1, -1), clicks(1, 1, 1), ["first", "last"], Exclusions.of([rule]))
    assert found.rows.tolist() == [0, 2]


@pytest.mark.parametrize("rule", ["actions_an_hour=2", "clicks_without_dwell=3", "answers_a_day=3"])
def test_what_is_done_without_an_id_is_nobodys(rule: str) -> None:
    found = chosen(shown(0, 1, -1, -1, -1, -1), clicks(-1, -1, -1), ["first", "last"], Exclusions.of([rule]))
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 5]


def test_where_nobody_has_an_id_the_rules_take_nobody() -> None:
    found = chosen(shown(-1, -1), clicks(-1), [], Exclusions.of(["viewers=*", "actions_an_hour=1"]))
    assert found.rows.tolist() == [0, 1]


def test_a_row_without_viewer_and_answer_is_drawn_by_its_time() -> None:
    rows = shown(-1, -1)
    rows.request[:] = -1
    first, second = drawn(rows, Names([], ["p"], []), seed=1)
    assert first != second
