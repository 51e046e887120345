"""The link to the embedder process. It imports neither torch nor the encoder.

Both sides speak Arrow IPC streams over a Unix socket. The embedder speaks first: a schema whose metadata
names the model (`model`) and its dimension (`dimension`). Then each record batch with a column `text`
(string, nothing empty) is answered, in order, by one with a column `vector` (float16, a fixed-size list of
unit length a row). An embedder that cannot answer closes the connection and says why in its log.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable
from embeddings.texts import reject_empty

TEXTS = pa.schema([pa.field("text", pa.string(), nullable=False)])
"""What the embedder is asked."""

_RETRY_S = 0.05
# A socket takes a timeout of 0 for "do not wait", which is another mode.
_LEAST_S = 0.001


def vectors_schema(model: str, dimension: int) -> pa.Schema:
    """What the embedder answers, and says first."""
    vector = pa.field("vector", pa.list_(pa.float16(), dimension), nullable=False)
    return pa.schema([vector], metadata={"model": model, "dimension": str(dimension)})


class EmbedderLink:
    """One connection to the embedder; `connect` makes it. Threads that share it take turns.

    `model` is the embedder's model, such as "all-MiniLM-L6-v2@53aa51172d14", and `dimension` the numbers in
    a vector. After EmbedderUnavailable close the link and connect again.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._turn = Lock()
        self._incoming = connection.makefile("rb")
        self._answers = pa.ipc.open_stream(self._incoming)
        connection.sendall(TEXTS.serialize())
        said = self._answers.schema.metadata
        self.model: str = said[b"model"].decode()
        self.dimension = int(said[b"dimension"])
        if self._answers.schema != vectors_schema(self.model, self.dimension):
            raise ValueError("it does not say that it answers with vectors of its dimension")

    @classmethod
    def connect(cls, socket_path: Path | str, timeout_s: float) -> Self:
        """Connect, waiting up to `timeout_s` for an embedder that is still loading its model."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return cls._opened(str(socket_path), deadline - time.monotonic())
            except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, OverflowError) as error:
                if time.monotonic() + _RETRY_S >= deadline:
                    raise EmbedderUnavailable(
                        f"no embedder answers at {socket_path} after {timeout_s:g} s; see its log, or start "
                        f"one: python -m embeddings.process --socket {socket_path}"
                    ) from error
                time.sleep(_RETRY_S)

    def embed(self, texts: Sequence[str], timeout_s: float) -> NDArray[np.float16]:
        """Unit vectors, (len(texts), dimension), in the order of the texts; a new array.

        A text without a word (empty or white space) is a ValueError, and nothing is sent. The time is for the
        turn on the link, for sending and for the answer. Raises EmbedderUnavailable when the embedder ended
        or was late; an answer that comes later is lost.
        """
        reject_empty(texts)
        request = pa.record_batch([pa.array(texts, pa.string())], schema=TEXTS).serialize()
        deadline = time.monotonic() + timeout_s
        if not self._turn.acquire(timeout=timeout_s):
            raise EmbedderUnavailable(f"the embedder was busy for {timeout_s:g} s; try again with more time")
        try:
            flat = self._answer(request, deadline).flatten().to_numpy(zero_copy_only=False)
            vectors: NDArray[np.float16] = flat.reshape(len(texts), self.dimension).copy()
            return vectors
        except (OSError, StopIteration, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            self.close()
            raise EmbedderUnavailable(
                f"the embedder ended or did not answer within {timeout_s:g} s; see its log and connect again"
            ) from error
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._incoming.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def _opened(cls, socket_path: str, timeout_s: float) -> Self:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(timeout_s, _LEAST_S))
            connection.connect(socket_path)
            return cls(connection)
        except BaseException:
            connection.close()
            raise

    def _answer(self, request: pa.Buffer, deadline: float) -> pa.FixedSizeListArray:
        self._connection.settimeout(max(deadline - time.monotonic(), _LEAST_S))
        self._connection.sendall(request)
        self._connection.settimeout(max(deadline - time.monotonic(), _LEAST_S))
        return self._answers.read_next_batch().column("vector")


def start_embedder(
    socket_path: Path | str,
    model: str = "bundled",
    threads: int = 2,
    log_path: Path | str = os.devnull,
    sha256: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start the embedder with this Python; it ends when this process does.

    The embedder loads its model (seconds), then listens: `EmbedderLink.connect` waits for that. Its log is
    appended to `log_path`. It ends when its stdin closes, so keep the Popen; `terminate()` ends it as well.
    """
    command = [sys.executable, "-m", "embeddings.process", "--exit-with-stdin"]
    command += ["--socket", str(socket_path), "--model", model, "--threads", str(threads)]
    command += ["--sha256", sha256] if sha256 else []
    with open(log_path, "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
