"""Tokens in their file, and what a server makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ranker.access.tokens import Keys, TokenFile
from ranker.errors import Expired, NotFound, SettingsError, Unauthenticated
from ranker.journal import now_ms


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "data")


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_known_by_what_was_printed_once(file: TokenFile) -> None:
    token, secret = file.create("backend", ("read", "write"), None, 200)
    assert Keys(file).who(f"Bearer {secret}") == token
    assert token.roles == ("read", "write")


def test_the_file_holds_no_secret_and_only_its_owner_reads_it(file: TokenFile) -> None:
    _, secret = file.create("backend", ("read",), None, 200)
    assert secret.split("_", 2)[2] not in file.path.read_text()
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    assert file.data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("change", [str.upper, lambda token: token[:-1], lambda token: token + "A"])
def test_a_token_that_is_nearly_right_is_unknown(file: TokenFile, change: Callable[[str], str]) -> None:
    _, secret = file.create("backend", ("read",), None, 200)
    with pytest.raises(Unauthenticated):
        Keys(file).who(f"Bearer {change(secret)}")


def test_an_expired_token_says_so(file: TokenFile) -> None:
    _, secret = file.create("backend", ("read",), now_ms() - 1, 200)
    with pytest.raises(Expired, match="make one with `feedrank token create`"):
        Keys(file).who(f"Bearer {secret}")


def test_what_is_made_or_revoked_is_noticed_within_a_second(file: TokenFile) -> None:
    clock = Clock()
    keys = Keys(file, clock)
    token, _ = file.create("backend", ("read",), None, 200)
    clock.now += 0.9
    assert keys.find(token.id) == token
    file.revoke(token.id)
    clock.now += 0.9
    assert keys.find(token.id) is None


def test_a_damaged_file_changes_nothing_while_the_server_runs(file: TokenFile) -> None:
    clock = Clock()
    token, _ = file.create("backend", ("read",), None, 200)
    keys = Keys(file, clock)
    file.path.write_text("{")
    clock.now += 1
    assert keys.find(token.id) == token


def test_a_damaged_file_keeps_a_server_from_starting(file: TokenFile) -> None:
    file.create("backend", ("read",), None, 200)
    file.path.write_text('{"tokens": [{"id": "x"}]}')
    with pytest.raises(SettingsError, match="can't be read: restore it from a backup, or delete it"):
        Keys(file)


def test_a_file_that_others_can_read_is_refused(file: TokenFile) -> None:
    file.create("backend", ("read",), None, 200)
    file.path.chmod(0o644)
    with pytest.raises(SettingsError, match=r"others can read .*: chmod 600 it, and make new tokens"):
        file.read()


def test_tokens_are_revoked_by_name_where_just_one_has_it(file: TokenFile) -> None:
    first, _ = file.create("twin", ("read",), None, 200)
    file.create("twin", ("read",), None, 200)
    with pytest.raises(SettingsError, match="2 tokens are called twin: name one by its id"):
        file.revoke("twin")
    file.revoke(first.id)
    file.revoke("twin")
    with pytest.raises(NotFound, match="`feedrank token list` shows them"):
        file.revoke("twin")


def test_no_two_tokens_share_a_place_among_the_rates(file: TokenFile) -> None:
    made = [file.create(name, ("read",), None, 200)[0] for name in "abc"]
    file.revoke("b")
    again, _ = file.create("d", ("read",), None, 200)
    assert [one.slot for one in (*made, again)] == [0, 1, 2, 1]


def test_a_role_that_is_not_in_the_contract_is_refused(file: TokenFile) -> None:
    with pytest.raises(SettingsError, match="there is no role king: choose of read, write, admin, privacy"):
        file.create("x", ("king",), None, 200)
