import json
import subprocess
import sys


def test_writes_are_folded_acknowledged_and_visible() -> None:
    options = ["--posts", "600", "--viewers", "40", "--batches", "3", "--json"]
    command = [sys.executable, "-m", "benchmarks.fold", *options]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert min(figures[f"{rows}_per_second"] for rows in ("events", "posts")) > 100
    assert figures["events_per_second_acknowledged"] > 100
    assert figures["visible_share"] == 1
    assert figures["cpu_us_an_event"] > figures["events_folded_cpu_us"] / 10 > 0
