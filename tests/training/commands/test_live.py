"""The commands, run as the command line runs them."""

import subprocess
import sys
from pathlib import Path

import feedrank
from typer.testing import CliRunner

from tests.conftest import Launch
from training.commands import app
from training.commands.live import Kind
from training.importers import IMPORTERS

GOOD = '{"post": {"id": "p1", "author_id": "ines", "text": "a walk", "created_ms": 1000}}'
LIKE = '{"event": {"viewer_id": "omar", "kind": "like", "post_id": "p1", "time_ms": 5000}}'
BAD = '{"event": {"viewer_id": "omar", "kind": "adore", "post_id": "p1"}}'


def feedrank_says(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from ranker.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def history(folder: Path, *lines: str) -> str:
    file = folder / "history.jsonl"
    file.write_text("\n".join(lines))
    return str(file)


def test_the_kinds_of_import_are_the_importers():
    assert {kind.value for kind in Kind} == set(IMPORTERS)


def test_validate_names_each_bad_line_and_exits_with_1(tmp_path):
    said = CliRunner().invoke(app, ["validate", history(tmp_path, GOOD, BAD, LIKE, "{")])
    assert said.exit_code == 1
    assert [line.split(":")[0] for line in said.output.splitlines()[:2]] == ["line 2", "line 4"]


def test_validate_of_good_lines_exits_with_0(tmp_path):
    assert CliRunner().invoke(app, ["validate", history(tmp_path, GOOD, LIKE)]).exit_code == 0


def test_import_moves_the_newest_row_to_now(tmp_path, launch: Launch):
    server = launch()
    said = CliRunner().invoke(app, ["import", history(tmp_path, GOOD, LIKE), "--address", server.address])
    assert "2 rows accepted, 0 rejected" in said.output
    told = server.client.explain_post("zoe", "p1")
    assert told.standing != feedrank.Standing.STANDING_REMOVED, "a post of 1970 would be too old"


def test_import_of_a_file_with_a_bad_line_names_it_and_sends_nothing(tmp_path, launch: Launch):
    server = launch()
    said = feedrank_says("import", history(tmp_path, GOOD, BAD, LIKE), "--address", server.address)
    assert said.returncode == 2
    assert "line 2" in said.stderr
    assert server.client.status().posts == 0


def test_import_without_a_server_is_one_sentence(tmp_path):
    said = feedrank_says("import", history(tmp_path, GOOD), "--address", f"unix:{tmp_path}/nobody")
    assert said.returncode == 1
    assert said.stderr.startswith("feedrank: ")


def test_playground_goes_live_and_its_viewers_respond(launch: Launch):
    server = launch()
    small = ["--users", "20", "--posts", "100", "--live", "--minutes", "0.05"]
    said = CliRunner().invoke(app, ["playground", "--address", server.address, *small])
    assert said.exit_code == 0, said.output
    pages = said.output.splitlines()[-1]
    assert "pages were opened" in pages
    assert not pages.startswith("0 ")


def test_loading_the_commands_loads_no_heavy_library():
    heavy = "{'lightgbm', 'torch', 'pyarrow.dataset', 'numpy', 'faiss'}"
    code = f"import sys, training.commands; print({heavy} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
