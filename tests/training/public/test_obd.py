"""Each policy from the other's log: the intervals hold what the policy itself earned."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from training.public import evaluate

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "obd_men"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"{FOLDER.name} is not in ../shared/data")


@cache
def policies() -> dict[str, Any]:
    found: dict[str, Any] = evaluate("obd", FOLDER).document()["policies"]
    return found


def test_what_each_policy_earned_is_its_own_logs_click_rate() -> None:
    assert policies()["random"]["own_log"]["value"] == pytest.approx(0.0046)
    assert policies()["bts"]["own_log"]["value"] == pytest.approx(0.0069)


@pytest.mark.parametrize("policy", ["random", "bts"])
def test_every_interval_holds_what_the_policy_earned(policy: str) -> None:
    assert policies()[policy]["holds_own_rate"] == dict.fromkeys(
        ("ips", "snips", "dr", "switch_dr", "dros"), True
    )


def test_estimates_and_sample_size_are_what_others_measured() -> None:
    bts = policies()["bts"]
    assert (bts["ips"]["value"], bts["snips"]["value"]) == pytest.approx((0.0057, 0.0057), abs=0.0001)
    assert bts["effective_sample_size"] == pytest.approx(2_869, abs=1)


def test_few_views_of_what_random_would_show_are_warned_of() -> None:
    assert policies()["random"]["effective_sample_size"] < 1_000
    assert policies()["random"]["warnings"][0].startswith("heavy weights")
