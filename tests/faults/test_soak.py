"""The short form of `python -m tests.faults.soak`, and that it finds what it looks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.soak import Plan, Sample, Tally, judge, run

SHORT = Plan(warm_up_s=8.0, rest_s=1.0, judged_s=2.5, pause_s=0.1, longest_s=0.2, look_s=0.2, embedder=False)
CALM = Sample(0.0, "judged", "", 200.0, 400.0, 10.0, 30, 40, 2, {})


def test_a_short_run_ends_with_the_handles_that_it_began_with(tmp_path: Path) -> None:
    tally, samples = run(SHORT, 1, tmp_path, lambda _: None)
    rare = ("did not come", "was answered")  # a few seconds are too short for all kinds of calls and faults
    assert not [one for one in tally.violations if not any(words in one for words in rare)]
    assert tally.answered > 20
    assert tally.share > 0.9
    assert len(samples) > 5


def rested(samples: Sequence[Sample], after: Sample = CALM) -> list[Sample]:
    """With a rest before and after."""
    return [replace(CALM, stretch="before"), *samples, replace(after, stretch="after")]


def grown(percent: float) -> list[Sample]:
    """Twenty minutes in which the server's memory grows by so much in ten, with spikes."""
    spike = [80.0, 0.0, 0.0, 0.0, 0.0]
    return [
        replace(CALM, at_s=2.0 * i, server_mb=200 * (1 + percent / 100 * i / 300) + spike[i % 5])
        for i in range(601)
    ]


def test_memory_that_stays_as_it_is_breaks_nothing() -> None:
    tally = Tally(1, 30)
    assert list(judge(tally, rested(grown(0.5)), rounds=9)) == []
    assert tally.slope == pytest.approx(0.5, abs=0.1)


def test_memory_that_grows_by_two_percent_in_ten_minutes_is_found() -> None:
    (found,) = judge(Tally(1, 30), rested(grown(2.0)), rounds=9)
    assert found.startswith("the memory of the server and Valkey grows by 1.")


@pytest.mark.parametrize(("name", "let_pass"), [("descriptors", 4), ("threads", 4), ("children", 0)])
def test_handles_that_are_not_given_back_are_found(name: str, let_pass: int) -> None:
    def after(more: int) -> list[str]:
        last = replace(CALM, **{name: getattr(CALM, name) + more})
        return list(judge(Tally(1, 30), rested(grown(0.0), last), rounds=9))

    assert after(let_pass) == []
    assert [one for one in after(let_pass + 1) if name in one]
