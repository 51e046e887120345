"""The link, against a real embedder process."""

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embeddings.encoder import Encoder
from embeddings.errors import EmbedderUnavailable
from embeddings.link import EmbedderLink, start_embedder, vectors_schema

LOADING_S = 120.0
TEXTS = ["a cat sleeps", "the stock market fell", "kittens"]
LONG = [f"the long story number {i} " * 200 for i in range(200)]


Embedder = tuple[subprocess.Popen[bytes], Path]
"""A process, and its socket."""


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    path = tmp_path_factory.mktemp("embedder") / "e.sock"
    with start_embedder(path, log_path=path.with_suffix(".log")) as process:
        EmbedderLink.connect(path, LOADING_S).close()
        yield process, path
        process.terminate()


@pytest.fixture
def socket_path(embedder: Embedder) -> Path:
    return embedder[1]


@pytest.fixture
def link(socket_path: Path) -> Iterator[EmbedderLink]:
    with EmbedderLink.connect(socket_path, 10) as connected:
        yield connected


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbedderLink, Path]]:
    """A link to an embedder that was killed since, and what was its socket."""
    path = tmp_path_factory.mktemp("killed") / "e.sock"
    with start_embedder(path) as process, EmbedderLink.connect(path, LOADING_S) as link:
        process.kill()
        process.wait()
        yield link, path


def test_the_embedder_states_its_model_and_dimension(link: EmbedderLink, chosen: Encoder) -> None:
    assert (link.model, link.dimension) == (chosen.name, chosen.dimension)


def test_vectors_are_the_encoders_in_half_precision(link: EmbedderLink, chosen: Encoder) -> None:
    vectors = link.embed(TEXTS, 30)
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors, chosen.encode(TEXTS), atol=2e-3)


def test_a_link_answers_again_and_again(link: EmbedderLink) -> None:
    first = link.embed(TEXTS, 30)
    assert link.embed([], 30).shape == (0, link.dimension)
    np.testing.assert_array_equal(link.embed(TEXTS, 30), first)


def test_threads_on_one_link_get_their_own_answers(link: EmbedderLink) -> None:
    wanted = {text: link.embed([text], 30) for text in TEXTS}
    answers: dict[str, list[float]] = {}
    threads = [
        threading.Thread(target=lambda t=text: answers.update({t: link.embed([t], 30).tolist()}))
        for text in TEXTS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: vector.tolist() for text, vector in wanted.items()}


def test_links_are_answered_side_by_side(socket_path: Path, link: EmbedderLink) -> None:
    with EmbedderLink.connect(socket_path, 10) as other:
        np.testing.assert_array_equal(other.embed(TEXTS, 30), link.embed(TEXTS, 30))


def test_an_empty_text_is_refused_and_the_link_lives_on(link: EmbedderLink) -> None:
    with pytest.raises(ValueError, match="text 1 is empty"):
        link.embed(["a photo", ""], 30)
    assert len(link.embed(TEXTS, 30)) == len(TEXTS)


def test_only_the_owner_may_connect(socket_path: Path) -> None:
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600


def test_a_late_answer_is_an_error_within_its_time(link: EmbedderLink) -> None:
    began = time.monotonic()
    with pytest.raises(EmbedderUnavailable, match=r"did not answer within 0\.05 s"):
        link.embed(LONG, 0.05)
    assert time.monotonic() - began < 5


def test_a_link_after_a_late_answer_stays_closed(link: EmbedderLink) -> None:
    with pytest.raises(EmbedderUnavailable):
        link.embed(LONG, 0.05)
    with pytest.raises(EmbedderUnavailable, match="connect again"):
        link.embed(TEXTS, 30)


def test_nobody_listening_is_an_error_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"python -m embeddings\.process --socket"):
        EmbedderLink.connect(tmp_path / "none.sock", 0.1)


def test_a_killed_embedder_is_an_error(cut: tuple[EmbedderLink, Path]) -> None:
    with pytest.raises(EmbedderUnavailable, match="the embedder ended"):
        cut[0].embed(TEXTS, 30)


def test_a_new_embedder_takes_the_place_of_a_killed_one(cut: tuple[EmbedderLink, Path]) -> None:
    with start_embedder(cut[1]) as second, EmbedderLink.connect(cut[1], LOADING_S) as link:
        assert len(link.embed(TEXTS, 30)) == len(TEXTS)
        second.kill()


def test_what_computes_steps_back_once_loaded(embedder: Embedder, link: EmbedderLink) -> None:
    link.embed(["a long story " * 200, *TEXTS], LOADING_S)  # what steps back waits for others
    threads = [int(task.name) for task in Path(f"/proc/{embedder[0].pid}/task").iterdir()]
    steps = [os.getpriority(os.PRIO_PROCESS, thread) - os.nice(0) for thread in threads]
    assert steps.count(10) == 2


def test_the_embedder_ends_when_its_parent_does(tmp_path: Path) -> None:
    code = (
        "import sys; from embeddings.link import *; p = start_embedder(sys.argv[1]);"
        f"EmbedderLink.connect(sys.argv[1], {LOADING_S}); print(p.pid, flush=True); import os; os._exit(0)"
    )
    asked = [sys.executable, "-c", code, str(tmp_path / "e.sock")]
    parent = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert _ends(int(parent.stdout), within_s=10)


def test_the_link_imports_neither_torch_nor_the_encoder() -> None:
    code = "import sys, embeddings.link; sys.exit(bool({'torch', 'embeddings.encoder'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _ends(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            # An orphan that nobody reaps stays as a zombie: ended all the same.
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    "told", [{}, {"model": "m"}, {"model": "m", "dimension": "nan"}, {"model": "m", "dimension": "-1"}]
)
def test_what_does_not_speak_as_an_embedder_is_none(tmp_path: Path, told: dict[str, str]) -> None:
    def speak() -> None:
        connection, _ = one.accept()
        with connection:
            connection.sendall(vectors_schema("m", 4).with_metadata(told).serialize())
            connection.recv(4_096)

    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "e.sock"))
        one.listen()
        threading.Thread(target=speak).start()
        with pytest.raises(EmbedderUnavailable, match="no embedder answers"):
            EmbedderLink.connect(tmp_path / "e.sock", 0.05)
