"""The vectorizer: has the embedder make the vectors that posts still lack, and journals them.

Posts are in their followers' timelines before their vector is there. What waits is a column of the state, so
a restart goes on where it was.
"""

import threading
from pathlib import Path
from subprocess import Popen

import numpy as np
import structlog
from feedrank.journal.v1 import journal_pb2
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from embeddings.errors import EmbedderUnavailable
from embeddings.link import EmbedderLink, start_embedder
from ranker.board import Board
from ranker.errors import JournalUnavailable
from ranker.journal import Journal, now_ms
from ranker.sockets import private_socket
from ranker.state import NONE, State
from ranker.state.columns import Slots

log = structlog.get_logger()

_IDLE_S = 0.02
_RESTART_S = 1.0
_LONGEST_PAUSE_S = 30.0
"""Between tries, when one after the other fails."""
_PATIENCE_S = 0.5
_TRIES = 3
"""So often a post that fails by itself is tried, before the rest goes on without it."""


class EmbedderSettings(BaseModel, frozen=True, extra="forbid"):
    """The embedder process and its model."""

    enabled: bool = Field(True, description="Without it, only posts that bring a vector are found by vector.")
    model: str = Field(
        "bundled",
        description="A sentence-transformers name, a local folder, or the bundled all-MiniLM-L6-v2.",
    )
    sha256: str = Field("", description="The SHA-256 that the model's weights must have; empty for any.")
    dimension: int = Field(384, ge=4, le=4096, description="Numbers in a vector; a multiple of 4.")
    threads: int = Field(2, ge=1, description="Cores that the embedder process uses when the rest is idle.")
    batch_posts: int = Field(256, ge=1, le=1000, description="Posts sent to the embedder at a time.")
    timeout_s: float = Field(300, gt=0, description="For one batch.")


class Vectorizer:
    """A thread beside the fold that keeps the embedder busy."""

    def __init__(
        self, state: State, journal: Journal, settings: EmbedderSettings, folder: Path, board: Board
    ) -> None:
        """`board`: where all workers are told whether the embedder is there."""
        self.settings = settings
        self.model = ""
        self._board = board
        self._state = state
        self._journal = journal
        self._folder = folder
        self._process: Popen[bytes] | None = None
        self._link: EmbedderLink | None = None
        self._asked: dict[str, int] = {}
        self._most = settings.batch_posts
        self._pause_s = _RESTART_S
        self._failed: dict[str, list[int]] = {}
        """The text of a post that failed by itself, as a hash, once for each time."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vectorizer", daemon=True)

    def start(self) -> None:
        """Start the embedder and begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the embedder and end."""
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread.is_alive():
            self._thread.join()
        if self._process is not None:
            self._process.terminate()  # the thread may have started another one meanwhile
            self._process.wait()

    @property
    def ready(self) -> bool:
        """Whether the embedder answers."""
        return self._link is not None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._connect()
                while not self._stop.is_set():
                    if not self._make_vectors():
                        self._refuse_if_ended()
                        self._stop.wait(_IDLE_S)
            except (EmbedderUnavailable, JournalUnavailable) as error:
                self._lost(error)
            except Exception as error:
                log.exception("vectorizer_failed")
                self._lost(error)

    def _connect(self) -> None:
        socket = private_socket(self._folder, "embedder.sock")
        if self._process is None or self._process.poll() is not None:
            self._process = start_embedder(
                socket,
                self.settings.model,
                self.settings.threads,
                self._folder / "embedder.log",
                self.settings.sha256 or None,
            )
        self._link = self._patient_link(socket, self._process)
        self.model = self._link.model
        if self._link.dimension != self.settings.dimension:
            raise EmbedderUnavailable(
                f"the model's vectors have {self._link.dimension} numbers, the setting says "
                f"{self.settings.dimension}: set embedder.dimension in a fresh data folder"
            )
        self._board.embedder_lost, self._pause_s = False, _RESTART_S
        log.info("embedder_ready", model=self.model)

    def _refuse_if_ended(self) -> None:
        """An embedder that ended is missed before the next post comes."""
        if self._process is not None and self._process.poll() is not None:
            raise EmbedderUnavailable(f"the embedder ended: read {self._folder / 'embedder.log'}")

    def _patient_link(self, socket: Path, process: "Popen[bytes]") -> EmbedderLink:
        """The link, once the embedder has loaded its model; gives up when it ended or is not wanted."""
        while True:
            try:
                return EmbedderLink.connect(socket, _PATIENCE_S)
            except EmbedderUnavailable:
                if self._stop.is_set() or process.poll() is not None:
                    raise

    def _make_vectors(self) -> bool:
        """Embed one batch of what waits; False when nothing does."""
        with self._state.turn.read():
            slots = self._waiting()
            texts = [self._text(slot) for slot in slots]
            ids = [self._state.post_ids.names[slot] for slot in slots]
            hashes = self._state.posts.text_hash[slots].tolist()
        if not ids or self._link is None:
            return False
        try:
            vectors = self._link.embed(texts, self.settings.timeout_s)
        except Exception:
            self._ask_for_less(ids, hashes)
            raise
        self._most = min(2 * self._most, self.settings.batch_posts)
        self._enter(ids, hashes, vectors)
        self._asked = dict(zip(ids, hashes, strict=True))
        return True

    def _enter(self, ids: list[str], hashes: list[int], vectors: NDArray[np.floating]) -> None:
        """Journal the vectors of posts that are still known: an erased author's must not come back."""
        with self._state.turn.read():
            known = np.flatnonzero(self._state.post_ids.slots(ids) != NONE)
        made = journal_pb2.Vectors(
            model=self.model,
            post_ids=[ids[i] for i in known],
            float16=vectors[known].astype("<f2").tobytes(),
            text_hashes=[hashes[i] for i in known],
        )
        if len(known):
            self._journal.append(journal_pb2.Entry(time_ms=now_ms(), vectors=made))

    def _ask_for_less(self, ids: list[str], hashes: list[int]) -> None:
        """After a failure: half as much, until the post that can't be embedded is alone, and is left out."""
        self._most = max(len(ids) // 2, 1)
        if len(ids) == 1:
            failures = self._failed.setdefault(ids[0], [])
            failures.append(hashes[0])
            if failures.count(hashes[0]) == _TRIES:
                log.error("post_not_embedded", text_hash=hashes[0], tries=_TRIES)
        if self._process is not None:
            self._process.kill()  # it may still be at it, and nobody waits for that any more
            self._process.wait()

    def _waiting(self) -> Slots:
        """The newest posts that wait, without the last batch, whose vectors may not be folded yet."""
        posts = self._state.posts
        waiting = np.flatnonzero(posts.awaits_vector[: posts.size])[::-1]
        names = self._state.post_ids.names
        few = waiting[: self._most + len(self._asked) + len(self._failed)].tolist()
        fresh = [slot for slot in few if self._is_due(names[slot], int(posts.text_hash[slot]))]
        return np.array(fresh[: self._most], np.int32)

    def _is_due(self, name: str, text_hash: int) -> bool:
        tried = self._failed.get(name, []).count(text_hash)
        return self._asked.get(name) != text_hash and tried < _TRIES

    def _text(self, slot: int) -> str:
        posts = self._state.posts
        parts = (posts.text[slot].tobytes(), posts.media_text[slot].tobytes())
        return "\n".join(part.decode() for part in parts if part)

    def _lost(self, error: Exception) -> None:
        if self._link is not None:
            self._link.close()
        self._link, self._asked = None, {}
        if not self._stop.is_set():
            self._board.embedder_lost |= not isinstance(error, JournalUnavailable)
            log.warning("embedder_lost", reason=str(error), again_s=self._pause_s)
        self._stop.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
