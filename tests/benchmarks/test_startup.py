import json
import subprocess
import sys


def test_it_measures_a_first_start_and_warm_ones() -> None:
    options = ["--posts", "600", "--viewers", "40", "--repeats", "1", "--json"]
    command = [sys.executable, "-m", "benchmarks.startup", *options]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert figures["first_s"] > 0
    assert 0 < figures["warm_best_s"] <= figures["warm_worst_s"]
