"""Consent: what refuses is left out, of the past too, and what is left learned from is noted."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t
from typer.testing import CliRunner

from ranker.bundle import list_bundles, mark_those_that_saw
from ranker.consent import ConsentSettings
from ranker.model_commands import app as models_app
from ranker.privacy.gone import Gone
from ranker.state import State
from ranker.state.departed import digest_of
from tests.training.test_join import T0, answer, event, label, logged
from tests.training.test_train import KNOBS
from training import example_files
from training.commands import app
from training.examples import Choices, ExampleSet
from training.histories import of_rows
from training.join import join
from training.replay import Replay
from training.rows import Row
from training.train import train

REFUSED, ALLOWED = t.PERMISSION_REFUSED, t.PERMISSION_ALLOWED
KEY = b"a key"


def said(user_id: str, **permissions: t.Permission.ValueType) -> t.User:
    return t.User(id=user_id, consent=t.Consent(**permissions))


def post(name: str, author: str, **fields: Any) -> t.Post:
    return t.Post(id=name, author_id=author, created_ms=T0 - 9, **fields)


POSTS = [post("p1", "lena"), post("p2", "tomo")]


def joined(folder: Path, rows: Sequence[Row], **choices: Any) -> ExampleSet:
    """Ines and Omar were each shown p1 of Lena's and p2 of Tomo's."""
    answers = [answer("r1"), answer("r2", viewer_id="omar", at=1)]
    logged(folder / "log", answers)
    history = (entry for _, entry in of_rows([*POSTS, *rows]))
    return join(folder / "log", history, Choices(seen="no", **choices), KEY)


def replayed(_: Path, rows: Sequence[Row], **choices: Any) -> ExampleSet:
    """The same without a log."""
    shown = [event("impression", one, 0, viewer) for viewer in ("ines", "omar") for one in ("p1", "p2")]
    replay = Replay(State(4), choices.get("consent"))
    replay.run(of_rows([*POSTS, *shown, *rows]))
    return replay.example_set(Choices(**choices), KEY)


WAYS = pytest.mark.parametrize("made", [joined, replayed])


def refusals(found: ExampleSet) -> dict[str, int]:
    return {name: count for name, count in found.about.counts.items() if "refuses" in name and count}


@WAYS
def test_without_a_refusal_nothing_is_left_out(made: Any, tmp_path: Path) -> None:
    found = made(tmp_path, [event("like")])
    assert (len(found.examples), refusals(found)) == (4, {})


@WAYS
@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([said("ines", training=REFUSED)], {"viewer_refuses_training": 2}),
        ([said("lena", training=REFUSED)], {"author_refuses_training": 2}),
        ([post("p2", "tomo", no_training=True)], {"post_refuses_training": 2}),
        ([event("like", no_training=True)], {"event_refuses_training": 1}),
        ([said("ines", training=REFUSED), said("ines", training=ALLOWED)], {}),
        ([said("ines", training=REFUSED), t.User(id="ines")], {"viewer_refuses_training": 2}),
        ([said("ines", training=REFUSED), said("ines", export=ALLOWED)], {}),
        ([said("ines", export=REFUSED)], {}),
    ],
)
def test_what_refuses_training_is_left_out_though_it_comes_later(
    made: Any, rows: list[Row], counts: dict[str, int], tmp_path: Path
) -> None:
    found = made(tmp_path, rows)
    assert refusals(found) == counts
    assert len(found.examples) == 4 - sum(counts.values())


@WAYS
def test_a_label_that_refuses_leaves_no_row_that_says_it_did_not_happen(made: Any, tmp_path: Path) -> None:
    found = made(tmp_path, [event("like", no_training=True), event("like", "p2")])
    assert sorted(label(found, "like")) == [0, 0, 1]


@WAYS
def test_an_event_that_refuses_and_changes_no_label_takes_no_row(made: Any, tmp_path: Path) -> None:
    found = made(tmp_path, [event("like"), event("like", at=2, no_training=True)])
    assert (len(found.examples), sum(label(found, "like"))) == (4, 1)


@WAYS
def test_a_network_may_ask_first(made: Any, tmp_path: Path) -> None:
    rows = [said(name, training=ALLOWED) for name in ("ines", "lena")]
    found = made(tmp_path, rows, consent=ConsentSettings(training="refused"))
    assert len(found.examples) == 1
    assert refusals(found) == {"viewer_refuses_training": 2, "author_refuses_training": 1}


@WAYS
def test_what_refuses_export_is_left_out_of_what_leaves(made: Any, tmp_path: Path) -> None:
    rows = [said("omar", export=REFUSED), event("like", no_export=True)]
    found = made(tmp_path, rows, leaves=True)
    assert refusals(found) == {"viewer_refuses_export": 2, "event_refuses_export": 1}


def test_a_sight_that_refuses_takes_its_row(tmp_path: Path) -> None:
    found = joined(tmp_path, [event("impression", no_training=True, request_id="r1")])
    assert refusals(found) == {"event_refuses_training": 1}


def test_who_is_unknown_is_treated_by_the_default(tmp_path: Path) -> None:
    logged(tmp_path / "log", [answer("r1", ["of nobody"])])
    choices = Choices(seen="no", consent=ConsentSettings(training="refused"))
    history = (entry for _, entry in of_rows([said("ines", training=ALLOWED)]))
    assert refusals(join(tmp_path / "log", history, choices)) == {"author_refuses_training": 1}


@WAYS
def test_only_people_whose_rows_are_left_are_noted(made: Any, tmp_path: Path) -> None:
    people = made(tmp_path, [said("ines", training=REFUSED), said("tomo", training=REFUSED)]).people
    assert [people.holds(digest_of(name, KEY)) for name in ("omar", "lena", "ines", "tomo")] == [
        True,
        True,
        False,
        False,
    ]
    assert (people.viewers, people.authors) == (1, 1)


def test_examples_that_leave_say_so_and_carry_no_ids(tmp_path: Path) -> None:
    rows = [said("omar", export=REFUSED)]
    example_files.write(tmp_path / "out", joined(tmp_path, rows, leaves=True))
    found = example_files.read(tmp_path / "out")
    assert found.about.leaves
    assert found.people is not None
    assert found.people.holds(digest_of("ines", KEY))
    assert not any(b"ines" in path.read_bytes() for path in (tmp_path / "out").iterdir())


def test_the_command_writes_what_may_leave_and_keeps_the_rest_when_it_stays(tmp_path: Path) -> None:
    source = tmp_path / "history.jsonl"
    shown = '{"event": {"kind": "impression", "viewer_id": "ines", "post_id": "p1", "time_ms": 2000}}'
    refusing = '{"post": {"id": "p1", "author_id": "ada", "created_ms": 1000, "no_export": true}}'
    source.write_text(f"{refusing}\n{shown}\n")
    for name, options, count in (("a", [], 0), ("b", ["--stays"], 1)):
        arguments = ["--from", str(source), "--out", str(tmp_path / name), "--json", *options]
        said = json.loads(CliRunner().invoke(app, ["examples", *arguments]).stdout)
        assert said["rows"] == count
        assert said["about"]["counts"].get("post_refuses_export", 0) == 1 - count


def test_a_trained_bundle_knows_whom_it_saw_until_it_is_trained_anew(tmp_path: Path) -> None:
    """Rosa refuses training, Ines is erased; Omar alone is left to the next bundle."""
    random = np.random.default_rng(3)
    viewers = ("ines", "omar", "rosa")
    answers = [answer(f"r{n}", viewer_id=viewers[n % 3], at=n * 60_000) for n in range(600)]
    logged(tmp_path / "log", answers)
    liked = [
        event("like", at=n * 60_000 + 1, viewer=viewers[n % 3], request_id=f"r{n}")
        for n in range(600)
        if random.random() < 0.5
    ]
    rows: list[Row] = [*POSTS, *liked, said("rosa", training=REFUSED)]
    found = join(
        tmp_path / "log", (entry for _, entry in of_rows(rows)), Choices(seen="no", heads=("like",)), KEY
    )
    folder, _ = train(found, tmp_path / "models", knobs=KNOBS)
    manifest = list_bundles(tmp_path / "models")[0].manifest
    assert manifest is not None
    assert manifest.people is not None
    assert (manifest.people.viewers, manifest.people.authors) == (2, 2)
    rosa, ines = (
        Gone(digest_of(name, KEY), manifest.from_ms, manifest.to_ms, manifest.to_ms)
        for name in ("rosa", "ines")
    )
    assert mark_those_that_saw(tmp_path / "models", rosa) == 0
    assert mark_those_that_saw(tmp_path / "models", ines) == 1
    arguments = ["show", folder.name, "--models", str(tmp_path / "models")]
    assert "retrain: saw 1 erased person" in CliRunner().invoke(models_app, arguments).stdout
