"""What does it cost a call that somebody looks who makes it?

    python -m benchmarks.access
    python -m benchmarks.access --rounds 40 --json

The door of a server is asked for calls as gRPC asks it, with a token, a fresh `feedrank-call` and ten other
pairs of metadata; beside it, in turns, one whose access is off, and an interceptor that lets everything
through. Times are those of the thread's CPU, in milliseconds a call.
"""

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import grpc
import typer

from ranker.access.contract import ROLES
from ranker.access.door import Access, Door
from ranker.access.tokens import TokenFile
from ranker.errors import FeedrankError
from ranker.journal import now_ms
from ranker.metrics import Metrics
from ranker.server.edge import Edge
from ranker.settings import ServerSettings, Settings
from ranker.terminal import print_json

_CALLS = 1_000
_PATH = "/feedrank.v1.Feed/GetTimeline"


class Details(NamedTuple):
    """What gRPC tells an interceptor."""

    method: str
    invocation_metadata: tuple[tuple[str, str], ...]


class Open(grpc.ServerInterceptor):
    """Lets everything through."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """The handler."""
        return continuation(details)


def calls(token: str) -> list[Details]:
    """Calls with what our client sends and some of what lies on the way of a call."""
    others = tuple((f"x-way-{n}", "value") for n in range(10))
    return [
        Details(_PATH, (*others, ("authorization", f"Bearer {token}"), ("feedrank-call", _fresh())))
        for _ in range(_CALLS)
    ]


def _fresh() -> str:
    return f"{now_ms()}-{secrets.token_hex(8)}"


def cpu_ms(interceptor: grpc.ServerInterceptor, asked: list[Details]) -> float:
    """Milliseconds of this thread for one call."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda *_: b"")
    began = time.thread_time()
    for details in asked:
        asked_for: Any = details
        assert interceptor.intercept_service(lambda _: handler, asked_for) is handler
    return 1000 * (time.thread_time() - began) / len(asked)


def main(
    rounds: Annotated[int, typer.Option(min=1, help=f"Turns of {_CALLS:,} calls.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare a call with the door and without; and what refusing one costs."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        _, token = TokenFile(data).create("benchmark", ROLES, None, 1e9)
        for n in range(99):
            TokenFile(data).create(f"other {n}", ROLES, None, 1e9)
        access, off = (Access(_settings(data, asks)) for asks in ("on", "off"))
        edge = Edge(Metrics(), known=access.rules)
        doors = (Open(), Door(off, edge), Door(access, edge))
        turns = [[cpu_ms(door, calls(token)) for door in doors] for _ in range(rounds)]
        refused = statistics.median(_refusal_ms(access) for _ in range(rounds))
    without, off_ms, on_ms = (statistics.median(column) for column in zip(*turns, strict=True))
    result = {"off_cost_ms": off_ms - without, "on_cost_ms": on_ms - without, "unknown_token_ms": refused}
    if json:
        print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:18} {value:.4f}")  # noqa: T201


def _settings(data: Path, asks: Any) -> Settings:
    return Settings(data=data, server=ServerSettings(access=asks))


def _refusal_ms(access: Access) -> float:
    began = time.thread_time()
    for _ in range(_CALLS):
        try:
            access.keys.who("Bearer frt_0123456789ab_" + "x" * 43)
        except FeedrankError:
            continue
    return 1000 * (time.thread_time() - began) / _CALLS


if __name__ == "__main__":
    typer.run(main)
