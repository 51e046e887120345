import json
import subprocess
import sys


def test_the_command_prints_one_line_with_figures_and_where_they_were_measured() -> None:
    options = ["--posts", "12000", "--turnovers", "1", "--json"]
    command = [sys.executable, "-m", "benchmarks.retrieval", *options]
    result = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert result["posts"] == 12000
    for when in ("", "after_turnovers_"):
        assert result[f"{when}recall_at_500"] > 0.9
        assert result[f"{when}four_interests_recall_at_120"] > 0.9
    assert result["filtered_recall"] > 0.9
    assert result["bytes_per_post"] < 1000
    assert result["environment"].keys() >= {"cpu", "cores", "commit", "date"}
