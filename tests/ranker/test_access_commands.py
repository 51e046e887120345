"""The commands `feedrank token …` and `feedrank audit`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ranker.access.audit import AuditLog
from ranker.access.tokens import Keys, TokenFile
from ranker.cli import app


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "FEEDRANK_TOKEN": None})


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def test_a_token_is_printed_alone_so_that_a_script_can_take_it(data: str) -> None:
    printed = run("token", "create", "backend", "--role", "read", "--role", "write", "--data", data).stdout
    token = Keys(TokenFile(Path(data))).who(f"Bearer {printed.strip()}")
    assert (token.name, token.roles, token.calls_per_s) == ("backend", ("read", "write"), 1_000)


def test_the_list_shows_no_secret(data: str) -> None:
    made = run("token", "create", "ops", "--role", "admin", "--expires", "never", "--data", data).stdout
    shown = run("token", "list", "--data", data).stdout
    assert made.strip().split("_", 2)[2] not in shown
    assert all(word in shown for word in ("ops", "admin", "never", made.split("_")[1]))


def test_for_machines_a_token_is_one_object(data: str) -> None:
    words = ("--role", "read", "--expires", "12h", "--rate", "5", "--data", data, "--json")
    told = json.loads(run("token", "create", "backend", *words).stdout)
    assert told["token"].startswith(f"frt_{told['id']}_")
    assert told["expires_ms"] - told["created_ms"] == pytest.approx(12 * 3_600_000, abs=10_000)
    assert "sha256" not in told


def test_what_is_revoked_is_gone(data: str) -> None:
    run("token", "create", "backend", "--role", "read", "--data", data)
    assert run("token", "revoke", "backend", "--data", data).exit_code == 0
    assert json.loads(run("token", "list", "--data", data, "--json").stdout) == {"tokens": []}


@pytest.mark.parametrize("time", ["30", "0d", "soon", "-1d", "1y"])
def test_a_time_that_is_none_is_a_wrong_argument(data: str, time: str) -> None:
    ended = run("token", "create", "x", "--role", "read", "--expires", time, "--data", data)
    assert ended.exit_code == 2
    assert not Path(data).exists()


def test_the_audit_log_is_found_by_person(data: str) -> None:
    log = AuditLog(Path(data))
    for person in ("ana", "ben"):
        log.write("Privacy.EraseUser", "OK", target=log.person(person))
    told = json.loads(run("audit", "--person", "ana", "--data", data, "--json").stdout)
    assert [one["target"] for one in told["calls"]] == [log.person("ana")]
    assert "Privacy.EraseUser" in run("audit", "--data", data).stdout


def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    assert run("--token-file", str(tmp_path / "gone"), "version").exit_code != 0
    file = tmp_path / "token"
    file.write_text("frt_x\n")
    words = ("--token-file", str(file), "status", "--address", "feed.example:1")
    assert "would be sent in the open" in str(run(*words).exception)
