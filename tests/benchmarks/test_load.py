"""What the search for the highest rate makes of luck, and a server of two processes."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import timeline
from benchmarks.load import WITHIN, highest
from benchmarks.server import running


@pytest.mark.parametrize("limit", [10, 37, 100, 590])
def test_the_highest_rate_is_found_within_a_twentieth(limit: float) -> None:
    assert limit / WITHIN <= highest(lambda rate: rate <= limit, first=10, most=1000) <= limit


def test_luck_moves_the_highest_rate_neither_up_nor_down() -> None:
    rng = np.random.default_rng(1)

    def passes(rate: float) -> bool:
        """As a machine with noise: at 100 a second every second try passes."""
        return bool(rng.random() < 1 / (1 + (rate / 100) ** 12))

    found = [highest(passes, first=10, most=1000) for _ in range(400)]
    assert 0.97 < np.median(found) / 100 < 1.03


def test_a_rate_that_passes_one_time_in_three_is_not_the_highest() -> None:
    tries = iter([True, True, True, False, False])  # twice at 10, then at 20
    assert highest(lambda _: next(tries, False), first=10, most=20) < 20


def test_all_workers_of_a_server_hold_the_network(tmp_path: Path) -> None:
    timeline.prepare(300, 20, 1, tmp_path)
    with running(tmp_path, 300, workers=2) as server:
        assert [server.metrics(worker)["feedrank_posts"] for worker in range(2)] == [300, 300]
