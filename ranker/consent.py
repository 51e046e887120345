"""Consent: what holds for people who said nothing, beside the data that it holds for.

What people say is in the journal; the server's settings say what holds for the others. A server writes these
into its data folder, so that examples are made by them, whoever makes them.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from ranker import disk
from ranker.errors import SettingsError

Answer = Literal["allowed", "refused"]

_FILE = "consent.json"


class ConsentSettings(BaseModel, frozen=True, extra="forbid"):
    """What people allow who did not say."""

    training: Answer = Field("allowed", description="Whether models learn from people who did not say.")
    export: Answer = Field(
        "allowed", description="Whether people who did not say are in files that leave the network."
    )


def write(data: Path, settings: ConsentSettings) -> None:
    """Say what holds for a data folder."""
    disk.write(data / _FILE, settings.model_dump_json(indent=2).encode())


def of(data: Path) -> ConsentSettings:
    """What holds for a data folder; where no server said it, the defaults. Raises SettingsError."""
    path = data / _FILE
    try:
        return ConsentSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ConsentSettings()
    except ValidationError as error:
        raise SettingsError(f"{path} does not say what people allow: start the server once more") from error
