import json
import subprocess
import sys


def test_the_command_prints_one_line_with_figures_and_where_they_were_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.retrieval", "--posts", "2000", "--json"]
    result = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert result["posts"] == 2000
    assert result["exact_recall_at_200"] > 0.99
    assert result["compressed_1_ms"] > 0
    assert result["environment"].keys() >= {"cpu", "cores", "commit", "date"}
