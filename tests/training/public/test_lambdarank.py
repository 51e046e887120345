"""The training path comes to the figures that LightGBM's own example is known for."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from training.public import EVALUATIONS, evaluate

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "lightgbm_lambdarank"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"{FOLDER.name} is not in ../shared/data")


@cache
def document() -> dict[str, Any]:
    return evaluate("lambdarank", FOLDER).document()


def test_ndcg_at_one_three_and_five_are_the_known_ones() -> None:
    known = {"ndcg_at_1": 0.604, "ndcg_at_3": 0.630, "ndcg_at_5": 0.670}
    assert {name: document()[name] for name in known} == pytest.approx(known, abs=0.005)


def test_each_figure_has_its_error_and_each_baseline_its_name() -> None:
    assert document()["standard_error"]["ndcg_at_1"] == pytest.approx(0.06, abs=0.02)
    assert document()["baselines"].keys() == {"random", "given_order", "feature_sum"}
    assert document()["baselines"]["random"]["ndcg_at_5"] < document()["ndcg_at_5"] - 0.1


def test_another_folder_is_not_recognised(tmp_path: Path) -> None:
    assert EVALUATIONS["lambdarank"].recognises(FOLDER)
    assert not EVALUATIONS["lambdarank"].recognises(tmp_path)
