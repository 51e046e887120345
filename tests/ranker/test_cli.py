"""The command line as somebody types it."""

import json
import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import typer

from ranker.cli import app
from tests.conftest import Network
from tests.live import COMMAND


def _commands(part: typer.Typer, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each command's words, such as "models list", and what its help says."""
    for command in part.registered_commands:
        assert command.callback is not None
        yield prefix + (command.name or command.callback.__name__), command.callback.__doc__ or ""
    for group in part.registered_groups:
        assert group.typer_instance is not None
        yield from _commands(group.typer_instance, f"{prefix}{group.name} " if group.name else prefix)


COMMANDS = {
    words: told
    for part in (app, *(point.load() for point in entry_points(group="feedrank.commands")))
    for words, told in _commands(part)
}


def feedrank(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command `feedrank` prints, and how it ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDRANK_")}
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=60,
        env=kept | {"COLUMNS": "200"} | environment,
    )


def at(network: Network) -> tuple[str, str]:
    return "--address", network.server.address


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_documented_with_an_example(command: str) -> None:
    told = COMMANDS[command]
    assert told.partition("\n")[0].endswith(".")
    assert f"Example: feedrank {command}" in told


def test_the_help_lists_the_commands_that_the_service_is_run_with() -> None:
    told = feedrank("--help")
    assert told.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command.partition(' ')[0]} " in told.stdout


def test_a_commands_help_shows_its_example() -> None:
    assert "Example: feedrank timeline ines --size 10" in feedrank("timeline", "--help").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nonsense",), "No such command 'nonsense'."),
        (("timeline",), "Missing argument 'viewer'."),
        (("timeline", "ana", "--size", "many"), "Invalid value for '--size'"),
        (("status", "--port", "1"), "No such option: --port"),
        (("timeline", "ana", "--surface", "nowhere"), 'Surface has no "nowhere": give for_you, following,'),
        (("serve", "--config", "gone.toml"), "there is no file gone.toml: name one, or leave out --config"),
        (("serve", "--log-level", "loud"), "there is no log level 'loud': choose one of debug, info"),
        (("config", "--config", "gone.toml"), "there is no file gone.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_argument_is_one_sentence_and_exit_2(words: tuple[str, ...], sentence: str) -> None:
    ended = feedrank(*words)
    assert ended.returncode == 2
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--address", "nonsense"), "nonsense can't be listened on"),
        (("--metrics", "nonsense"), "metrics can't be served at nonsense"),
        (("--data", "taken"), "the data folder taken can't be written (File exists): choose another"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_server_that_cannot_start_says_what_to_change(
    tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "taken").touch()
    ended = feedrank("serve", "--no-embedder", "--address", "127.0.0.1:0", *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_value_that_the_server_refuses_is_told_by_its_field(network: Network) -> None:
    ended = feedrank("timeline", "ana", "--size", "500", *at(network))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("feedrank: size must be 1 to 200")


def test_a_server_that_does_not_answer_is_told() -> None:
    ended = feedrank("status", "--address", "127.0.0.1:1")
    assert ended.returncode == 1
    assert "Check that feedrank runs" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_timeline_is_a_table_with_source_and_reason(network: Network) -> None:
    told = feedrank("timeline", network.world.user_ids[10], "--size", "5", "--again", *at(network))
    lines = told.stdout.splitlines()
    assert lines[0].split() == ["post", "author", "score", "source", "why"]
    assert [line.split()[0] for line in lines[1:6]] == ["1", "2", "3", "4", "5"]
    assert lines[-1].startswith("model prior, request ")


def test_a_timeline_is_json_when_asked_for(network: Network) -> None:
    told = feedrank("timeline", network.world.user_ids[10], "--size", "5", "--again", "--json", *at(network))
    page = json.loads(told.stdout)
    assert [post.get("position", 0) for post in page["posts"]] == [0, 1, 2, 3, 4]
    assert all(post["reason"]["text"] for post in page["posts"])


def test_a_post_is_explained(network: Network) -> None:
    words = ("timeline", network.world.user_ids[10], "--explain", "p001400", "--again")
    told = feedrank(*words, *at(network)).stdout
    page = json.loads(feedrank(*words, "--json", *at(network)).stdout)
    assert told.splitlines()[0] == page["text"]
    assert "post_age" in told


def test_the_status_tells_sizes(network: Network) -> None:
    told = feedrank("status", "--json", *at(network))
    assert int(json.loads(told.stdout)["posts"]) > 1_000
    lines = feedrank("status", FEEDRANK_ADDRESS=network.server.address).stdout.splitlines()
    assert ["model", "version", "prior"] in [line.split() for line in lines]


def test_the_config_shows_each_setting_with_its_meaning() -> None:
    told = feedrank("config", FEEDRANK_SESSIONS__TTL_S="77").stdout
    (line,) = [line for line in told.splitlines() if line.startswith("sessions.ttl_s")]
    assert line.rstrip().split(maxsplit=2) == [
        "sessions.ttl_s",
        "77.0",
        "A session unused for so long has expired.",
    ]


def test_the_config_has_a_schema() -> None:
    schema = json.loads(feedrank("config", "--schema").stdout)
    assert schema["additionalProperties"] is False
    assert {"data", "journal", "server", "embedder"} <= set(schema["properties"])


def test_an_unknown_variable_is_named() -> None:
    ended = feedrank("config", FEEDRANK_SESION__TTL_S="77")
    assert ended.returncode == 2
    assert ended.stderr.startswith("feedrank: there is no setting sesion (FEEDRANK_SESION__TTL_S)")


def test_the_version_is_the_packages() -> None:
    assert feedrank("version").stdout == f"feedrank {version('feedrank')}\n"
