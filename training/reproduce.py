"""Reproduction: a bundle trained again from its manifest and its examples, and compared bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from ranker import features
from ranker.bundle import FOREST, MANIFEST, Manifest, load
from ranker.errors import BundleError
from ranker.heads import NAMES
from training.bundles import manifest_of
from training.examples import ExampleSet
from training.train import Knobs, facts_of, fit

_OF_THE_DAY = ("version", "created_ms", "examples_from")
"""What may differ: when it was trained, and where the examples lay."""


def differences(
    bundle: Path, examples: ExampleSet, tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """What differs between a bundle and the one that its knobs and these examples make; empty: nothing does.

    Raises BundleError where the bundle can't be loaded or does not hold the knobs of a training.
    """
    old = load(bundle, features.NAMES, NAMES).manifest
    if old.examples_sha256 != examples.sha256:
        return ["these are other examples than those of the manifest"]
    knobs = _knobs(old)
    trained = fit(examples.examples, knobs, tell, examples.about.heads)
    facts = facts_of(trained, examples, knobs, old.data_licence)
    new = manifest_of(trained.model.forest, facts)
    before, after = (_comparable(one) for one in (old, new))
    return [_difference(name, before[name], after[name]) for name in before if before[name] != after[name]]


def _knobs(manifest: Manifest) -> Knobs:
    try:
        return Knobs.model_validate(manifest.knobs)
    except ValidationError as error:
        raise BundleError(
            f"the manifest of {manifest.version} does not hold knobs of this version's training: run the "
            f"version that trained it"
        ) from error


def _comparable(manifest: Manifest) -> dict[str, object]:
    document: dict[str, object] = json.loads(manifest.model_dump_json(exclude=set(_OF_THE_DAY)))
    return document


def _difference(name: str, before: object, after: object) -> str:
    if name == "sha256":
        return f"{FOREST} holds other trees"
    if name == "libraries":
        return f"it was trained with {before}, here are {after}"
    return f"{MANIFEST} differs in {name}"
