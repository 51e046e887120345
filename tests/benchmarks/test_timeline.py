import json
import subprocess
import sys


def test_it_measures_real_pages_and_counts_what_was_scored() -> None:
    options = ["--posts", "600", "--viewers", "40", "--seconds", "1", "--warm-up-s", "0.2", "--json"]
    command = [sys.executable, "-m", "benchmarks.timeline", *options]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert 0 < figures["prior_p50_ms"] <= figures["prior_p99_ms"]
    assert figures["prior_total_ms"] < figures["prior_p99_ms"]
    assert figures["prior_scored_min"] >= 20
    assert figures["prior_found_mean"] >= figures["prior_scored_mean"]
    assert figures["resident_mb"] > 50
