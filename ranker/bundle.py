"""Model bundles: a folder `<models>/<version>/` with `manifest.json` and `forest.npz`.

The manifest carries everything needed to believe the model; the arrays are plain NumPy arrays without
pickle. Nothing in a bundle is trusted: `load` checks the hash, the manifest's schema, the structure of the
trees, and that the model was trained on the features that this server computes. Bundles are written by
`training.bundles`.
"""

import hashlib
import io
import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    Field,
    FiniteFloat,
    JsonValue,
    NonNegativeInt,
    ValidationError,
)

from ranker.calibration import Calibration, Chains, Platt, chains, probabilities
from ranker.errors import BundleError
from ranker.heads import Prediction, weights
from ranker.privacy.gone import Gone
from ranker.seen import People, PeopleFacts, mark, mark_of
from ranker.tree_kernel import raw_scores
from ranker.tree_steps import Steps, steps_of
from ranker.trees import REPAIR, Doubles, Forest, Singles, forest_arrays, no_categories

MANIFEST = "manifest.json"
FOREST = "forest.npz"
FORMAT = 3
OLDEST = 2
"""The oldest format that is still read: its forests have no categorical nodes."""
RANKING = "ranking"
"""The name of the ranking part among the forest's heads."""
MAX_BYTES = 1 << 30
"""Size of the arrays in memory, at most: a small file can claim to be a large one."""

# What zipfile and np.load raise on bytes that are no archive of arrays.
_UNREADABLE = (
    EOFError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Name = Annotated[str, Field(min_length=1, max_length=256)]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class _Format(BaseModel):
    format: int


class HeadFacts(BaseModel, frozen=True, extra="forbid"):
    """What one head was trained on, and its calibration."""

    name: Name
    """The head's name, as the server declares it."""
    calibration: Calibration = Platt()
    """From the raw score to the probability."""
    examples: NonNegativeInt
    """Rows that the head was trained on."""
    positives: NonNegativeInt
    """Rows among them whose label is 1."""
    trees: NonNegativeInt = 0
    """Trees of one seed; 0 where it was not noted."""


class RankingFacts(BaseModel, frozen=True, extra="forbid"):
    """The part that learned the order of posts as such, and how much of the value comes from it."""

    a: FiniteFloat = Field(gt=0)
    """Slope from its raw score to a value in the unit of the heads' weights."""
    b: FiniteFloat
    """Intercept of the same line."""
    share: FiniteFloat = Field(ge=0, le=1)
    """The value is share * (a * raw + b) + (1 - share) * the weighted sum of the heads."""
    weights: dict[Name, FiniteFloat]
    """The heads' weights that it was trained for."""
    trees: NonNegativeInt
    """Trees of one seed."""


class Facts(BaseModel, frozen=True, extra="forbid"):
    """Where a model comes from and how good it is: what training knows when it saves a bundle."""

    version: Version
    """The model's name, and its folder's."""
    created_ms: NonNegativeInt
    """When it was trained, milliseconds UTC."""
    features: tuple[Name, ...]
    """Names of the columns of a row, in order."""
    heads: tuple[HeadFacts, ...] = Field(min_length=1)
    """In the order of the forest."""
    ranking: RankingFacts | None = None
    """None where the value is the weighted sum of the heads."""
    left_out: dict[Name, str] = {}
    """Heads that were not trained, with the reason."""
    from_ms: int
    """Begin of the examples' time window, milliseconds UTC."""
    to_ms: int
    """Its end, not included."""
    examples: NonNegativeInt = 0
    """Rows of the example set, before any was held back."""
    examples_sha256: str = ""
    """Hash of the example set, in hex; empty where it was not noted."""
    examples_from: str = ""
    """Where the example set lay: a hint for people."""
    people: PeopleFacts | None = None
    """Of those whose rows it learned from; None where that was not noted."""
    seed: int
    """The first seed of the training."""
    knobs: dict[Name, JsonValue] = {}
    """All that was turned: with the example set, what it takes to train the same model again."""
    position: str = ""
    """How the place that a post was shown at was dealt with."""
    metrics: dict[Name, FiniteFloat]
    """Figures of the evaluation, by name."""
    data_licence: str
    """Licence of the data that the model was trained on."""


class Manifest(Facts):
    """The file `manifest.json`."""

    format: Literal[2, 3]
    """Version of this layout."""
    libraries: dict[Name, Name]
    """Versions of the libraries that trained it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Hash of forest.npz, in hex."""


@dataclass(frozen=True, eq=False)
class Model:
    """Trees and calibrations that score rows. The forest has the heads of `heads`, then RANKING if any."""

    forest: Forest
    heads: tuple[HeadFacts, ...]
    ranking: RankingFacts | None
    width: int
    """Columns of a row."""
    head_names: tuple[str, ...]
    """The heads that the server declares, in order; the model may lack some of them."""

    def predict(self, rows: Singles) -> Prediction:
        """Calibrated probabilities in the order of `head_names`, and values.

        The rows are float32 (n, features). A head that the model lacks has probability 0 everywhere, so it
        adds nothing to a weighted sum.
        ValueError when the rows have another dtype or number of columns.
        """
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(
                f"rows have shape {rows.shape}, not (n, {self.width}): build them with the bundle's features"
            )
        raw = raw_scores(self._steps, rows)
        chances = probabilities(raw[:, : len(self.heads)], self._chains)
        if self._columns != [*range(len(self.head_names))]:
            known, chances = chances, np.zeros((len(rows), len(self.head_names)))
            chances[:, self._columns] = known
        return Prediction(chances, self._value(chances, raw))

    def _value(self, chances: Doubles, raw: Doubles) -> Doubles:
        value: Doubles = chances @ self._weights
        if (ranking := self.ranking) is None:
            return value
        return ranking.share * (ranking.a * raw[:, -1] + ranking.b) + (1 - ranking.share) * value

    @cached_property
    def _steps(self) -> Steps:
        return steps_of(self.forest)

    @cached_property
    def _columns(self) -> list[int]:
        return [self.head_names.index(head.name) for head in self.heads]

    @cached_property
    def _chains(self) -> Chains:
        return chains([head.calibration for head in self.heads])

    @cached_property
    def _weights(self) -> Doubles:
        return np.array([weights()[name] for name in self.head_names])


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified model, ready to score. `load` makes one."""

    manifest: Manifest
    model: Model

    @property
    def version(self) -> str:
        """The model's name."""
        return self.manifest.version

    @property
    def forest(self) -> Forest:
        """The model's trees."""
        return self.model.forest

    def predict(self, rows: Singles) -> Prediction:
        """See `Model.predict`."""
        return self.model.predict(rows)


def forest_heads(facts: Facts) -> tuple[str, ...]:
    """The forest's heads, in order: those that are predicted, then RANKING where there is one."""
    names = tuple(head.name for head in facts.heads)
    return names if facts.ranking is None else (*names, RANKING)


@dataclass(frozen=True)
class Listing:
    """One folder among the models."""

    version: str
    """The folder's name."""
    manifest: Manifest | None
    """None when it can't be read."""
    problem: str
    """Why it can't be loaded, in a sentence; empty when nothing is known against it."""
    saw_erased: int = 0
    """People who were erased since, whom it saw."""


def load(folder: Path, feature_names: Sequence[str], head_names: Sequence[str]) -> Bundle:
    """The bundle in `folder`, verified against the server's features and heads, and ready for its first row.

    The features must be the server's in the same order; the heads may be some of the server's. BundleError,
    whose sentence names what is wrong, when the bundle is damaged or made for another server.
    """
    manifest, content = _read(folder)
    _verify_features(manifest, feature_names)
    _verify_heads(manifest, head_names)
    forest = Forest(heads=forest_heads(manifest), **_arrays(content, manifest.format))
    if forest.width > len(manifest.features):
        raise BundleError(
            f"the trees test feature {forest.width - 1}, which has no name in the manifest: {REPAIR}"
        )
    model = Model(forest, manifest.heads, manifest.ranking, len(manifest.features), tuple(head_names))
    model.predict(np.zeros((1, model.width), np.float32))  # compiles before the first request
    return Bundle(manifest, model)


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
    manifest, problem = None, ""
    try:
        manifest = _manifest(folder)
        _forest_bytes(folder, manifest)
    except BundleError as error:
        problem = str(error)
    found = mark_of(folder)
    return Listing(folder.name, manifest, problem, found.count if found else 0)


def mark_those_that_saw(models: Path, somebody: Gone) -> int:
    """Mark the bundles of a folder that saw somebody who is erased, for retraining; how many these are.

    A bundle of which nobody noted whom it saw is taken to have seen the person where its time meets the
    person's. Once more for the same erasure counts nobody twice.
    """
    saw = [folder for folder, manifest in _readable(models) if _those_seen(folder, manifest, [somebody])]
    for folder in saw:
        mark(folder, somebody.time_ms)
    return len(saw)


def mark_late(models: Path, some: Iterable[Gone]) -> None:
    """Mark bundles that came after an erasure, of examples that were read before it was done.

    Rows of later than that were read later, and knew the person no more.
    """
    everybody = list(some)
    for folder, manifest in _readable(models):
        late = [one for one in everybody if manifest.to_ms <= one.done_ms]
        for one in _those_seen(folder, manifest, late):
            mark(folder, one.time_ms)


def _readable(models: Path) -> Iterator[tuple[Path, Manifest]]:
    for one in list_bundles(models):
        if one.manifest is not None:
            yield models / one.version, one.manifest


def _those_seen(folder: Path, manifest: Manifest, some: Sequence[Gone]) -> list[Gone]:
    """Whom of some people a bundle saw; what it noted of that is read once for all."""
    if some and (people := People.read(folder, manifest.people)) is not None:
        return [one for one in some if people.holds(one.digest)]
    return [one for one in some if manifest.from_ms <= one.time_ms and manifest.to_ms > one.since_ms]


def _read(folder: Path) -> tuple[Manifest, bytes]:
    manifest = _manifest(folder)
    return manifest, _forest_bytes(folder, manifest)


def _manifest(folder: Path) -> Manifest:
    content = _file(folder, MANIFEST)
    try:
        _verify_format(folder, content)
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{MANIFEST} of {folder.name}: {field}: {first['msg']}: {REPAIR}") from error
    if manifest.version != folder.name:
        raise BundleError(f"the folder {folder.name} holds the model {manifest.version}: rename the folder")
    return manifest


def _verify_format(folder: Path, content: bytes) -> None:
    """Another layout is no damage: an older or newer one has a sentence of its own."""
    found = _Format.model_validate_json(content).format
    if OLDEST <= found <= FORMAT:
        return
    whose, repair = ("an older", "train it again") if found < OLDEST else ("a newer", "upgrade feedrank")
    raise BundleError(
        f"the model {folder.name} has format {found}, which {whose} feedrank wrote; this one reads "
        f"formats {OLDEST} to {FORMAT}: {repair}"
    )


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


def _arrays(content: bytes, written: int) -> dict[str, npt.NDArray[Any]]:
    """The forest's arrays by name, no more and no fewer, from a file of the format `written`."""
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
    added = no_categories(arrays["feature"].size) if written == OLDEST and "feature" in arrays else {}
    if arrays.keys() != forest_arrays().keys() - added.keys():
        raise BundleError(
            f"{FOREST} holds the arrays {_names(arrays)}, not {_names(forest_arrays())}: {REPAIR}"
        )
    return arrays | added


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
    if manifest.ranking is not None:
        _verify_weights(manifest.version, manifest.ranking)


def _verify_weights(version: str, ranking: RankingFacts) -> None:
    """The ranking part learned an order by value, so what an action is worth must be what it was."""
    declared = weights()
    other = [name for name, weight in ranking.weights.items() if declared.get(name) != weight]
    if other:
        raise BundleError(
            f"the ranking part of the model {version} was trained for other weights of {_names(other)}: "
            f"train a new bundle with this version of feedrank"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
