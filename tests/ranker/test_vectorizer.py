from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from feedrank.journal.v1 import journal_pb2
from numpy.typing import NDArray
from structlog.testing import capture_logs

from embeddings.errors import EmbedderUnavailable
from ranker import vectorizer as module
from ranker.board import Board
from ranker.journal import Journal
from ranker.state import State
from ranker.vectorizer import EmbedderSettings, Vectorizer
from tests.live import within
from tests.ranker.network import Town


def test_an_embedder_that_can_not_be_started_is_tried_again(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTART_S", 0.01)
    (tmp_path / "embedder.log").mkdir()
    board = Board()
    vectorizer = Vectorizer(State(4), journal, EmbedderSettings(), tmp_path, board)
    with capture_logs() as logged:
        vectorizer.start()
        assert within(5, lambda: [line["event"] for line in logged].count("vectorizer_failed") > 1)
        assert board.embedder_lost
        vectorizer.stop()


class _Choosy:
    """A link to an embedder that ends at one text. None of the real ones does so when asked to."""

    def embed(self, texts: Sequence[str], _timeout_s: float) -> NDArray[np.float16]:
        if "bad" in texts:
            raise EmbedderUnavailable("it ended")
        return np.eye(8, dtype=np.float16)[[0] * len(texts)]


def test_a_post_that_can_not_be_embedded_holds_nothing_up(tmp_path: Path, journal: Journal) -> None:
    town = Town()
    for name in ("a", "b", "c", "bad", "d", "e"):
        town.post(name, text=name)
    vectorizer = Vectorizer(
        town.state, journal, EmbedderSettings(dimension=8, batch_posts=4), tmp_path, Board()
    )
    vectorizer._link = _Choosy()  # type: ignore[assignment]
    for _ in range(12):
        with suppress(EmbedderUnavailable):
            vectorizer._make_vectors()
        for _, content in journal.read(""):
            town.fold(journal_pb2.Entry.FromString(content))
    waits = np.flatnonzero(town.state.posts.awaits_vector[: town.state.posts.size])
    assert [town.state.post_ids.names[slot] for slot in waits] == ["bad"]
