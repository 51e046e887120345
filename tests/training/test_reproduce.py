"""A bundle trained again from its manifest."""

import json
from pathlib import Path

import pytest

from ranker.bundle import MANIFEST
from ranker.errors import BundleError
from tests.training.test_train import KNOBS, example_set
from training.reproduce import differences
from training.train import train


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(example_set(), tmp_path_factory.mktemp("models"), knobs=KNOBS)[0]


def changed(bundle: Path, **fields: object) -> Path:
    manifest = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps(manifest | fields))
    return bundle


def test_a_bundle_is_made_again_bit_for_bit(bundle: Path) -> None:
    assert differences(bundle, example_set()) == []


def test_other_examples_are_named_before_any_training(bundle: Path) -> None:
    other = example_set().examples.weight.copy()
    other[0] = 2
    from dataclasses import replace

    examples = replace(example_set(), examples=replace(example_set().examples, weight=other))
    assert differences(bundle, examples) == ["these are other examples than those of the manifest"]


def test_a_bundle_of_other_knobs_differs_in_its_trees(tmp_path: Path) -> None:
    one, _ = train(example_set(), tmp_path, knobs=KNOBS)
    told = KNOBS.model_copy(update={"leaves": 5}).model_dump()
    assert "forest.npz holds other trees" in differences(changed(one, knobs=told), example_set())


def test_a_bundle_without_knobs_of_this_version_is_refused(tmp_path: Path) -> None:
    one, _ = train(example_set(), tmp_path, knobs=KNOBS)
    with pytest.raises(BundleError, match="does not hold knobs of this version's training"):
        differences(changed(one, knobs={"trees": 10, "depth": 5}), example_set())
