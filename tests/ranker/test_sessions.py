import base64
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from feedrank.v1 import types_pb2

from ranker import sessions as module
from ranker.errors import CursorExpired, InvalidArgument
from ranker.pipeline import Ranking, Scored
from ranker.query import Ask
from ranker.selection import SPREADS
from ranker.sessions import Session, Sessions, SessionSettings
from ranker.state import NONE
from ranker.state.strings import Strings
from tests.ranker.network import NOW, Town

ASK = Ask("vera", NOW)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def opened(sessions: Sessions, town: Town) -> Session:
    session = sessions.begin(ASK)
    session.extend(ranking(town), town.state, whole=True)
    return session


def ranking(town: Town) -> Ranking:
    posts = town.candidates()
    full = np.ones(len(posts))
    rows = np.zeros((len(posts), 3), np.float32)
    return Ranking(Scored(posts, rows, np.zeros((len(posts), 2)), dict.fromkeys(SPREADS, full), full), full)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.posts("a", "b", "c")
    return town


def test_a_cursor_leads_back_to_its_session_and_place(town: Town) -> None:
    sessions = Sessions(SessionSettings())
    session = opened(sessions, town)
    assert sessions.resume(session.cursor(2), ASK) == (session, 2)


def test_a_session_grows_at_its_end(town: Town) -> None:
    session = opened(Sessions(SessionSettings()), town)
    session.extend(ranking(town), town.state, whole=True)
    assert session.ids.texts() == ["a", "b", "c", "a", "b", "c"]
    assert not session.complete


@pytest.mark.parametrize("whole", [True, False])
def test_a_session_ends_when_nothing_more_is_found_and_nothing_was_degraded(town: Town, whole: bool) -> None:
    session = opened(Sessions(SessionSettings()), town)
    session.extend(ranking(town)[:0], town.state, whole=whole)
    assert session.ends_at(3) == whole
    assert not session.ends_at(2)


def test_posts_that_left_have_no_slot(town: Town) -> None:
    session = opened(Sessions(SessionSettings()), town)
    session.ids = Strings.of(["a", "gone", "c"])
    assert session.slots(town.state).tolist() == [0, NONE, 2]


def test_an_unused_session_expires(town: Town, clock: Clock) -> None:
    sessions = Sessions(SessionSettings(ttl_s=60))
    cursor = opened(sessions, town).cursor(1)
    clock.now += 61
    with pytest.raises(CursorExpired, match="start again"):
        sessions.resume(cursor, ASK)
    assert len(sessions) == 0


def test_use_keeps_a_session_open(town: Town, clock: Clock) -> None:
    sessions = Sessions(SessionSettings(ttl_s=60))
    cursor = opened(sessions, town).cursor(1)
    for _ in range(3):
        clock.now += 50
        sessions.resume(cursor, ASK)
    assert len(sessions) == 1


def test_past_the_cap_the_longest_unused_goes(town: Town) -> None:
    sessions = Sessions(SessionSettings(max_sessions=2))
    first, second = opened(sessions, town), opened(sessions, town)
    sessions.resume(first.cursor(0), ASK)
    opened(sessions, town)
    assert sessions.resume(first.cursor(0), ASK)[0] is first
    with pytest.raises(CursorExpired):
        sessions.resume(second.cursor(0), ASK)


@pytest.mark.parametrize(
    "other",
    [
        {"viewer_id": "ben"},
        {"surface": types_pb2.SURFACE_DISCOVER},
        {"community_id": "chess"},
        {"chronological": True},
        {"include_seen": True},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_cursor_of_another_question_is_refused(town: Town, other: dict[str, object]) -> None:
    sessions = Sessions(SessionSettings())
    cursor = opened(sessions, town).cursor(1)
    with pytest.raises(InvalidArgument, match="another viewer"):
        sessions.resume(cursor, replace(ASK, **other))  # type: ignore[arg-type]


def test_a_page_of_another_size_or_moment_goes_on(town: Town) -> None:
    sessions = Sessions(SessionSettings())
    cursor = opened(sessions, town).cursor(1)
    assert sessions.resume(cursor, replace(ASK, size=3, now_ms=NOW + 5))[1] == 1


@pytest.mark.parametrize("cursor", ["?", "aGVsbG8=", "x" * 24, base64.b64encode(b"1" * 17).decode()])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises((InvalidArgument, CursorExpired), match="start again"):
        Sessions(SessionSettings()).resume(cursor, ASK)


def test_a_place_past_the_end_is_refused(town: Town) -> None:
    sessions = Sessions(SessionSettings())
    with pytest.raises(InvalidArgument, match="cursor"):
        sessions.resume(opened(sessions, town).cursor(4), ASK)


def test_keys_can_not_be_guessed(town: Town) -> None:
    sessions = Sessions(SessionSettings())
    keys = {opened(sessions, town).key for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) == 12 for key in keys)
