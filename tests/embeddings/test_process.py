"""The embedder process, as it is started by hand."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from embeddings.encoder import Encoder
from embeddings.errors import EmbeddingError
from embeddings.link import EmbedderLink
from embeddings.process import Embedder, main


def test_wrong_weights_end_it_with_a_sentence_and_code_2(tmp_path: Path) -> None:
    asked = ["--socket", str(tmp_path / "e.sock"), "--sha256", "0" * 64]
    ended = subprocess.run(
        [sys.executable, "-m", "embeddings.process", *asked], capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert b"not the pinned 0000" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_no_threads_are_refused_with_a_sentence_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--socket", "unused", "--threads", "0"])
    assert "--threads must be 1 or more" in capsys.readouterr().err


def test_its_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Example: python -m embeddings.process --socket" in capsys.readouterr().out


def test_a_living_embedders_place_is_not_taken(tmp_path: Path, exact: Encoder) -> None:
    path = tmp_path / "e.sock"
    with Embedder(path, exact), pytest.raises(EmbeddingError, match="already listens"):
        Embedder(path, exact)


def test_a_file_at_its_place_is_not_removed(tmp_path: Path, exact: Encoder) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(EmbeddingError, match="a file and no socket"):
        Embedder(path, exact)
    assert path.read_text() == "keep me"


def test_a_path_too_long_for_a_socket_is_refused_with_a_sentence(tmp_path: Path, exact: Encoder) -> None:
    with pytest.raises(EmbeddingError, match="name a short path"):
        Embedder(tmp_path / ("long" * 40), exact)


def test_a_request_that_makes_no_sense_closes_its_connection_alone(tmp_path: Path, exact: Encoder) -> None:
    path = tmp_path / "e.sock"
    with Embedder(path, exact) as embedder, socket.socket(socket.AF_UNIX) as nonsense:
        threading.Thread(target=embedder.serve_forever, daemon=True).start()
        nonsense.connect(str(path))
        nonsense.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        with EmbedderLink.connect(path, 10) as link:
            assert len(link.embed(["a cat"], 30)) == 1
        embedder.shutdown()


def test_many_signals_stop_it_as_one_and_its_socket_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    process = subprocess.Popen([sys.executable, "-m", "embeddings.process", "--socket", str(path)])
    try:
        EmbedderLink.connect(path, 60).close()
        for _ in range(50):
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not path.exists()
    finally:
        process.kill()
        process.wait()
