"""Imports run one way, and the server's process stays light."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "feedrank": ROOT / "proto/feedrank",
    **{name: ROOT / name for name in ("embeddings", "ranker", "training", "benchmarks")},
}
OURS = {*PACKAGES, "tests"}

KNOWS = {
    "feedrank": set(),
    "embeddings": set(),
    "ranker": {"feedrank", "embeddings"},
    "training": {"feedrank", "embeddings", "ranker"},
    "benchmarks": {"feedrank", "embeddings", "ranker", "training"},
}
"""Which of our packages each may import."""

NOT_FOR_TRAINING = {
    "ranker.server", "ranker.service", "ranker.cli", "ranker.follower", "ranker.upkeep", "ranker.vectorizer",
    "ranker.writer", "ranker.sessions", "ranker.timelines", "ranker.metrics",
}  # fmt: skip
"""Training folds, computes features and reads what the server wrote; it has no part of the server.

`training.loop` is a server on virtual time: it has those parts that answer.
"""

EMBEDDER = {"embeddings.encoder", "embeddings.process"}
"""They import torch, and run in a process of their own."""

HEAVY = {"torch", "sentence_transformers", "transformers", "lightgbm", "sklearn", "training", "benchmarks"}


def files(package: str) -> list[Path]:
    return sorted(path for path in PACKAGES[package].rglob("*.py") if "_pb2" not in path.name)


def imported(path: Path) -> Iterator[str]:
    """The full names of what a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def offences(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(package)
        for name in imported(path)
        if within(name, forbidden)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_it_may_know(package: str) -> None:
    assert offences(package, OURS - KNOWS[package] - {package}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_files_that_were_looked_at(package: str) -> None:
    assert files(package)
    assert any(True for path in files(package) for _ in imported(path))


def test_the_server_imports_nothing_of_the_embedder_process() -> None:
    assert offences("ranker", EMBEDDER | HEAVY) == []


def test_training_imports_nothing_of_the_server() -> None:
    found = offences("training", NOT_FOR_TRAINING)
    assert [offence for offence in found if not offence.startswith("training/loop/server.py")] == []


def loaded(program: str) -> set[str]:
    """The modules of a fresh process after a program."""
    script = f"import json, sys\n{program}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


SERVE = "import ranker.cli, ranker.server.run"
WITH_COMMANDS = f"""
{SERVE}
from importlib.metadata import entry_points
for point in entry_points(group="feedrank.commands"):
    point.load()
"""


@pytest.mark.parametrize("program", [SERVE, WITH_COMMANDS], ids=["serve", "serve and all commands"])
def test_the_process_of_serve_loads_no_training_library(program: str) -> None:
    heavy = HEAVY - {"training", "benchmarks"}  # their commands' names
    assert {name for name in loaded(program) if within(name, heavy)} == set()


def test_the_client_loads_nothing_but_grpc_and_protobuf() -> None:
    tops = {name.partition(".")[0] for name in loaded("import feedrank")}
    assert not tops & {"numpy", "numba", "faiss", "ranker", "embeddings", "pydantic", "redis"}


def test_there_are_commands_of_other_packages() -> None:
    assert {point.name for point in entry_points(group="feedrank.commands")} == {"training", "benchmarks"}
