"""The commands `feedrank token …` and `feedrank audit`: who may call, and what was done."""

import re
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ranker.terminal import Json, console, print_json, table

app = typer.Typer(
    help="Make, list and revoke the tokens of callers. A running server follows within a second.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path | None, typer.Option(help="The data folder; else that of the settings.")]
Config = Annotated[Path | None, typer.Option(help="A TOML file of settings.")]

_DAY_MS = 86_400_000
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it is for.")],
    role: Annotated[list[str], typer.Option(help="read, write, admin or privacy; again for another.")],
    expires: Annotated[str, typer.Option(help="Valid for so long, such as 12h, 30d, 8w; or never.")] = "90d",
    rate: Annotated[float, typer.Option(min=0.001, help="Calls a second.")] = 1_000,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it. It is not shown again: the data folder has its hash only.

    Example: feedrank token create backend --role read --role write --expires 30d --rate 200
    """
    from ranker.access.tokens import TokenFile
    from ranker.journal import now_ms

    for_ms = _milliseconds(expires)
    until_ms = None if for_ms is None else now_ms() + for_ms
    token, secret = TokenFile(_folder(data, config)).create(name, tuple(role), until_ms, rate)
    if as_json:
        return print_json(_facts(token) | {"token": secret})
    print(secret)  # noqa: T201
    return None


@app.command(name="list")
def list_tokens(data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """List the tokens, without their secrets.

    Example: feedrank token list --data ./feedrank-data
    """
    from ranker.access.tokens import TokenFile
    from ranker.journal import now_ms

    tokens, now = TokenFile(_folder(data, config)).read(), now_ms()
    if as_json:
        return print_json({"tokens": [_facts(one) for one in tokens]})
    shown = table("id", "name", "roles", "calls a second", "expires")
    for one in tokens:
        until = _time(one.expires_ms) if one.expires_ms else "never"
        expires = f"{until}, is over" if one.expired(now) else until
        shown.add_row(one.id, one.name, ", ".join(one.roles), f"{one.calls_per_s:g}", expires)
    return console.print(shown)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, or its name.")],
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a token away: the next call with it is refused, within a second.

    Example: feedrank token revoke backend
    """
    from ranker.access.tokens import TokenFile

    gone = TokenFile(_folder(data, config)).revoke(token)
    if as_json:
        return print_json(_facts(gone))
    return console.print(f"The token {gone.id} of {gone.name} is revoked.", highlight=False, markup=False)


def audit(
    last: Annotated[int, typer.Option(min=1, help="So many lines, the newest.")] = 50,
    person: Annotated[str, typer.Option(help="Only what was done about this user id.")] = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the calls of Admin and Privacy: when, by whom, about what, with which outcome.

    Example: feedrank audit --last 20
    Example: feedrank audit --person ana
    """
    from ranker.access.audit import AuditLog

    kept = AuditLog(_folder(data, config))
    target = kept.person(person) if person else None
    lines = deque((one for one in kept.lines() if target in (None, one.get("target"))), maxlen=last)
    if as_json:
        return print_json({"calls": [*lines]})
    shown = table("time", "token", "name", "method", "about", "outcome")
    for line in lines:
        shown.add_row(_time(line["time_ms"]), *(str(line.get(key, "")) for key in _SHOWN))
    return console.print(shown)


_SHOWN = ("token", "name", "method", "target", "code")


def _folder(data: Path | None, config: Path | None) -> Path:
    from ranker import settings

    return settings.load(config, **({} if data is None else {"data": data})).data


def _milliseconds(text: str) -> int | None:
    """How long a token is valid; None: for ever.

    >>> _milliseconds("12h"), _milliseconds("never")
    (43200000, None)
    """
    if text == "never":
        return None
    parts = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if parts is None or not int(parts[1]):
        raise typer.BadParameter(
            f"{text!r} is no time: give 30m, 12h, 30d, 8w or never", param_hint="--expires"
        )
    return int(parts[1]) * _UNITS_MS[parts[2]]


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _facts(token: Any) -> dict[str, Any]:
    facts: dict[str, Any] = token.model_dump(exclude={"sha256", "slot"})
    return facts
