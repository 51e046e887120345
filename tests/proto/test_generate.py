"""The stubs and the kept contract follow from the .proto files."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

PROTO = Path(__file__).parents[2] / "proto"


@pytest.fixture
def generate() -> ModuleType:
    """proto/generate.py, a program and no part of a package."""
    return loaded(PROTO)


@pytest.fixture
def copy(tmp_path: Path) -> ModuleType:
    """The program beside a copy of the contract that a test may change."""
    shutil.copytree(PROTO, tmp_path / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROTO.parent / "buf.yaml", tmp_path)
    return loaded(tmp_path / "proto")


def loaded(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", folder / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stubs(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*_pb2*.py*") if path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def change(proto: Path, old: str, new: str) -> None:
    types = proto / "feedrank/v1/types.proto"
    assert old in types.read_text()
    types.write_text(types.read_text().replace(old, new))


def test_the_stubs_are_those_of_the_contract(generate: ModuleType, tmp_path: Path) -> None:
    generate.stubs(tmp_path)
    assert stubs(PROTO) == stubs(tmp_path)


def test_the_kept_contract_is_the_one_of_today(generate: ModuleType, tmp_path: Path) -> None:
    generate.baseline(tmp_path / "now.binpb")
    assert (tmp_path / "now.binpb").read_bytes() == generate.BASELINE.read_bytes()


def test_the_contract_passes_its_lint(generate: ModuleType) -> None:
    generate.lint()


def test_the_contract_breaks_nobody(generate: ModuleType) -> None:
    generate.breaking()


def test_a_field_of_another_type_is_a_break(copy: ModuleType) -> None:
    change(copy.PROTO, "int64 created_ms = 5;", "string created_ms = 5;")
    with pytest.raises(subprocess.CalledProcessError):
        copy.main()


def test_an_enum_value_without_its_prefix_fails_the_lint(copy: ModuleType) -> None:
    change(copy.PROTO, "EVENT_KIND_LIKE = 4", "LIKE = 4")
    with pytest.raises(subprocess.CalledProcessError):
        copy.lint()


def test_a_new_field_reaches_the_stubs_and_the_kept_contract(copy: ModuleType) -> None:
    before = copy.BASELINE.read_bytes()
    change(copy.PROTO, "bool show_own_posts = 5;", "bool show_own_posts = 5; bool quiet = 8;")
    copy.main()
    assert "quiet" in (copy.PROTO / "feedrank/v1/types_pb2.pyi").read_text()
    assert copy.BASELINE.read_bytes() != before


def test_only_files_with_services_have_grpc_stubs() -> None:
    with_stubs = {path.stem.removesuffix("_pb2_grpc") for path in PROTO.rglob("*_pb2_grpc.py")}
    assert with_stubs == {"admin", "controls", "feed", "ingest", "privacy"}
