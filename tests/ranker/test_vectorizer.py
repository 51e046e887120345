from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ranker import vectorizer as module
from ranker.journal import Journal
from ranker.state import State
from ranker.vectorizer import EmbedderSettings, Vectorizer
from tests.live import within


def test_an_embedder_that_can_not_be_started_is_tried_again(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTART_S", 0.01)
    (tmp_path / "embedder.log").mkdir()
    vectorizer = Vectorizer(State(4), journal, EmbedderSettings(), tmp_path)
    with capture_logs() as logged:
        vectorizer.start()
        assert within(5, lambda: [line["event"] for line in logged].count("vectorizer_failed") > 1)
        vectorizer.stop()
