from pathlib import Path

import pytest

from ranker import manifests
from ranker.bundle import FOREST, MANIFEST
from ranker.errors import NotFound
from ranker.trees import Forest
from tests.ranker.test_bundle import facts, stump
from training.bundles import save_bundle


def saved(models: Path, version: str, **changes: object) -> Path:
    forest = Forest(heads=("like",), **stump(0.0, 1.0))
    return save_bundle(models, forest, facts(version, **changes))  # type: ignore[arg-type]


def test_a_manifest_is_found_by_its_version(tmp_path: Path) -> None:
    saved(tmp_path, "m1")
    told = manifests.facts(manifests.find(tmp_path, "m1"))
    assert (told["version"], told["heads.like.positives"], told["metrics.auc"]) == ("m1", 3, 0.75)
    assert told["features"] == ["age", "likes", "affinity"]


def test_a_version_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    saved(tmp_path, "m1")
    with pytest.raises(NotFound, match=r"there is no bundle 'm2' in .*: there is m1"):
        manifests.find(tmp_path, "m2")


def test_a_manifest_that_can_not_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    (saved(tmp_path, "m1") / MANIFEST).write_text("{}")
    with pytest.raises(NotFound, match=r"manifest\.json of m1: format: Field required"):
        manifests.find(tmp_path, "m1")


def test_a_damaged_bundle_still_has_its_manifest(tmp_path: Path) -> None:
    (saved(tmp_path, "m1") / FOREST).write_bytes(b"")
    found = manifests.find(tmp_path, "m1")
    assert "is not the file that the manifest describes" in found.problem
    assert manifests.facts(found)["version"] == "m1"


def test_what_differs_is_told_field_by_field(tmp_path: Path) -> None:
    saved(tmp_path, "m1", metrics={"auc": 0.75})
    saved(tmp_path, "m2", metrics={"auc": 0.8, "ndcg": 0.5}, seed=8, features=("age", "likes", "taste"))
    found = manifests.difference(*(manifests.facts(manifests.find(tmp_path, one)) for one in ("m1", "m2")))
    assert found.changed == {
        "version": ("m1", "m2"),
        "features": (["age", "likes", "affinity"], ["age", "likes", "taste"]),
        "seed": (7, 8),
        "metrics.auc": (0.75, 0.8),
    }
    assert (found.only_first, found.only_second) == ({}, {"metrics.ndcg": 0.5})


def test_equal_manifests_differ_in_nothing(tmp_path: Path) -> None:
    saved(tmp_path, "m1")
    told = manifests.facts(manifests.find(tmp_path, "m1"))
    assert manifests.difference(told, told) == manifests.Difference({}, {}, {})
