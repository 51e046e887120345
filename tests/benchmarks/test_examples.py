import json
import subprocess
import sys


def test_it_measures_both_ways_of_reading() -> None:
    options = ["--rows", "60000", "--posts", "500", "--json"]
    command = [sys.executable, "-m", "benchmarks.examples", *options]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert figures["rows"] == 60_000
    assert 0 < figures["by_row_groups_memory"] < figures["whole_memory"]
