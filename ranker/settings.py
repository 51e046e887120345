"""All settings, in one tree: each part's own model, read once at start.

From, in this order of strength: the command line, the environment (`FEEDRANK_EMBEDDER__MODEL=…`), a TOML file
(`feedrank.toml`, or `--config`), the defaults. An unknown key is an error.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ranker.consent import ConsentSettings
from ranker.errors import SettingsError
from ranker.exploration import ExplorationSettings
from ranker.impressions import ImpressionSettings
from ranker.secret import masked
from ranker.sessions import SessionSettings
from ranker.slice import SliceSettings
from ranker.state import StateSettings
from ranker.upkeep import UpkeepSettings
from ranker.vectorizer import EmbedderSettings

DEFAULT_FILE = Path("feedrank.toml")
PREFIX = "FEEDRANK_"
_OF_THE_CLIENT = ("address", "token", "ca", "certificate", "key")
"""FEEDRANK_ADDRESS and so on say where the commands find a server, and who they are to it."""


class ServerSettings(BaseModel, frozen=True, extra="forbid"):
    """The gRPC server."""

    address: str = Field("127.0.0.1:50051", description="Where to listen: host:port, or unix:/path.")
    access: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether callers need tokens; auto: if other machines can call, or one was made.",
    )
    tls_certificate: Path | None = Field(None, description="PEM file of the certificate and its chain.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file of the authority whose certificates clients must have; none: any client.",
    )
    metrics_address: str = Field(
        "", description="Where to serve Prometheus metrics: host:port; empty: nowhere."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that share the port and follow one journal.")
    threads: int = Field(8, ge=1, le=256, description="Calls that a worker answers at a time.")
    rankings: int = Field(
        0,
        ge=0,
        le=256,
        description="Of these, so many rank at a time; 0: a worker's share of the processors, and one.",
    )
    wait_ms: float = Field(
        100,
        gt=0,
        description="A read that would wait longer for its turn is refused, with a hint when to ask.",
    )
    fewest_candidates: float = Field(
        0.2, gt=0, le=1, description="When reads wait, the share of candidates scored falls to this at most."
    )
    waiting_calls: int = Field(
        256, ge=1, description="Calls of a kind that wait at a time; more are refused."
    )
    max_message_mb: int = Field(16, ge=1, le=256, description="Longest message taken, in MiB.")
    deadline_s: float = Field(2.0, gt=0, description="Time for an answer when the caller gives no deadline.")
    catch_up_s: float = Field(
        0.1, ge=0, description="A read waits so long for what another worker acknowledged."
    )
    drain_s: float = Field(5.0, ge=0, description="At a stop, calls under way have so long to end.")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data: Path = Field(Path("feedrank-data"), description="The data folder.")
    journal: str = Field(
        "embedded", description="The journal's server: embedded, or redis://…, rediss://…, unix://…."
    )
    server: ServerSettings = ServerSettings()
    state: StateSettings = StateSettings()
    slices: SliceSettings = SliceSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    sessions: SessionSettings = SessionSettings()
    exploration: ExplorationSettings = ExplorationSettings()
    impressions: ImpressionSettings = ImpressionSettings()
    consent: ConsentSettings = ConsentSettings()
    upkeep: UpkeepSettings = UpkeepSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic names the arguments
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of strength."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(config: Path | None, **overrides: Any) -> Settings:
    """The settings, from a file, the environment and overrides; nested ones as {"server": {…}}."""
    if config is not None and not config.is_file():
        raise SettingsError(f"there is no file {config}: name one, or leave out --config")
    file = config or DEFAULT_FILE
    _refuse_unknown_variables()

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile(**overrides)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    except ValueError as error:
        raise SettingsError(f"{error}: set its parts one by one, such as {PREFIX}SERVER__ADDRESS") from error


def _refuse_unknown_variables() -> None:
    """Pydantic names an unknown key of a part, but passes over an unknown part."""
    for variable in sorted(os.environ):
        part = variable.upper().removeprefix(PREFIX).partition("__")[0].lower()
        ours = variable.upper().startswith(PREFIX) and part not in _OF_THE_CLIENT
        if ours and part not in Settings.model_fields:
            raise SettingsError(f"there is no setting {part} ({variable}): `feedrank config` lists them all")


def described(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Each setting's name, value and meaning."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from described(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", masked(str(value)), field.description or ""


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no setting {name}: `feedrank config` lists them all"
    return f"the setting {name} is wrong: {first['msg']}; `feedrank config` tells what it means"
