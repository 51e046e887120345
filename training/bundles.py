"""From LightGBM's boosters to a bundle on disk."""

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import lightgbm
import numpy as np
import numpy.typing as npt

from ranker.bundle import FOREST, FORMAT, MANIFEST, RANKING, Facts, Manifest, forest_heads, mark_late
from ranker.disk import sync
from ranker.errors import BundleError
from ranker.privacy.gone import gone
from ranker.seen import PEOPLE, People
from ranker.trees import WORD, ZERO, Bools, Doubles, Forest, Ints, Missing, Words, forest_arrays

LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "scipy")

Section = dict[str, str]

_OBJECTIVES = {False: ("binary sigmoid:1", "cross_entropy"), True: ("lambdarank",)}
_OF_NODES = ("feature", "threshold", "default_left", "missing")
_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_MISSING_SHIFT = 2
_MISSING_BITS = 3


def forest_from_boosters(boosters: Mapping[str, lightgbm.Booster | Sequence[lightgbm.Booster]]) -> Forest:
    """The trees of all boosters, head by head in the mapping's order, up to each booster's best iteration.

    Several boosters of one head are averaged: their trees stand side by side, each leaf divided by the number
    of boosters. The model text is read, not `dump_model()`: its arrays are flat and its numbers have 17
    digits, so every threshold and leaf is the same double. BundleError for what the kernel does not score:
    linear trees, several classes, averaged (random forest) models, objectives other than
    the plain sigmoid (LambdaRank for the head RANKING); and when the boosters were trained on different
    features.
    """
    models = {
        head: [_sections(booster.model_to_string()) for booster in _several(of_head)]
        for head, of_head in boosters.items()
    }
    parsed = [(head, *model) for head, of_head in models.items() for model in of_head]
    for model in parsed:
        _refuse_other_kinds(*model)
    if len({header["feature_names"] for _, header, _ in parsed}) > 1:
        raise BundleError("the boosters have different features: train all heads on the same columns")
    trees = [tree for _, _, of_booster in parsed for tree in of_booster]
    nodes = [int(tree["num_leaves"]) - 1 for tree in trees]
    decision = _joined(trees, "decision_type").astype(np.int32)
    categorical = decision & _CATEGORICAL != 0
    node_words, words = _categories(trees, categorical)
    averaged = np.repeat([len(models[head]) for head, _, of in parsed for _ in of], np.add(nodes, 1))
    return Forest(
        heads=tuple(models),
        head_trees=_offsets([sum(len(trees) for _, trees in of_head) for of_head in models.values()]),
        tree_nodes=_offsets(nodes),
        feature=_joined(trees, "split_feature").astype(np.int32),
        threshold=np.where(categorical, 0.0, _joined(trees, "threshold")),
        left=_joined(trees, "left_child").astype(np.int32),
        right=_joined(trees, "right_child").astype(np.int32),
        default_left=decision & _DEFAULT_LEFT != 0,
        missing=(decision >> _MISSING_SHIFT & _MISSING_BITS).astype(np.uint8),
        leaf_value=_joined(trees, "leaf_value") / averaged,
        node_words=node_words,
        words=words,
    )


def pinned(forest: Forest, feature: int, value: float) -> Forest:
    """The same forest for rows whose column `feature` holds `value`, without any test of that column.

    Every node that tests it gives way to the child that the value leads to. `value` is finite.
    """
    goes_left = _goes_left(forest, value)
    trees = [
        _pinned_tree(forest, tree, (forest.feature == feature), goes_left)
        for tree in range(len(forest.tree_nodes) - 1)
    ]
    node = np.concatenate([tree.node for tree in trees])
    words = [forest.words[slice(*forest.node_words[one : one + 2])] for one in node]
    return replace(
        forest,
        tree_nodes=_offsets([len(tree.node) for tree in trees]),
        **{name: getattr(forest, name)[node] for name in _OF_NODES},
        left=np.concatenate([tree.left for tree in trees]),
        right=np.concatenate([tree.right for tree in trees]),
        leaf_value=forest.leaf_value[np.concatenate([tree.leaf for tree in trees])],
        node_words=_offsets([len(of_node) for of_node in words]),
        words=np.concatenate([forest.words[:0], *words]),
    )


def save_bundle(models: Path, forest: Forest, facts: Facts, people: People | None = None) -> Path:
    """Writes the bundle `models / facts.version` and returns its folder.

    `people`: those whose rows it learned from, where that is known. The bundle appears whole or not at all:
    it is written under a hidden name, synced, and renamed. Where `models` lies in a data folder it is
    marked at once if it saw somebody who was erased while it was trained. BundleError when the version
    exists, or the facts do not fit the forest.
    """
    folder = models / facts.version
    manifest = manifest_of(forest, facts)
    if folder.exists():
        raise BundleError(f"the model {facts.version} exists already: choose another version")
    with _folder_in_one_step(folder) as unfinished:
        _write(unfinished / FOREST, _npz(forest))
        if people is not None:
            _write(unfinished / PEOPLE, people.content)
        _write(unfinished / MANIFEST, manifest.model_dump_json(indent=2).encode())
    mark_late(models, gone(models.parent))
    return folder


def manifest_of(forest: Forest, facts: Facts) -> Manifest:
    """The manifest of a bundle with these facts. BundleError when they do not fit the forest."""
    _verify_facts(forest, facts)
    libraries = {name: version(name) for name in LIBRARIES}
    sha256 = hashlib.sha256(_npz(forest)).hexdigest()
    return Manifest(**dict(facts), format=FORMAT, libraries=libraries, sha256=sha256)


def _several(boosters: lightgbm.Booster | Sequence[lightgbm.Booster]) -> Sequence[lightgbm.Booster]:
    return [boosters] if isinstance(boosters, lightgbm.Booster) else boosters


def _goes_left(forest: Forest, value: float) -> Bools:
    """Where each node sends a value, after LightGBM's Tree::Decision."""
    zero = abs(value) <= ZERO
    absent = zero & (forest.missing == Missing.ZERO)
    numeric = np.where(absent, forest.default_left, (0.0 if zero else value) <= forest.threshold)
    return np.where(forest.categorical, _in_set(forest, value), numeric)


def _in_set(forest: Forest, value: float) -> Bools:
    """Which nodes' sets hold the category that the value is cut to."""
    if not -1 < value < WORD * len(forest.words):
        return np.zeros(len(forest.feature), np.bool_)
    word, bit = divmod(int(value), WORD)
    holds = np.append(forest.words >> np.uint32(bit) & 1, 0) == 1
    place = forest.node_words[:-1] + np.int64(word)
    found: Bools = (place < forest.node_words[1:]) & holds[np.minimum(place, len(forest.words))]
    return found


class _Tree(NamedTuple):
    """What is left of a tree: its nodes and leaves by their old places, and the nodes' new children."""

    node: Ints
    leaf: Ints
    left: Ints
    right: Ints


def _pinned_tree(forest: Forest, tree: int, decided: Bools, goes_left: Bools) -> _Tree:
    root, end = forest.tree_nodes[tree : tree + 2].tolist()
    children = list(zip(forest.left[root:end].tolist(), forest.right[root:end].tolist(), strict=True))
    stands_for = list(range(end - root))

    def followed(child: int) -> int:
        return stands_for[child] if child >= 0 else child

    for node in reversed(range(end - root)):  # a child has a higher number than its parent
        if decided[root + node]:
            stands_for[node] = followed(children[node][0 if goes_left[root + node] else 1])
    top = followed(0 if children else ~0)
    reached = {top}
    for node in range(end - root):
        if node in reached:
            reached.update(map(followed, children[node]))
    nodes, leaves = sorted(x for x in reached if x >= 0), sorted(~x for x in reached if x < 0)
    number = {node: i for i, node in enumerate(nodes)} | {~leaf: ~i for i, leaf in enumerate(leaves)}
    sides = np.array([[number[followed(child)] for child in children[node]] for node in nodes], np.int32)
    left, right = sides.reshape(-1, 2).T.copy()
    old = np.array(nodes, np.int32) + root, np.array(leaves, np.int32) + root + tree
    return _Tree(old[0].astype(np.int32), old[1].astype(np.int32), left, right)


def _sections(text: str) -> tuple[Section, list[Section]]:
    """The header and the trees of LightGBM's model text, each as key=value lines."""
    header, *trees = text.split("\nend of trees", 1)[0].split("\nTree=")
    return _lines(header), [_lines(tree) for tree in trees]


def _lines(section: str) -> Section:
    return {key: value for key, _, value in (line.partition("=") for line in section.splitlines())}


def _refuse_other_kinds(head: str, header: Section, trees: list[Section]) -> None:
    linear = any(int(tree.get("is_linear", "0")) for tree in trees)
    reasons = {
        "has several classes: train one binary booster a head": header["num_tree_per_iteration"] != "1",
        "averages its trees (random forest): train with boosting=gbdt": "average_output" in header,
        "has linear trees: train with linear_tree=false": linear,
        "does not predict the plain sigmoid: train with objective=binary and sigmoid=1": (
            header.get("objective") not in _OBJECTIVES[head == RANKING]
        ),
    }
    for reason, found in reasons.items():
        if found:
            raise BundleError(f"the booster of head {head} {reason}")


def _joined(trees: list[Section], key: str) -> Doubles:
    """One array of all trees, as float64. A tree of one leaf has no nodes, and may leave the key out."""
    return np.array([float(number) for tree in trees for number in tree.get(key, "").split()])


def _categories(trees: list[Section], categorical: Bools) -> tuple[Ints, Words]:
    """The offsets and the words of the nodes' sets. A categorical node's threshold is its set's number."""
    sets = []
    for tree in trees:
        cuts = [int(cut) for cut in tree.get("cat_boundaries", "").split()]
        words = [int(word) for word in tree.get("cat_threshold", "").split()]
        tests = zip(tree.get("decision_type", "").split(), tree.get("threshold", "").split(), strict=True)
        numbers = [int(float(number)) for kind, number in tests if int(kind) & _CATEGORICAL]
        sets += [words[cuts[number] : cuts[number + 1]] or [0] for number in numbers]
    lengths = np.zeros(len(categorical), np.int64)
    lengths[categorical] = [len(of_node) for of_node in sets]
    return _offsets(lengths), np.array([word for of_node in sets for word in of_node], np.uint32)


def _offsets(counts: list[int] | npt.NDArray[np.int64]) -> Ints:
    return np.cumsum([0, *counts]).astype(np.int32)


def _verify_facts(forest: Forest, facts: Facts) -> None:
    heads = forest_heads(facts)
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
        sync(unfinished)
        unfinished.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync(path)
