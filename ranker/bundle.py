"""Model bundles: a folder `<models>/<version>/` with `manifest.json` and `forest.npz`.

The manifest carries everything needed to believe the model; the arrays are plain NumPy arrays without
pickle. Nothing in a bundle is trusted: `load` checks the hash, the manifest's schema, the structure of the
trees, and that the model was trained on the features that this server computes. Bundles are written by
`training.bundles`.
"""

import hashlib
import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError

from ranker.errors import BundleError
from ranker.trees import REPAIR, Doubles, Forest, Singles, forest_arrays, probabilities, raw_scores

MANIFEST = "manifest.json"
FOREST = "forest.npz"
MAX_BYTES = 1 << 30
"""Size of the arrays in memory, at most: a small file can claim to be a large one."""

# What zipfile and np.load raise on bytes that are no archive of arrays.
_UNREADABLE = (
    EOFError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Name = Annotated[str, Field(min_length=1, max_length=256)]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadFacts(_Frozen):
    """What one head was trained on, and its calibration."""

    name: Name
    """The head's name, as the server declares it."""
    a: FiniteFloat = 1.0
    """Slope of the calibration: the probability is sigmoid(a * raw + b)."""
    b: FiniteFloat = 0.0
    """Intercept of the calibration."""
    examples: NonNegativeInt
    """Rows that the head was trained on."""
    positives: NonNegativeInt
    """Rows among them whose label is 1."""


class Facts(_Frozen):
    """Where a model comes from and how good it is: what training knows when it saves a bundle."""

    version: Version
    """The model's name, and its folder's."""
    created_ms: NonNegativeInt
    """When it was trained, milliseconds UTC."""
    features: tuple[Name, ...]
    """Names of the columns of a row, in order."""
    heads: tuple[HeadFacts, ...] = Field(min_length=1)
    """In the order of the forest."""
    from_ms: int
    """Begin of the examples' time window, milliseconds UTC."""
    to_ms: int
    """Its end, not included."""
    seed: int
    """The seed of the training."""
    metrics: dict[Name, FiniteFloat]
    """Figures of the evaluation, by name."""
    data_licence: str
    """Licence of the data that the model was trained on."""


class Manifest(Facts):
    """The file `manifest.json`."""

    format: Literal[1]
    """Version of this layout."""
    libraries: dict[Name, Name]
    """Versions of the libraries that trained it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Hash of forest.npz, in hex."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified model, ready to score. `load` makes one."""

    manifest: Manifest
    forest: Forest
    head_names: tuple[str, ...]
    """The heads that the server declares, in order; the model may lack some of them."""

    @property
    def version(self) -> str:
        """The model's name."""
        return self.manifest.version

    def probabilities(self, rows: Singles) -> Doubles:
        """Calibrated probabilities: float64 (n, len(head_names)), for rows of float32 (n, features).

        A head that the model lacks has probability 0 everywhere, so it adds nothing to a weighted sum.
        ValueError when the rows have another dtype or number of columns.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.manifest.features):
            columns = len(self.manifest.features)
            raise ValueError(
                f"rows have shape {rows.shape}, not (n, {columns}): build them with the bundle's features"
            )
        answer = np.zeros((len(rows), len(self.head_names)))
        answer[:, self._columns] = probabilities(raw_scores(self.forest, rows), self._calibration)
        return answer

    @property
    def _columns(self) -> list[int]:
        return [self.head_names.index(head) for head in self.forest.heads]

    @property
    def _calibration(self) -> Doubles:
        return np.array([(head.a, head.b) for head in self.manifest.heads])


@dataclass(frozen=True)
class Listing:
    """One folder among the models."""

    version: str
    """The folder's name."""
    manifest: Manifest | None
    """None when it can't be read."""
    problem: str
    """Why it can't be loaded, in a sentence; empty when nothing is known against it."""


def load(folder: Path, feature_names: Sequence[str], head_names: Sequence[str]) -> Bundle:
    """The bundle in `folder`, verified against the server's features and heads, and ready for its first row.

    The features must be the server's in the same order; the heads may be some of the server's. BundleError,
    whose sentence names what is wrong, when the bundle is damaged or made for another server.
    """
    manifest, content = _read(folder)
    _verify_features(manifest, feature_names)
    _verify_heads(manifest, head_names)
    forest = Forest(heads=tuple(head.name for head in manifest.heads), **_arrays(content))
    if forest.width > len(manifest.features):
        raise BundleError(
            f"the trees test feature {forest.width - 1}, which has no name in the manifest: {REPAIR}"
        )
    bundle = Bundle(manifest, forest, tuple(head_names))
    bundle.probabilities(
        np.zeros((1, len(manifest.features)), np.float32)
    )  # compiles before the first request
    return bundle


def list_bundles(models: Path) -> list[Listing]:
    """All bundles in a folder, the newest first, those without a readable manifest last.

    Checks the manifest and the hash. The trees and the features are checked by `load`. A folder that does
    not exist holds no bundles; hidden folders are bundles that are being written.
    """
    if not models.is_dir():
        return []
    folders = [folder for folder in models.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return sorted(map(_listing, folders), key=_newest_first)


def _newest_first(listing: Listing) -> tuple[int, str]:
    return (-listing.manifest.created_ms if listing.manifest else 1, listing.version)


def _listing(folder: Path) -> Listing:
    manifest = None
    try:
        manifest = _manifest(folder)
        _forest_bytes(folder, manifest)
    except BundleError as error:
        return Listing(folder.name, manifest, str(error))
    return Listing(folder.name, manifest, "")


def _read(folder: Path) -> tuple[Manifest, bytes]:
    manifest = _manifest(folder)
    return manifest, _forest_bytes(folder, manifest)


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(_file(folder, MANIFEST))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{MANIFEST} of {folder.name}: {field}: {first['msg']}: {REPAIR}") from error
    if manifest.version != folder.name:
        raise BundleError(f"the folder {folder.name} holds the model {manifest.version}: rename the folder")
    return manifest


def _forest_bytes(folder: Path, manifest: Manifest) -> bytes:
    content = _file(folder, FOREST)
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise BundleError(f"{FOREST} of {folder.name} is not the file that the manifest describes: {REPAIR}")
    return content


def _file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        reason = error.strerror or "it can't be read"
        raise BundleError(f"{name} of the model {folder.name}: {reason}: {REPAIR}") from error


def _arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The forest's arrays by name; no more and no fewer."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise BundleError(
                f"{FOREST} unpacks to {size} bytes, more than {MAX_BYTES}: train a smaller model"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except _UNREADABLE as error:
        raise BundleError(f"{FOREST} does not hold plain arrays ({error}): {REPAIR}") from error
    if arrays.keys() != forest_arrays().keys():
        raise BundleError(
            f"{FOREST} holds the arrays {_names(arrays)}, not {_names(forest_arrays())}: {REPAIR}"
        )
    return arrays


def _verify_features(manifest: Manifest, names: Sequence[str]) -> None:
    if manifest.features == tuple(names):
        return
    missing = [name for name in names if name not in manifest.features]
    unknown = [name for name in manifest.features if name not in names]
    found = [f"it lacks {_names(missing)}"] if missing else []
    found += [f"it needs {_names(unknown)}, which this server does not compute"] if unknown else []
    found = found or ["they are the same names in another order"]
    repair = "train a new bundle with this version of feedrank, or run the version that trained this one"
    raise BundleError(f"the model {manifest.version} has other features: {' and '.join(found)}: {repair}")


def _verify_heads(manifest: Manifest, names: Sequence[str]) -> None:
    unknown = [head.name for head in manifest.heads if head.name not in names]
    if unknown:
        repair = "train without them, or run the version that declares them"
        raise BundleError(f"the model {manifest.version} predicts unknown heads: {_names(unknown)}: {repair}")


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
