"""The embedder: a process of its own that turns texts into unit vectors.

    python -m embeddings.process --socket /run/feedrank/embedder.sock

It loads its model, then listens, so that a connection means ready. `embeddings.link` says what is spoken.
The OpenMP runtimes of torch, FAISS and LightGBM quarrel in one process, so the server imports the link. Once
loaded, its threads step back where others want a core: a post can wait for its vector, a reader of a
timeline can't.
"""

import argparse
import logging
import os
import signal
import socket
import socketserver
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

import numpy as np
import pyarrow as pa

from embeddings.encoder import Encoder, load_encoder, workers
from embeddings.errors import EmbeddingError
from embeddings.link import vectors_schema

_log = logging.getLogger("embeddings.process")

_NICE = 10


class Embedder(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A socket server around one encoder, with a thread a connection; answers keep a connection's order."""

    daemon_threads = True

    def __init__(self, socket_path: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.schema = vectors_schema(encoder.name, encoder.dimension)
        _clear(socket_path)
        # No one else may connect, from the first moment on.
        before = os.umask(0o177)
        try:
            super().__init__(str(socket_path), _Conversation)
        except OSError as error:
            raise EmbeddingError(
                f"cannot listen at {socket_path}: {error}; name a short path in a folder of your own"
            ) from error
        finally:
            os.umask(before)

    def answer(self, texts: list[str]) -> pa.RecordBatch:
        """The vectors of texts, as it goes on the wire."""
        flat = pa.array(self.encoder.encode(texts).astype(np.float16).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(flat, self.encoder.dimension)
        return pa.record_batch([vectors], schema=self.schema)


class _Conversation(socketserver.StreamRequestHandler):
    server: Embedder

    def handle(self) -> None:
        try:
            self.wfile.write(self.server.schema.serialize())
            for batch in pa.ipc.open_stream(self.rfile):
                self.wfile.write(self.server.answer(batch.column("text").to_pylist()).serialize())
        except (OSError, pa.ArrowInvalid) as error:
            _log.info("a connection ended: %s", error)
        except Exception:
            _log.exception("a request could not be answered; its connection is closed")


def serve(socket_path: Path, encoder: Encoder, stop: Event) -> None:
    """Answer until `stop` is set. The socket is there (mode 0600) only as long."""
    with Embedder(socket_path, encoder) as embedder:
        Thread(target=embedder.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        _log.info("%s in %s listens at %s", encoder.name, encoder.precision, socket_path)
        stop.wait()
        socket_path.unlink(missing_ok=True)
        embedder.shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the embedder until SIGTERM, SIGINT or, where asked, the end of stdin."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.threads < 1:
        parser.error("--threads must be 1 or more")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop, told = Event(), SimpleQueue[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.put(number))
    Thread(target=_pass_on, args=(told, stop), daemon=True).start()
    if asked.exit_with_stdin:
        Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    try:
        encoder = load_encoder(asked.model, revision_sha256=asked.sha256, threads=asked.threads)
        encoder.pool = workers(asked.threads, _NICE)
        serve(asked.socket, encoder, stop)
    except EmbeddingError as error:
        parser.error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m embeddings.process",
        description="Turn texts into unit vectors, for whoever connects to a Unix socket.",
        epilog="Example: python -m embeddings.process --socket /tmp/embedder.sock --threads 2",
    )
    add = parser.add_argument
    add("--socket", type=Path, required=True, help="where to listen; the file's mode is 0600")
    add("--model", default="bundled", help='"bundled" (the default), a folder, or a name on the hub')
    add("--sha256", help="the SHA-256 that the model's weights must have")
    add("--threads", type=int, default=2, help="micro-batches side by side, a core each (default 2)")
    add("--exit-with-stdin", action="store_true", help="end when stdin closes, as when the parent ends")
    return parser


def _pass_on(told: SimpleQueue[int], stop: Event) -> None:
    """Set `stop` at the first signal. A signal's own handler must not: the lock of an Event may be held."""
    told.get()
    stop.set()


def _clear(socket_path: Path) -> None:
    """Remove the socket of an embedder that is gone; refuse to take a living one's place."""
    if not socket_path.exists():
        return
    if not stat.S_ISSOCK(socket_path.stat().st_mode):
        raise EmbeddingError(f"{socket_path} is a file and no socket; name another path")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(socket_path))
        except ConnectionRefusedError:
            socket_path.unlink()
            return
    raise EmbeddingError(f"an embedder already listens at {socket_path}; stop it, or name another path")


def _wait_for_end(stop: Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    if stop.is_set():
        return
    _log.info("stdin closed: the parent is gone")
    stop.set()


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Connection threads may be inside torch, which does not survive the interpreter's teardown beside them.
    os._exit(code)
