"""Where settings come from, and what is said of wrong ones."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from ranker.errors import SettingsError
from ranker.settings import Settings, described, load


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a feedrank.toml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, toml: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(toml)
    return path


def test_without_anything_there_are_defaults() -> None:
    assert load(None).server.threads == 8


def test_a_file_is_stronger_than_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[server]\nthreads = 3")).server.threads == 3


def test_the_file_of_the_folder_is_read(tmp_path: Path) -> None:
    written(tmp_path, "[server]\nthreads = 3", "feedrank.toml")
    assert load(None).server.threads == 3


def test_the_environment_is_stronger_than_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDRANK_SERVER__THREADS", "5")
    assert load(written(tmp_path, "[server]\nthreads = 3\ndrain_s = 9")).server.model_dump() == {
        **load(None).server.model_dump(),
        "threads": 5,
        "drain_s": 9.0,
    }


def test_what_is_given_is_the_strongest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDRANK_SERVER__THREADS", "5")
    monkeypatch.setenv("FEEDRANK_SERVER__DRAIN_S", "7")
    server = load(None, server={"threads": 6}).server
    assert (server.threads, server.drain_s) == (6, 7)


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("nope = 1", "there is no setting nope: `feedrank config` lists them all"),
        ("[server]\nport = 1", "there is no setting server.port: `feedrank config` lists them all"),
        ("[servers]\nport = 1", "there is no setting servers"),
        ('[server]\nthreads = "many"', "the setting server.threads is wrong: .*integer"),
        ("[sessions]\nttl_s = 0", "the setting sessions.ttl_s is wrong: .*greater than 0"),
        ("[server\n", "own.toml is not TOML"),
    ],
)
def test_a_wrong_file_is_told_by_the_settings_name(tmp_path: Path, toml: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(written(tmp_path, toml))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("FEEDRANK_SESSION__TTL_S", "1", r"there is no setting session \(FEEDRANK_SESSION__TTL_S\)"),
        ("FEEDRANK_SESSIONS__TTL", "1", "there is no setting sessions.ttl"),
        ("FEEDRANK_NOPE", "1", "there is no setting nope"),
        ("FEEDRANK_SESSIONS__TTL_S", "soon", "the setting sessions.ttl_s is wrong"),
        ("FEEDRANK_SESSIONS", "soon", "sessions.*set its parts one by one"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=sentence):
        load(None)


def test_the_clients_variable_is_no_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDRANK_ADDRESS", "localhost:1")
    assert load(None).model_dump() == Settings().model_dump()


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match=r"there is no file gone\.toml: name one, or leave out --config"):
        load(Path("gone.toml"))


def test_every_setting_has_a_meaning() -> None:
    rows = list(described(Settings()))
    assert len(rows) > 25
    assert not [name for name, _, meaning in rows if not meaning.endswith(".")]


def test_every_part_of_the_settings_refuses_unknown_keys_and_changes() -> None:
    parts = [value for value in dict(Settings()).values() if isinstance(value, BaseModel)]
    assert len(parts) > 5
    for part in (Settings(), *parts):
        assert (part.model_config["extra"], part.model_config["frozen"]) == ("forbid", True)
