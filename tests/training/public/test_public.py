"""The Musts of learning on real people's data, and that an evaluation does not peek."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedrank.v1 import types_pb2 as t
from typer.testing import CliRunner

from ranker.state import State
from training.commands import app
from training.histories import of_rows
from training.importers import read
from training.metrics import ndcg
from training.public import EVALUATIONS, evaluate, polis, ranklens
from training.public.comparison import Comparison, models
from training.public.ranklens import _lists
from training.replay import Replay
from training.rows import Row
from training.train import Knobs

DATA = Path(__file__).parents[4] / "shared" / "data"
RANKLENS, TAXES = DATA / "ranklens", DATA / "polis_scoop" / "taxes"

needs_ranklens = pytest.mark.skipif(
    not RANKLENS.exists(), reason="RankLens is not at ../shared/data/ranklens"
)
needs_polis = pytest.mark.skipif(not TAXES.exists(), reason="Polis is not at ../shared/data/polis_scoop")


@cache
def ranklens_rows() -> list[Row]:
    return list(read(RANKLENS))


@cache
def on_ranklens() -> Comparison:
    """The first 3,000 of 9,800 lists, without vectors: the whole takes minutes."""
    lists = dict.fromkeys(row.request_id for row in ranklens_rows() if isinstance(row, t.Event))
    first = set(list(lists)[:3_000])
    rows = [row for row in ranklens_rows() if isinstance(row, t.Post) or row.request_id in first]
    return ranklens(rows, seeds=(1,))


@cache
def on_taxes() -> Comparison:
    comparison = evaluate("polis", TAXES, seeds=(1,))
    assert isinstance(comparison, Comparison)
    return comparison


@needs_ranklens
def test_on_ranklens_the_model_is_better_than_every_baseline() -> None:
    assert all(gain.value > 2 * gain.standard_error for gain in on_ranklens().gains.values())


@needs_ranklens
def test_on_ranklens_the_baselines_are_what_others_measured() -> None:
    lists = _lists(ranklens_rows())
    test = [one for one in lists[int(0.8 * len(lists)) :] if one.clicked.any()]
    figures = {
        name: np.mean([ndcg(one.clicked, one.scores[name]) for one in test]) for name in test[0].scores
    }
    assert figures["item_click_rate"] == pytest.approx(0.592, abs=0.003)
    assert figures["shown_order"] == pytest.approx(0.38, abs=0.003)
    assert figures["random"] == pytest.approx(0.33, abs=0.012)


@needs_polis
def test_on_polis_the_model_is_better_than_the_item_agree_rate() -> None:
    comparison = on_taxes()
    gain = comparison.gains["item_agree_rate"]
    assert gain.value > 0.012
    assert gain.value > 2 * gain.standard_error


@needs_polis
def test_on_polis_it_helps_to_send_disagree_as_a_negative_event() -> None:
    gain = on_taxes().gains["without_disagree"]
    assert gain.value > 2 * gain.standard_error


@needs_polis
def test_on_polis_the_item_agree_rate_is_what_others_measured() -> None:
    rate = on_taxes().baselines["item_agree_rate"]
    assert rate.value == pytest.approx(0.818, abs=0.004)
    assert on_taxes().baselines["random"].value == pytest.approx(0.5, abs=0.03)


def conversation(answers: np.random.Generator) -> list[Row]:
    """250 people vote on 20 posts, by chance; small enough to fold in seconds."""
    rows: list[Row] = [
        t.Post(id=f"c/{i}", author_id=f"c/a{i}", created_ms=10**12, text="x", vector=[1, i + 1])
        for i in range(20)
    ]
    for viewer in range(250):
        for post in range(20):
            fields: dict[str, Any] = {
                "viewer_id": f"c/p{viewer}",
                "post_id": f"c/{post}",
                "time_ms": 10**12 + viewer * 20 + post,
            }
            rows.append(t.Event(kind=t.EVENT_KIND_IMPRESSION, **fields))
            rows.extend([t.Event(kind=t.EVENT_KIND_LIKE, **fields)] * int(answers.random() < 0.5))
    return rows


@cache
def on_dice() -> Comparison:
    return polis(conversation(np.random.default_rng(1)), seeds=(1,))


def test_a_conversation_of_dice_is_not_distinguishable_from_chance() -> None:
    figure = on_dice().model
    assert abs(figure.value - 0.5) < 3 * figure.standard_error
    assert on_dice().units > 200


def test_a_model_a_seed_is_trained_as_the_knobs_say() -> None:
    replay = Replay(State(2))
    replay.run(of_rows(conversation(np.random.default_rng(1))[:1_500]))
    examples = replay.examples()
    one, other = models(examples, (1, 2), lambda _: None, Knobs(trees=3, seed=9, threads=1))
    assert [len(each.heads["like"].curves["watched"]) for each in (one, other)] == [3, 3]
    assert (one.probabilities(examples.features) != other.probabilities(examples.features)).any()


def test_a_wrong_argument_is_a_sentence_and_exit_2(tmp_path: Path) -> None:
    for arguments in (["evaluate", "chess", "."], ["evaluate", "polis", str(tmp_path)], ["train"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_the_help_says_what_each_evaluation_knows() -> None:
    output = " ".join(CliRunner().invoke(app, ["evaluate", "--help"]).output.split())
    assert all(f"{name}: {one.protocol}" in output for name, one in EVALUATIONS.items())


def test_the_table_says_what_the_evaluation_knows() -> None:
    (sheet,) = on_dice().sheets()
    assert EVALUATIONS["polis"].protocol in sheet.notes
    assert [row[0] for row in sheet.rows][:3] == ["model", "random", "item_agree_rate"]


def test_the_document_names_the_figures_and_the_baselines() -> None:
    document = on_dice().document()
    assert {"auc_per_viewer", "standard_error", "units", "seeds"} <= document.keys()
    assert json.loads(json.dumps(document["baselines"]))["item_agree_rate"].keys() == {
        "auc_per_viewer",
        "standard_error",
    }
