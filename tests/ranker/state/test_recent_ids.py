import pytest

from ranker.state import recent_ids
from ranker.state.recent_ids import RecentIds


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> RecentIds:
    """Ids in generations of three."""
    monkeypatch.setattr(recent_ids, "GENERATION", 3)
    return RecentIds()


def test_an_id_is_new_once() -> None:
    assert RecentIds().admit(["a", "b", "a"]).tolist() == [True, True, False]


def test_an_event_without_an_id_is_always_new() -> None:
    assert RecentIds().admit(["", "", ""]).all()


def test_the_last_generation_is_always_known(few: RecentIds) -> None:
    few.admit([str(number) for number in range(20)])
    assert not few.admit(["17", "18", "19"]).any()


def test_at_most_two_generations_are_remembered(few: RecentIds) -> None:
    for number in range(20):
        few.admit([str(number)])
        assert len(few) <= 6
    assert few.admit(["0"]).all()


def test_what_is_known_is_known_after_a_round_trip(few: RecentIds) -> None:
    few.admit(list("abcde"))
    again = RecentIds()
    again.load(**dict(few.arrays()))
    assert not again.admit(list("abcde")).any()
    assert again.admit(["f"]).all()
