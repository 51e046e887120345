"""From LightGBM's boosters to a bundle on disk."""

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import lightgbm
import numpy as np

from ranker.bundle import FOREST, MANIFEST, Facts, Manifest
from ranker.errors import BundleError
from ranker.trees import Doubles, Forest, Ints, forest_arrays

LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "scipy")

Section = dict[str, str]

_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_MISSING_SHIFT = 2


def forest_from_boosters(boosters: Mapping[str, lightgbm.Booster]) -> Forest:
    """The trees of all boosters, head by head in the mapping's order, up to each booster's best iteration.

    The model text is read, not `dump_model()`: its arrays are flat and its numbers have 17 digits, so every
    threshold and leaf is the same double. BundleError for what the kernel does not score: categorical
    splits, linear trees, several classes, averaged (random forest) models, objectives other than the plain
    sigmoid; and when the boosters were trained on different features.
    """
    models = {head: _sections(booster.model_to_string()) for head, booster in boosters.items()}
    for head, (header, trees) in models.items():
        _refuse_other_kinds(head, header, trees)
    if len({header["feature_names"] for header, _ in models.values()}) > 1:
        raise BundleError("the boosters have different features: train all heads on the same columns")
    trees = [tree for _, of_head in models.values() for tree in of_head]
    nodes = [int(tree["num_leaves"]) - 1 for tree in trees]
    decision = _joined(trees, "decision_type").astype(np.int32)
    return Forest(
        heads=tuple(models),
        head_trees=_offsets([len(of_head) for _, of_head in models.values()]),
        tree_nodes=_offsets(nodes),
        feature=_joined(trees, "split_feature").astype(np.int32),
        threshold=_joined(trees, "threshold"),
        left=_joined(trees, "left_child").astype(np.int32),
        right=_joined(trees, "right_child").astype(np.int32),
        default_left=decision & _DEFAULT_LEFT != 0,
        missing=(decision >> _MISSING_SHIFT).astype(np.uint8),
        leaf_value=_joined(trees, "leaf_value"),
    )


def save_bundle(models: Path, forest: Forest, facts: Facts) -> Path:
    """Writes the bundle `models / facts.version` and returns its folder.

    It appears whole or not at all: it is written under a hidden name, synced, and renamed. BundleError when
    the version exists, or the facts do not fit the forest.
    """
    folder = models / facts.version
    _verify_facts(forest, facts)
    if folder.exists():
        raise BundleError(f"the model {facts.version} exists already: choose another version")
    content = _npz(forest)
    libraries = {name: version(name) for name in LIBRARIES}
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = Manifest(**dict(facts), format=1, libraries=libraries, sha256=sha256)
    with _folder_in_one_step(folder) as unfinished:
        _write(unfinished / FOREST, content)
        _write(unfinished / MANIFEST, manifest.model_dump_json(indent=2).encode())
    return folder


def _sections(text: str) -> tuple[Section, list[Section]]:
    """The header and the trees of LightGBM's model text, each as key=value lines."""
    header, *trees = text.split("\nend of trees", 1)[0].split("\nTree=")
    return _lines(header), [_lines(tree) for tree in trees]


def _lines(section: str) -> Section:
    return {key: value for key, _, value in (line.partition("=") for line in section.splitlines())}


def _refuse_other_kinds(head: str, header: Section, trees: list[Section]) -> None:
    linear = any(int(tree.get("is_linear", "0")) for tree in trees)
    categorical = any(int(tree["num_cat"]) for tree in trees)
    reasons = {
        "has several classes: train one binary booster a head": header["num_tree_per_iteration"] != "1",
        "averages its trees (random forest): train with boosting=gbdt": "average_output" in header,
        "has categorical splits: train with numeric features only": categorical,
        "has linear trees: train with linear_tree=false": linear,
        "does not predict the plain sigmoid: train with objective=binary and sigmoid=1": (
            header.get("objective") not in ("binary sigmoid:1", "cross_entropy")
        ),
    }
    for reason, found in reasons.items():
        if found:
            raise BundleError(f"the booster of head {head} {reason}")


def _joined(trees: list[Section], key: str) -> Doubles:
    """One array of all trees, as float64. A tree of one leaf has no nodes, and may leave the key out."""
    return np.array([float(number) for tree in trees for number in tree.get(key, "").split()])


def _offsets(counts: list[int]) -> Ints:
    return np.cumsum([0, *counts]).astype(np.int32)


def _verify_facts(forest: Forest, facts: Facts) -> None:
    heads = tuple(head.name for head in facts.heads)
    if heads != forest.heads:
        raise BundleError(
            f"the facts describe the heads {heads}, the forest has {forest.heads}: give the same"
        )
    if forest.width > len(facts.features):
        raise BundleError(
            f"the forest tests {forest.width} features, {len(facts.features)} are named: name them all"
        )


def _npz(forest: Forest) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{name: getattr(forest, name) for name in forest_arrays()})
    return content.getvalue()


@contextlib.contextmanager
def _folder_in_one_step(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, which takes its place when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)  # mkdtemp lets nobody else read, the server may be another user
        _sync(unfinished)
        unfinished.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
