"""Replay: what a feature may know, and which label follows."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import entries, features
from ranker.features import affinity, viewer
from ranker.heads import DAY_MS, HOUR_MS, NAMES
from ranker.query import Ask
from ranker.state import State, StateSettings
from training.examples import Examples
from training.histories import of_rows
from training.replay import Replay
from training.rows import Row

T0 = 1_700_000_000_000
MINUTE_MS = 60_000


def post(name: str, **fields: Any) -> t.Post:
    return t.Post(id=name, author_id="ada", text="a lighthouse", created_ms=T0 - MINUTE_MS, **fields)


def event(kind: str, post_id: str = "p1", at: int = 0, viewer: str = "ines", **fields: Any) -> t.Event:
    number = t.EventKind.Value(f"EVENT_KIND_{kind.upper()}")
    return t.Event(viewer_id=viewer, kind=number, post_id=post_id, time_ms=T0 + at, **fields)


def replayed(events: Sequence[t.Event], *, one_entry: bool = False) -> Examples:
    replay = Replay(State(4))
    rows: list[Row] = [post("p1"), post("p2"), *([] if one_entry else events)]
    replay.run(of_rows(rows))
    if one_entry:
        replay.run([("9-0", entries.of_events(events, events[-1].time_ms))])
    return replay.examples()


def labels(events: Iterable[t.Event], head: str) -> list[int]:
    return [int(label) for label in replayed(list(events)).labels[:, NAMES.index(head)]]


def column(examples: Examples, name: str) -> list[float]:
    return [float(value) for value in examples.features[:, features.NAMES.index(name)]]


def test_what_follows_within_the_horizon_labels_an_impression() -> None:
    events = [event("impression"), event("impression", "p2"), event("click", at=HOUR_MS)]
    assert labels(events, "click") == [1, 0]
    assert labels(events, "like") == [0, 0]


def test_what_follows_after_the_horizon_does_not() -> None:
    assert labels([event("impression"), event("click", at=HOUR_MS + 1)], "click") == [0]


def test_what_came_before_the_impression_does_not() -> None:
    events = [event("impression"), event("like", at=5), event("impression", at=MINUTE_MS)]
    assert labels(events, "like") == [1, 0]


def test_what_another_viewer_did_does_not() -> None:
    assert labels([event("impression"), event("like", viewer="omar", at=1)], "like") == [0]


def test_a_like_taken_back_within_the_horizon_is_none() -> None:
    events = [event("impression"), event("like", at=1), event("like", at=2, undo=True)]
    assert labels(events, "like") == [0]


def test_a_like_taken_back_later_counts() -> None:
    events = [event("impression"), event("like", at=1), event("like", at=DAY_MS + 1, undo=True)]
    assert labels(events, "like") == [1]


def test_a_like_given_again_counts() -> None:
    taken_back = [event("like", at=1), event("like", at=2, undo=True)]
    assert labels([event("impression"), *taken_back, event("like", at=3)], "like") == [1]


def test_a_short_stay_is_no_dwell() -> None:
    stays = [event("dwell", at=1, dwell_ms=9_999), event("dwell", "p2", at=2, dwell_ms=10_000)]
    assert labels([event("impression"), event("impression", "p2"), *stays], "dwell") == [0, 1]


def test_an_event_of_one_answer_labels_no_other() -> None:
    shown = [event("impression", request_id="r1"), event("impression", at=1, request_id="r2")]
    assert labels([*shown, event("click", at=2, request_id="r2")], "click") == [0, 1]


def test_a_repeated_event_id_is_one_impression() -> None:
    assert len(replayed([event("impression", event_id="e1"), event("impression", event_id="e1", at=9)])) == 1


def test_an_impression_of_an_unknown_post_is_left_out() -> None:
    assert len(replayed([event("impression", "nobody knows"), event("impression")])) == 1


@pytest.mark.parametrize("follower", ["click", "like", "request_less", "hide", "follow"])
def test_a_feature_does_not_know_what_follows_in_the_same_entry(follower: str) -> None:
    alone = replayed([event("impression")], one_entry=True)
    followed = replayed([event("impression"), event(follower, at=1)], one_entry=True)
    assert np.array_equal(alone.features, followed.features, equal_nan=True)


def test_posts_of_one_answer_do_not_know_each_others_clicks() -> None:
    answer = [event("impression", request_id="r"), event("click", at=1, request_id="r")]
    examples = replayed([*answer, event("impression", "p2", at=2, request_id="r")], one_entry=True)
    assert column(examples, "viewer_click_rate")[0] == column(examples, "viewer_click_rate")[1]
    assert examples.group.tolist() == [0, 0]


def told_in_two_calls(state: State, shown_later: t.Event) -> Examples:
    """An answer's first post is shown and clicked in one entry; another call tells of its second post."""
    replay = Replay(state)
    replay.run(of_rows([post("p1"), post("p2")]))
    calls = [[event("impression", request_id="r"), event("click", at=1, request_id="r")], [shown_later]]
    replay.run((f"{at}-0", entries.of_events(call, T0 + at)) for at, call in enumerate(calls, start=10))
    return replay.examples()


def test_an_answer_told_of_in_two_calls_has_the_viewer_of_its_beginning() -> None:
    examples = told_in_two_calls(State(4), event("impression", "p2", at=HOUR_MS, request_id="r"))
    for name in (feature.name for feature in (*viewer.GROUP.features, *affinity.GROUP.features)):
        first, second = column(examples, name)
        assert first == second or np.isnan([first, second]).all(), name


@pytest.mark.parametrize("other", [{"request_id": "r2"}, {"request_id": ""}])
def test_another_answer_knows_the_viewer_anew(other: dict[str, Any]) -> None:
    first, second = column(
        told_in_two_calls(State(4), event("impression", "p2", at=9, **other)), "viewer_click_rate"
    )
    assert first != second


def test_a_state_that_made_room_knows_the_viewer_anew() -> None:
    replay = Replay(State(4, StateSettings(max_posts=16)))
    replay.run(of_rows([post("p1"), post("p2")]))
    replay.run(
        [("8-0", entries.of_events([event("impression", request_id="r"), event("click", at=1)], T0 + 1))]
    )
    replay.run(of_rows([post(f"q{number}") for number in range(14)]))
    replay.run(of_rows([post("q14")]))
    replay.run([("9-0", entries.of_events([event("impression", "q9", at=2, request_id="r")], T0 + 2))])
    rates = column(replay.examples(), "viewer_click_rate")
    assert rates[0] != rates[1]


def test_a_feature_knows_what_came_before_in_the_same_entry() -> None:
    events = [event("impression"), event("click", at=1), event("impression", at=2, viewer="omar")]
    rates = column(replayed(events, one_entry=True), "post_click_rate")
    assert rates[1] > rates[0]


def test_an_impression_told_of_after_its_click_is_no_example() -> None:
    assert len(replayed([event("click", at=5), event("impression", at=2)])) == 0


def test_an_impression_told_of_after_its_click_of_the_same_moment_is_no_example() -> None:
    assert len(replayed([event("click", at=5), event("impression", at=5)])) == 0


def test_a_click_of_the_same_moment_labels_the_impression_before_it() -> None:
    assert labels([event("impression", at=5), event("click", at=5)], "click") == [1]


@pytest.mark.parametrize(
    ("told", "places"), [([2, 0], [2, 0]), ([0, 0], [-1, -1])], ids=["said by the client", "not said"]
)
def test_places_are_those_that_the_client_says(told: list[int], places: list[int]) -> None:
    shown = [event("impression", f"p{i}", request_id="r", position=at) for i, at in enumerate(told, start=1)]
    examples = replayed(shown)
    assert examples.place.tolist() == places
    assert np.isnan(examples.propensity).all()


def test_posts_are_told_by_the_numbers_of_the_examples() -> None:
    replay = Replay(State(2))
    shown = [event("impression", "p2"), event("like", "nobody knows"), event("impression")]
    replay.run(of_rows([post("p1", language="fi"), post("p2", vector=[0.0, 1.0]), *shown]))
    posts = replay.posts()[replay.examples().post]
    assert posts.ids.tolist() == ["p2", "p1"]
    assert posts.vector[0].tolist() == [0.0, 1.0]
    assert np.isnan(posts.vector[1]).all()
    assert [posts.languages[number] for number in posts.language[1:]] == ["fi"]


def test_a_viewer_whose_clock_is_ahead_keeps_the_labels() -> None:
    replay = Replay(State(4))
    replay.run(of_rows([post("p1")]))
    events = [event("impression", at=HOUR_MS), event("click", at=HOUR_MS + 5)]
    replay.run((f"{at}-0", entries.of_events([one], T0 + at)) for at, one in enumerate(events, start=1))
    examples = replay.examples()
    assert examples.time_ms.tolist() == [T0 + 1]
    assert examples.labels[:, NAMES.index("click")].tolist() == [1]


def test_examples_whose_horizon_has_not_passed_are_left_out() -> None:
    replay = Replay(State(4))
    replay.run(of_rows([post("p1"), event("impression"), event("impression", at=10)]))
    assert len(replay.examples(until_ms=T0 + DAY_MS + 9)) == 1


def test_rows_are_those_of_an_impression_at_that_moment() -> None:
    history: list[Row] = [post("p1"), event("impression"), event("like", at=5)]
    asked, shown = Replay(State(4)), Replay(State(4))
    asked.run(of_rows(history))
    shown.run(of_rows([*history, event("impression", at=9, viewer="omar")]))
    rows = asked.rows(Ask("omar", T0 + 9), ["p1"])
    assert np.array_equal(rows[0], shown.examples().features[1], equal_nan=True)


def test_the_state_is_that_of_the_fold_alone() -> None:
    events = [event(kind, at=at) for at, kind in enumerate(["impression", "like", "impression", "click"])]
    whole, parts = Replay(State(4)), Replay(State(4))
    for replay, batches in ((whole, [events]), (parts, [[one] for one in events])):
        replay.run(of_rows([post("p1")]))
        replay.run((str(i), entries.of_events(batch, T0 + 9)) for i, batch in enumerate(batches))
        replay.state.position = ""
    assert whole.state.fingerprint() == parts.state.fingerprint()
