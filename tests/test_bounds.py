"""All that could grow is in the table of what is bounded: a new queue or cache without a row fails here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranker.settings import Settings, described

ROOT = Path(__file__).parents[1]
GROWS = {"deque", "Queue", "SimpleQueue", "LifoQueue", "PriorityQueue", "OrderedDict", "lru_cache", "cache"}


def growing(path: Path) -> Iterator[str]:
    """The names of queues and caches that a file makes; `deque(…, maxlen=…)` of constants among them."""
    for node in ast.walk(ast.parse(path.read_text())):
        calls = [node.func] if isinstance(node, ast.Call) else getattr(node, "decorator_list", [])
        for one in calls:
            word = one.value if isinstance(one, ast.Subscript) else one
            name = getattr(word, "attr", getattr(word, "id", ""))
            if name in GROWS:
                yield name


FILES = [
    path
    for package in ("ranker", "embeddings", "proto/feedrank")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "_pb2" not in path.name and not path.stem.endswith("_commands") and any(growing(path))
]
TABLE = (
    (ROOT / "docs" / "reliability.md")
    .read_text()
    .partition("## Everything that is bounded")[2]
    .partition("\n## ")[0]
)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_queue_and_cache_is_in_the_table(path: Path) -> None:
    assert f"../{path.relative_to(ROOT)}" in TABLE


def test_the_settings_that_the_table_names_are_there() -> None:
    names = {name for name, _, _ in described(Settings())}
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", TABLE))
    assert len(told) > 20
    assert told <= names
