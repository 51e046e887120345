"""Versions that know more and less: what one can't fold, another folds later."""

import shutil
from pathlib import Path

import pytest
from feedrank.v1 import types_pb2
from structlog.testing import capture_logs

from ranker import entries, known, snapshot
from ranker.fold import Fold
from ranker.journal import Entry
from ranker.service import Service
from ranker.settings import Settings
from ranker.state import State
from ranker.vectorizer import EmbedderSettings

NOW = 1_795_305_600_000
FUTURE_FIELD = bytes([0xF8, 0x07, 1])
"""Field 127 of a message, with the number 1."""


def settings_of(data: Path) -> Settings:
    return Settings(data=data, embedder=EmbedderSettings(enabled=False, dimension=4))


def users(*names: str) -> Entry:
    return entries.of_users([types_pb2.User(id=name) for name in names], NOW)


def relation() -> Entry:
    follow = types_pb2.Relation(user_id="ana", target_id="bea", kind=types_pb2.RELATION_KIND_FOLLOW)
    return entries.of_relations([follow], NOW)


@pytest.fixture
def before_the_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data of a version that knew no relations, and met one; its last snapshot has passed it over."""

    class Older(Fold):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            del self._apply["relations"]

    with monkeypatch.context() as older, capture_logs():
        older.setattr("ranker.service.Fold", Older)
        older.setattr(snapshot, "READER", "0.0.9 00000000")
        with Service(settings_of(tmp_path)) as service:
            for entry in (users("ana", "bea"), relation(), users("cy")):
                service.writer.write(entry)
            assert service.follower.poison_count == 1
            service.upkeep.save()
            service.writer.write(users("dan"))
    return tmp_path


def follows(service: Service) -> list[int]:
    found: list[int] = service.state.users.follows[service.state.user_ids.slots(["ana"])[0]].tolist()
    return found


def test_what_an_older_version_set_aside_is_folded_after_the_upgrade(before_the_upgrade: Path) -> None:
    with capture_logs() as logged, Service(settings_of(before_the_upgrade)) as service:
        assert follows(service) == [1]
        assert service.state.user_ids.names == ["ana", "bea", "cy", "dan"]
        assert service.state.passed_over == ""
    reasons = [line["reason"] for line in logged if line["event"] == "snapshot_refused"]
    assert "0.0.9" in reasons[0]
    assert "folds again from before" in reasons[0]


def test_the_same_version_takes_its_own_snapshot(
    before_the_upgrade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "READER", "0.0.9 00000000")
    with Service(settings_of(before_the_upgrade)) as service:
        assert follows(service) == []
        assert service.state.passed_over


def test_where_the_entries_are_gone_the_snapshot_is_better_than_nothing(before_the_upgrade: Path) -> None:
    shutil.rmtree(before_the_upgrade / "archive")
    with Service(settings_of(before_the_upgrade)) as service:
        assert service.state.user_ids.names == ["ana", "bea", "cy", "dan"]


@pytest.fixture
def fold() -> Fold:
    return Fold(State(4))


def test_of_a_newer_entry_is_folded_what_is_known_and_the_rest_is_remembered(fold: Fold) -> None:
    newer = users("ana").SerializeToString() + Entry(contract=7).SerializeToString() + FUTURE_FIELD
    fold.apply("5-0", Entry.FromString(newer))
    fold.apply("6-0", users("bea"))
    assert fold.state.user_ids.names == ["ana", "bea"]
    assert fold.state.passed_over == "5-0"


def test_a_field_deep_within_is_found_too() -> None:
    inner = types_pb2.User.FromString(types_pb2.User(id="ana").SerializeToString() + FUTURE_FIELD)
    assert known.holds_more(Entry(contract=7, users={"users": [inner]}))  # type: ignore[arg-type]
    assert not known.holds_more(Entry(contract=7, users={"users": [types_pb2.User(id="ana")]}))  # type: ignore[arg-type]


def test_what_no_version_can_read_holds_up_no_snapshot(tmp_path: Path) -> None:
    with capture_logs(), Service(settings_of(tmp_path)) as service:
        service.journal.append(b"\xff\xffnot an entry")
        service.writer.write(users("ana"))
        assert service.follower.poison_count == 1
        assert service.state.passed_over == ""
