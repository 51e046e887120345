"""Bundles on disk: what is loaded, what is refused, and with which words."""

import contextlib
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.bundle import (
    FOREST,
    MANIFEST,
    RANKING,
    Facts,
    HeadFacts,
    RankingFacts,
    list_bundles,
    load,
)
from ranker.calibration import Platt
from ranker.errors import BundleError
from ranker.trees import Forest, forest_arrays, no_categories
from training.bundles import save_bundle

FEATURES = ("age", "likes", "affinity")
HEADS = ("click", "like", "reply")


def stump(left: float, right: float, feature: int = 1) -> dict[str, Any]:
    """One tree of two leaves, split at 0.5."""
    return {
        "head_trees": np.array([0, 1], np.int32),
        "tree_nodes": np.array([0, 1], np.int32),
        "feature": np.array([feature], np.int32),
        "threshold": np.array([0.5]),
        "left": np.array([-1], np.int32),
        "right": np.array([-2], np.int32),
        "default_left": np.array([True]),
        "missing": np.array([2], np.uint8),
        "leaf_value": np.array([left, right]),
        **no_categories(1),
    }


def facts(version: str = "m1", created_ms: int = 5, **changes: Any) -> Facts:
    fixed: dict[str, Any] = {
        "version": version,
        "created_ms": created_ms,
        "features": FEATURES,
        "heads": (HeadFacts(name="like", calibration=Platt(a=2.0, b=-1.0), examples=10, positives=3),),
        "from_ms": 1,
        "to_ms": 4,
        "seed": 7,
        "metrics": {"auc": 0.75},
        "data_licence": "CC0-1.0",
    }
    return Facts(**{**fixed, **changes})


def saved(models: Path, version: str = "m1", created_ms: int = 5) -> Path:
    return save_bundle(models, Forest(heads=("like",), **stump(0.0, 1.0)), facts(version, created_ms))


def rewrite(folder: Path, content: bytes) -> None:
    """Puts other arrays in place, with a manifest that agrees."""
    (folder / FOREST).write_bytes(content)
    change(folder, sha256=hashlib.sha256(content).hexdigest())


def change(folder: Path, **fields: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **fields}))


def npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        load(folder, FEATURES, HEADS)
    return str(error.value)


def test_a_saved_bundle_is_loaded_with_its_manifest(tmp_path: Path) -> None:
    bundle = load(saved(tmp_path), FEATURES, HEADS)
    assert bundle.version == "m1"
    assert bundle.manifest.metrics == {"auc": 0.75}
    assert bundle.manifest.heads[0].positives == 3


def test_a_probability_is_calibrated(tmp_path: Path) -> None:
    bundle = load(saved(tmp_path), FEATURES, HEADS)
    like = bundle.predict(np.array([[0, 0, 0], [0, 1, 0]], np.float32)).probabilities[:, 1]
    assert like == pytest.approx([1 / (1 + np.exp(1)), 1 / (1 + np.exp(-1))])


def test_a_head_that_the_model_lacks_has_probability_0(tmp_path: Path) -> None:
    bundle = load(saved(tmp_path), FEATURES, HEADS)
    answer = bundle.predict(np.ones((4, 3), np.float32)).probabilities
    assert answer[:, [0, 2]].tolist() == [[0, 0]] * 4
    assert (answer[:, 1] > 0).all()


def test_rows_with_other_columns_are_refused(tmp_path: Path) -> None:
    bundle = load(saved(tmp_path), FEATURES, HEADS)
    with pytest.raises(ValueError, match=r"shape \(2, 4\), not \(n, 3\)"):
        bundle.predict(np.ones((2, 4), np.float32))


def test_other_features_are_refused_by_name(tmp_path: Path) -> None:
    needs = "it lacks hue and it needs affinity, which this server does not compute"
    with pytest.raises(BundleError, match=needs):
        load(saved(tmp_path), ("age", "likes", "hue"), HEADS)


def test_features_in_another_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the same names in another order: train a new bundle"):
        load(saved(tmp_path), ("likes", "age", "affinity"), HEADS)


def test_a_head_that_the_server_does_not_declare_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="predicts unknown heads: like: train without them"):
        load(saved(tmp_path), FEATURES, ("click",))


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    content = bytearray((folder / FOREST).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / FOREST).write_bytes(content)
    assert "is not the file that the manifest describes: train the bundle again" in refusal(folder)


@pytest.mark.parametrize("name", [MANIFEST, FOREST])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path)
    (folder / name).unlink()
    assert f"{name} of the model m1: No such file or directory" in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "new"),
        ("seed", "x"),
        ("heads", []),
        ("metrics", {"auc": "NaN"}),
        ("sha256", "0"),
        ("colour", "red"),
    ],
)
def test_a_manifest_of_another_form_is_refused_by_field(tmp_path: Path, field: str, value: object) -> None:
    folder = saved(tmp_path)
    change(folder, **{field: value})
    assert f"manifest.json of m1: {field}" in refusal(folder)


def test_a_bundle_of_the_format_without_categories_is_still_read(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, npz(**{name: stump(0.0, 1.0)[name] for name in stump(0.0, 1.0) if "words" not in name}))
    assert "forest.npz holds the arrays" in refusal(folder)
    change(folder, format=2)
    assert not load(folder, FEATURES, HEADS).forest.categorical.any()


def test_a_bundle_of_the_first_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    change(folder, format=1)
    assert refusal(folder).endswith("an older feedrank wrote; this one reads formats 2 to 3: train it again")


def test_a_bundle_of_a_later_format_needs_another_feedrank_and_no_training(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    change(folder, format=4)
    assert refusal(folder).endswith("a newer feedrank wrote; this one reads formats 2 to 3: upgrade feedrank")


@pytest.mark.parametrize(
    ("calibration", "sentence"),
    [
        ({"kind": "isotonic", "x": [1, 0], "y": [0.1, 0.2]}, "the knots of the isotonic curve do not rise"),
        ({"kind": "isotonic", "x": [0, 1], "y": [0.2, 0.1]}, "the knots of the isotonic curve do not rise"),
        ({"kind": "isotonic", "x": [0, 1], "y": [0.2]}, "at least 2 items"),
        ({"kind": "platt", "a": -1, "b": 0}, "greater than 0"),
        ({"kind": "spline"}, "does not match any of the expected tags"),
    ],
)
def test_a_damaged_calibration_is_refused(tmp_path: Path, calibration: dict[str, Any], sentence: str) -> None:
    folder = saved(tmp_path)
    head = {"name": "like", "calibration": calibration, "examples": 10, "positives": 3}
    change(folder, heads=[head])
    assert "manifest.json of m1: heads.0.calibration" in refusal(folder)
    assert sentence in refusal(folder)


def ranking(**changes: Any) -> RankingFacts:
    fixed: dict[str, Any] = {"a": 2.0, "b": 0.5, "share": 0.25, "weights": {"like": 1.0}, "trees": 1}
    return RankingFacts(**{**fixed, **changes})


def saved_with_ranking(models: Path, **changes: Any) -> Path:
    """The stump is the head's, and a second one, of other leaves, the ranking part's."""
    two = {name: np.concatenate([array, array]) for name, array in stump(0.0, 1.0).items()}
    cuts = {"head_trees": np.arange(3, dtype=np.int32), "tree_nodes": np.arange(3, dtype=np.int32)}
    two |= cuts | {"leaf_value": np.array([0.0, 1.0, -3.0, 5.0])} | no_categories(2)
    return save_bundle(models, Forest(heads=("like", RANKING), **two), facts(ranking=ranking(**changes)))


def test_the_value_is_the_heads_weighted_sum(tmp_path: Path) -> None:
    found = load(saved(tmp_path), FEATURES, HEADS).predict(np.ones((2, 3), np.float32))
    assert found.value == pytest.approx(found.probabilities @ [0.5, 1.0, 3.0])


def test_the_ranking_part_has_its_share_of_the_value(tmp_path: Path) -> None:
    bundle = load(saved_with_ranking(tmp_path), FEATURES, HEADS)
    found = bundle.predict(np.array([[0, 0, 0], [0, 1, 0]], np.float32))
    heads_say = found.probabilities[:, 1] * 1.0
    assert found.value == pytest.approx(0.75 * heads_say + 0.25 * (2 * np.array([-3.0, 5.0]) + 0.5))


def test_a_ranking_part_for_other_weights_is_refused_by_name(tmp_path: Path) -> None:
    folder = saved_with_ranking(tmp_path, weights={"click": 0.5, "like": 3.0})
    assert "was trained for other weights of like: train a new bundle" in refusal(folder)


def test_a_ranking_part_without_trees_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    change(folder, ranking=ranking().model_dump())
    assert "head_trees does not cut 1 trees into 2 heads" in refusal(folder)


def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / MANIFEST).write_bytes(b"\xff{")
    assert "manifest.json of m1: the file: Invalid JSON" in refusal(folder)


def test_a_renamed_folder_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path).rename(tmp_path / "m2")
    assert refusal(folder) == "the folder m2 holds the model m1: rename the folder"


def test_a_damaged_tree_is_refused_though_the_hash_agrees(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, npz(**{**stump(0.0, 1.0), "left": np.array([0], np.int32)}))
    assert "there is a cycle" in refusal(folder)


def test_a_tree_that_tests_an_unnamed_feature_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, npz(**stump(0.0, 1.0, feature=3)))
    assert "the trees test feature 3, which has no name in the manifest" in refusal(folder)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, npz(**{**stump(0.0, 1.0), "left": np.array([{}])}))
    assert "does not hold plain arrays" in refusal(folder)


def test_a_missing_array_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, npz(**{name: stump(0.0, 1.0)[name] for name in list(forest_arrays())[1:]}))
    assert "forest.npz holds the arrays tree_nodes" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"tree\nversion=v4", b"PK\x03\x04", npz()[:-4]])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = saved(tmp_path)
    rewrite(folder, content)
    assert "does not hold plain arrays" in refusal(folder)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damage_that_the_hash_does_not_show_never_ends_in_another_error(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as models:
        folder = saved(Path(models))
        content = bytearray((folder / FOREST).read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
            content[place] = data.draw(st.integers(0, 255))
        rewrite(folder, bytes(content))
        with contextlib.suppress(BundleError):
            assert load(folder, FEATURES, HEADS).forest.heads == ("like",)


def test_an_array_that_is_no_array_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        for name in forest_arrays():
            archive.writestr(f"{name}.npy", b"not an array")
    rewrite(folder, content.getvalue())
    assert "the forest is damaged" in refusal(folder)


def of_one_array(shape: str, packing: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose array claims a shape."""
    header = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    with zipfile.ZipFile(content := io.BytesIO(), "w", packing) as archive:
        length = len(header).to_bytes(2, "little")
        archive.writestr("feature.npy", b"\x93NUMPY\x01\x00" + length + header + bytes(4))
    return content.getvalue()


@pytest.mark.parametrize("shape", [f"({10**20},)", "(True,)", "(-1,)", "((1,),)"])
def test_a_shape_that_makes_no_sense_is_refused(tmp_path: Path, shape: str) -> None:
    folder = saved(tmp_path)
    rewrite(folder, of_one_array(shape))
    assert "does not hold plain arrays" in refusal(folder)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_array_that_was_damaged_is_refused(tmp_path: Path, packing: int) -> None:
    folder, content = saved(tmp_path), bytearray(of_one_array("(1,)", packing))
    content[60:70] = bytes(10)
    rewrite(folder, bytes(content))
    assert "does not hold plain arrays" in refusal(folder)


def test_bundles_are_listed_newest_first_with_their_problems(tmp_path: Path) -> None:
    for version, created_ms in (("old", 1), ("new", 9), ("torn", 5), ("bare", 7)):
        saved(tmp_path, version, created_ms)
    (tmp_path / "torn" / FOREST).write_bytes(b"")
    (tmp_path / "bare" / MANIFEST).unlink()
    listings = list_bundles(tmp_path)
    assert [listing.version for listing in listings] == ["new", "torn", "old", "bare"]
    assert [bool(listing.problem) for listing in listings] == [False, True, False, True]


def test_a_bundle_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".m1-abc").mkdir()
    assert list_bundles(tmp_path) == []


def test_a_folder_that_does_not_exist_holds_no_bundles(tmp_path: Path) -> None:
    assert list_bundles(tmp_path / "nowhere") == []
