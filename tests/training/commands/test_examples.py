"""The command `feedrank examples`."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from tests.training.commands.test_live import feedrank_says
from training import example_files
from training.commands import app

POSTS = [f'{{"post": {{"id": "p{n}", "author_id": "ada", "created_ms": 1000}}}}' for n in range(40)]


def event(kind: str, viewer: str, post: str, at: int) -> str:
    who = f'"viewer_id": "{viewer}", "post_id": "{post}", "request_id": "of {viewer}"'
    return f'{{"event": {{"kind": "{kind}", {who}, "time_ms": {at}}}}}'


def made(folder: Path, *options: str) -> Result:
    shown = [event("impression", viewer, f"p{n}", 2_000) for viewer in ("ines", "test-1") for n in range(40)]
    source = folder / "history.jsonl"
    source.write_text("\n".join([*POSTS, *shown, event("like", "ines", "p3", 3_000)]))
    arguments = ["--from", str(source), "--out", str(folder / "out"), "--json", *options]
    return CliRunner().invoke(app, ["examples", *arguments])


def test_examples_of_a_data_set_are_written_and_told(tmp_path: Path) -> None:
    said = json.loads(made(tmp_path).stdout)
    assert (said["rows"], said["positives"]["like"]) == (80, 1)
    assert example_files.read(tmp_path / "out").sha256 == said["sha256"]


def test_rules_and_sampling_are_told_in_the_summary(tmp_path: Path) -> None:
    rules = tmp_path / "bots.toml"
    rules.write_text('viewers = ["test-*"]\n')
    said = json.loads(made(tmp_path, "--exclude", str(rules), "--negatives", "0.5").stdout)
    counts = said["about"]["counts"]
    assert counts["excluded_by_viewers"] == 40
    assert said["rows"] == 40 - counts["not_sampled"] < 40


def test_a_rule_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    said = feedrank_says("examples", "--from", str(tmp_path), *out, "--exclude", "robots=yes")
    assert said.returncode == 2
    assert "the rules are viewers, actions_an_hour" in said.stderr


def test_a_folder_that_exists_is_refused_before_any_work(tmp_path: Path) -> None:
    said = feedrank_says("examples", "--data", str(tmp_path), "--out", str(tmp_path))
    assert said.returncode == 2
    assert "exists" in said.stderr
