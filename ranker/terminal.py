"""What commands share: what is printed where, and arguments that several have."""

import json
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


def print_json(document: Any) -> None:
    """One line of JSON."""
    print(json.dumps(document, ensure_ascii=False))  # noqa: T201


def table(*titles: str) -> Table:
    """A plain table whose cells are never cut."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        made.add_column(title, overflow="fold")
    return made
