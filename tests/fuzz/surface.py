"""What all surfaces share: an input, a finding, and how both are kept."""

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol, Self

last_error: deque[str] = deque(maxlen=1)
"""What was logged with an exception, last."""


@dataclass(frozen=True)
class Step:
    """Bytes, and where they go: a method, a file, a line."""

    name: str
    content: bytes


Input = tuple[Step, ...]


class Broken(Exception):
    """An input did what none may do."""


class Surface(Protocol):
    """Somewhere bytes come in. It holds what it needs while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def draw(self, random: Random) -> Input:
        """An input, from nothing but the generator and what earlier answers told."""
        ...

    def run(self, given: Input) -> str:
        """Put it in; what came of it in a word. Raises Broken, or whatever escapes."""
        ...

    def settle(self) -> None:
        """Check what is dear to check: called now and then, and at the end. Raises Broken."""
        ...


def save(given: Input, path: Path) -> None:
    """Keep an input as a small file."""
    steps = [{"name": one.name, "content": one.content.hex()} for one in given]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(steps, indent=1) + "\n")


def load(path: Path) -> Input:
    """An input that was kept."""
    return tuple(Step(one["name"], bytes.fromhex(one["content"])) for one in json.loads(path.read_text()))
