"""What commands share: what is printed where, and arguments that several have."""

import json
import math
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

console = Console()

Address = Annotated[str, typer.Option(help="The server: host:port or unix:/path.", envvar="FEEDRANK_ADDRESS")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DEFAULT_ADDRESS = "127.0.0.1:50051"


def document_of(message: Message) -> dict[str, Any]:
    """A message as it is printed in JSON."""
    document: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return document


def print_json(document: Any, indent: int | None = None) -> None:
    """JSON, in one line unless it is indented."""
    print(as_json(document, indent))  # noqa: T201


def as_json(document: Any, indent: int | None = None) -> str:
    """JSON; a number that is not known, NaN, is null, since JSON has no other word for it.

    >>> as_json({"auc": float("nan"), "spread": [0.5, float("inf")]})
    '{"auc": null, "spread": [0.5, null]}'
    """
    return json.dumps(_finite(document), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(*titles: str) -> Table:
    """A plain table whose cells are never cut."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        made.add_column(title, overflow="fold")
    return made
