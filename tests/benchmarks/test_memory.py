import json
import subprocess
import sys

import pytest


def test_structures_add_up_to_the_process() -> None:
    options = ["--posts", "600", "--viewers", "40", "--json"]
    command = [sys.executable, "-m", "benchmarks.memory", *options]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    totals = figures["resident_mb"] + figures["accounted_mb"]
    held = sum(size for name, size in figures.items() if name.endswith("_mb")) - totals
    assert held == pytest.approx(figures["accounted_mb"])
    assert 0.5 < figures["accounted_share"] < 1.1
    assert figures["bytes_per_post"] > 2 * 384
