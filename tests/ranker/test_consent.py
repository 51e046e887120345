"""What holds for people who said nothing, beside the data that it holds for."""

from pathlib import Path

import pytest

from ranker.consent import ConsentSettings, of, write
from ranker.errors import SettingsError
from ranker.settings import load


def test_what_a_server_says_holds_for_its_data_folder(tmp_path: Path) -> None:
    write(tmp_path, ConsentSettings(training="refused"))
    assert of(tmp_path) == ConsentSettings(training="refused", export="allowed")
    write(tmp_path, ConsentSettings())
    assert of(tmp_path) == ConsentSettings()


def test_a_folder_that_no_server_wrote_to_allows(tmp_path: Path) -> None:
    assert of(tmp_path).training == "allowed"


def test_a_torn_file_is_no_permission(tmp_path: Path) -> None:
    (tmp_path / "consent.json").write_text('{"training": "ref')
    with pytest.raises(SettingsError, match="start the server once more"):
        of(tmp_path)


def test_the_defaults_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDRANK_CONSENT__EXPORT", "refused")
    assert load(None).consent == ConsentSettings(export="refused")
