"""What the warm-up leaves to be compiled: nothing."""

import json
import subprocess
import sys
from pathlib import Path

from tests.ranker.test_models import save


def test_nothing_is_compiled_once_a_server_serves(tmp_path: Path) -> None:
    """Neither in one that began empty nor in one that was restored, with the prior or with a bundle."""
    save(tmp_path / "models", "bundle")
    asked = [sys.executable, "-m", "tests.ranker.compiled", str(tmp_path), "bundle"]
    lives = [subprocess.run(asked, stdout=subprocess.PIPE, check=True) for _ in range(2)]
    assert [json.loads(life.stdout) for life in lives] == [{}, {}]
