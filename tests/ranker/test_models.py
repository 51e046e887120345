from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from ranker import features, heads
from ranker.bundle import FOREST, Facts, HeadFacts
from ranker.errors import BundleError
from ranker.models import Models
from training.bundles import forest_from_boosters, save_bundle


def save(folder: Path, version: str, names: tuple[str, ...] = features.NAMES) -> None:
    """A bundle of one head and one tree, on columns of these names."""
    rows = np.random.default_rng(1).normal(size=(200, len(names)))
    settings: dict[str, Any] = {"objective": "binary", "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, rows[:, 0] > 0), 1)
    facts = Facts(
        version=version,
        created_ms=0,
        features=names,
        heads=(HeadFacts(name=heads.NAMES[2], examples=200, positives=100),),
        from_ms=0,
        to_ms=0,
        seed=1,
        metrics={},
        data_licence="none",
    )
    save_bundle(folder, forest_from_boosters({heads.NAMES[2]: booster}), facts)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    save(tmp_path, "first")
    save(tmp_path, "second")
    return Models(tmp_path)


@pytest.mark.parametrize("version", ["", "prior"])
def test_before_any_bundle_the_prior_scores(models: Models, version: str) -> None:
    scorer, wanted = models.scorer(version)
    assert (scorer.version, wanted) == ("prior", True)


def test_the_journals_version_scores(models: Models) -> None:
    scorer, wanted = models.scorer("first")
    assert (scorer.version, wanted) == ("first", True)
    assert models.scorer("second")[0].version == "second"
    assert models.scorer("")[0].version == "prior"


def test_a_version_is_loaded_once(models: Models) -> None:
    assert models.scorer("first")[0] is models.scorer("first")[0]


def test_a_prepared_bundle_is_the_one_that_scores(models: Models) -> None:
    prepared = models.prepare("first")
    assert models.scorer("first")[0] is prepared


def test_a_missing_bundle_leaves_the_one_before_serving(models: Models) -> None:
    before, _ = models.scorer("first")
    scorer, wanted = models.scorer("nowhere")
    assert (scorer, wanted) == (before, False)


def test_a_damaged_bundle_leaves_the_one_before_serving(models: Models) -> None:
    before, _ = models.scorer("first")
    forest = models.folder / "second" / FOREST
    forest.write_bytes(forest.read_bytes()[:-1])
    assert models.scorer("second") == (before, False)


def test_a_refused_bundle_serves_once_it_is_mended_and_prepared(models: Models) -> None:
    models.scorer("third")
    save(models.folder, "third")
    assert models.scorer("third")[1] is False
    models.prepare("third")
    assert models.scorer("third")[0].version == "third"


def test_a_refused_bundle_is_tried_again_after_a_while(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.scorer("third")
    save(models.folder, "third")
    assert models.scorer("third")[1] is False
    monkeypatch.setattr("ranker.models.RETRY_S", 0.0)
    assert models.scorer("third")[0].version == "third"


def test_a_bundle_of_other_features_is_refused_by_their_names(models: Models) -> None:
    save(models.folder, "other", ("moon_phase", *features.NAMES[1:]))
    with pytest.raises(BundleError, match="moon_phase"):
        models.prepare("other")
    assert models.scorer("")[0].version == "prior"


@pytest.mark.parametrize("version", ["../first", "/etc", "."])
def test_a_version_is_a_name_in_the_models_folder(models: Models, version: str) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        models.prepare(version)
