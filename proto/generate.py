"""Makes everything that follows from the .proto files: `python proto/generate.py`.

It lints the contract, refuses a change that breaks those who use it already (compared with contract.binpb,
the contract as it was), writes the stubs anew and keeps the contract as it is now. A break on purpose:
delete contract.binpb first.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).parent
BASELINE = PROTO / "contract.binpb"
# The tools of the virtual environment that runs this file.
TOOLS = Path(sys.executable).parent


def main() -> None:
    """Lints, compares, generates and keeps; the first failure ends it with the tool's own message."""
    lint()
    if BASELINE.exists():
        breaking()
    with tempfile.TemporaryDirectory() as folder:
        stubs(Path(folder))
        for old in [*PROTO.rglob("*_pb2*.py"), *PROTO.rglob("*_pb2*.pyi")]:
            old.unlink()
        shutil.copytree(folder, PROTO, dirs_exist_ok=True)
    baseline(BASELINE)


def lint() -> None:
    """The rules of buf.yaml."""
    _buf("lint")


def breaking() -> None:
    """Whether messages of the contract as it was are still understood."""
    _buf("breaking", "--against", str(BASELINE))


def baseline(file: Path) -> None:
    """The contract as it is now, as descriptors."""
    _buf("build", "--exclude-source-info", "--output", str(file))


def stubs(folder: Path) -> None:
    """Python and type stubs of every file; those of gRPC for files with services only."""
    files = sorted(path.relative_to(PROTO) for path in PROTO.rglob("*.proto"))
    with_services = [
        file for file in files if re.search(r"^service ", (PROTO / file).read_text(), re.MULTILINE)
    ]
    _protoc(files, f"--python_out={folder}", f"--mypy_out={folder}")
    _protoc(with_services, f"--grpc_python_out={folder}", f"--mypy_grpc_out={folder}")


def _protoc(files: list[Path], *outputs: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs, *map(str, files)]
    # protoc finds its plugins (protoc-gen-mypy, protoc-gen-mypy_grpc) on the PATH.
    path = os.pathsep.join([str(TOOLS), os.environ.get("PATH", "")])
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


def _buf(*arguments: str) -> None:
    # buf.yaml lies beside this folder.
    subprocess.run([TOOLS / "buf", *arguments], check=True, cwd=PROTO.parent)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing: pip install -e '.[dev]'")
