"""The audit log."""

from pathlib import Path

import pytest
from feedrank.v1.admin_pb2 import ActivateModelRequest, StatusRequest
from feedrank.v1.privacy_pb2 import EraseUserRequest

from ranker.access.audit import AuditLog
from ranker.errors import PermissionDenied


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    for n in range(3):
        log.write("Admin.Status", "OK", token=str(n))
    assert [line["token"] for line in log.lines()] == ["0", "1", "2"]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_it_is_bounded_and_the_oldest_lines_go_first(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, most_bytes=1_000, most_files=3)
    for n in range(200):
        log.write("Admin.Status", "OK", token=str(n))
    kept = [int(line["token"]) for line in log.lines()]
    assert kept == list(range(kept[0], 200))
    assert kept[0] > 100
    assert sum(path.stat().st_size for path in log.path.parent.glob("audit.jsonl*")) < 3 * 1_200


def test_refused_calls_push_no_line_of_what_was_done_out(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, most_bytes=1_000, most_files=3)
    log.write("Admin.TakeSnapshot", "OK", call="made")
    for n in range(200):
        log.refuse("Admin.Status", PermissionDenied("no"), token=str(n))
    told = [*log.lines()]
    assert told[0]["method"] == "Admin.TakeSnapshot"
    assert told[-1] | {"time_ms": 0} == {
        "time_ms": 0,
        "method": "Admin.Status",
        "code": "PERMISSION_DENIED",
        "word": "permission_denied",
        "token": "199",
    }
    assert log.recent_calls() == ["made"]


def test_a_line_that_a_crash_tore_is_passed_over(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write("Admin.Status", "OK")
    with log.path.open("a") as file:
        file.write('{"time_ms": 1, "met')
    log.write("Admin.TakeSnapshot", "OK")
    assert [line["method"] for line in log.lines()] == ["Admin.Status", "Admin.TakeSnapshot"]


def test_a_person_stands_there_by_a_keyed_hash(tmp_path: Path) -> None:
    log, other = AuditLog(tmp_path / "one"), AuditLog(tmp_path / "two")
    target = log.target(EraseUserRequest(user_id="ana"), person=True)
    assert target == log.person("ana")
    assert "ana" not in target
    assert target != other.person("ana")


def test_what_a_call_is_about_is_its_first_word(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    assert log.target(ActivateModelRequest(version="v7"), person=False) == "v7"
    assert log.target(StatusRequest(), person=False) == ""


def test_only_calls_of_the_last_minutes_are_remembered(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write("Admin.Status", "OK", call="new")
    log.write("Admin.Status", "OK", call="old", time_ms=1)
    assert log.recent_calls() == ["new"]


def test_a_log_that_cannot_be_written_is_said_in_the_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "access").write_text("in the way")
    AuditLog(tmp_path).write("Privacy.EraseUser", "OK", token="0123")
    said = capsys.readouterr()
    assert "audit_not_written" in said.out + said.err
    assert "Privacy.EraseUser" in said.out + said.err
