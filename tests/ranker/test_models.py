import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from ranker import features, heads
from ranker.bundle import FOREST, Facts, HeadFacts
from ranker.errors import BundleError
from ranker.experiments import Experiment, InService, Variant
from ranker.models import Loader, Models
from ranker.state import State
from tests.live import within
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
    for version in ("first", "second", "third"):
        save(tmp_path, version)
    return Models(tmp_path)


def state(active: str = "prior", shadow: str = "", variants: tuple[str, str] | None = None) -> State:
    """A state with models in service; an experiment gives each of two half of the viewers."""
    state = State(4)
    state.in_service = InService().activate(active).with_shadow(shadow)
    if variants:
        halves = [Variant(name=f"of-{one}", model_version=one, share=5_000) for one in variants]
        experiment = Experiment(name="halves", variants=tuple(halves), started_ms=0)
        state.in_service = state.in_service.start(experiment)
    return state


def served(models: Models, state: State) -> dict[str, set[str]]:
    """What a hundred viewers get: the versions, by variant."""
    found: dict[str, set[str]] = {}
    for i in range(100):
        serving = models.serving(state, f"v{i}")
        found.setdefault(serving.variant, set()).add(serving.scorer.version)
    return found


def break_(models: Models, version: str) -> None:
    forest = models.folder / version / FOREST
    forest.write_bytes(forest.read_bytes()[:-1])


def test_before_any_bundle_the_prior_scores(models: Models) -> None:
    serving = models.serving(State(4), "ana")
    assert (serving.scorer.version, serving.variant, serving.shadow) == ("prior", "", None)
    assert serving.wanted


@pytest.mark.parametrize("version", ["first", "second", "prior"])
def test_the_journals_version_scores(models: Models, version: str) -> None:
    models.serving(state("third"), "ana")
    assert models.serving(state(version), "ana").scorer.version == version


def test_a_version_is_loaded_once(models: Models) -> None:
    first = models.serving(state("first"), "ana").scorer
    assert models.serving(state("first", shadow="second"), "ana").scorer is first


def test_prepared_bundles_are_the_ones_that_score(models: Models) -> None:
    models.prepare("first", "second")
    shutil.rmtree(models.folder)
    assert served(models, state("prior", variants=("first", "second"))).keys() == {"of-first", "of-second"}


def test_each_viewer_gets_the_model_of_the_variant(models: Models) -> None:
    assert served(models, state("third", variants=("first", "prior"))) == {
        "of-first": {"first"},
        "of-prior": {"prior"},
    }


def test_a_viewer_without_an_id_gets_the_active_model_and_no_variant(models: Models) -> None:
    serving = models.serving(state("third", variants=("first", "second")), "")
    assert (serving.scorer.version, serving.experiment, serving.variant) == ("third", "", "")


def test_viewers_whose_variant_is_broken_get_the_active_model_and_count_for_none(models: Models) -> None:
    break_(models, "second")
    asked = state("third", variants=("first", "second"))
    assert served(models, asked) == {"of-first": {"first"}, "": {"third"}}
    told = [models.serving(asked, f"v{i}") for i in range(100)]
    assert all(one.wanted == bool(one.variant) == bool(one.experiment) for one in told)


def test_the_shadow_is_beside_what_serves(models: Models) -> None:
    serving = models.serving(state("first", shadow="second"), "ana")
    assert serving.shadow is not None
    assert (serving.scorer.version, serving.shadow.version) == ("first", "second")


def test_a_broken_shadow_costs_nothing_that_is_served(models: Models) -> None:
    break_(models, "second")
    serving = models.serving(state("first", shadow="second"), "ana")
    assert (serving.scorer.version, serving.shadow, serving.wanted) == ("first", None, True)


def test_what_left_service_is_dropped(models: Models) -> None:
    all_of_them = state("first", shadow="second", variants=("third", "prior")).in_service
    assert models.held(all_of_them).scorers.keys() == {"first", "second", "third", "prior"}
    assert models.held(state("second").in_service).scorers.keys() == {"second"}


@pytest.mark.parametrize("version", ["nowhere", "second"])
def test_a_missing_or_damaged_bundle_leaves_the_one_before_serving(models: Models, version: str) -> None:
    break_(models, "second")
    before = models.serving(state("first"), "ana").scorer
    serving = models.serving(state(version), "ana")
    assert (serving.scorer, serving.wanted) == (before, False)


def test_a_server_that_restarts_with_a_damaged_bundle_serves_the_one_before(models: Models) -> None:
    break_(models, "third")
    now = state("first")
    now.in_service = now.in_service.activate("second").activate("third")
    serving = models.serving(now, "ana")
    assert (serving.scorer.version, serving.wanted) == ("second", False)


def test_a_refused_bundle_serves_once_it_is_mended_and_prepared(models: Models) -> None:
    asked = state("fourth")
    models.serving(asked, "ana")
    save(models.folder, "fourth")
    assert not models.serving(asked, "ana").wanted
    models.prepare("fourth")
    assert models.serving(asked, "ana").scorer.version == "fourth"


def test_a_refused_bundle_is_tried_again_after_a_while(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = state("fourth")
    models.serving(asked, "ana")
    save(models.folder, "fourth")
    assert not models.serving(asked, "ana").wanted
    monkeypatch.setattr("ranker.models.RETRY_S", 0.0)
    assert models.serving(asked, "ana").scorer.version == "fourth"


def test_a_bundle_of_other_features_is_refused_by_their_names(models: Models) -> None:
    save(models.folder, "other", ("moon_phase", *features.NAMES[1:]))
    with pytest.raises(BundleError, match="moon_phase"):
        models.prepare("other")
    assert models.serving(State(4), "ana").scorer.version == "prior"


@pytest.mark.parametrize("version", ["../first", "/etc", ".", ""])
def test_a_version_is_a_name_in_the_models_folder(models: Models, version: str) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        models.prepare(version)


@pytest.fixture
def loaded(models: Models) -> Iterator[tuple[Models, State]]:
    """A state whose models a loader looks after, "first" so far."""
    now = state("first")
    models.follow(now.in_service)
    loader = Loader(models, now)
    loader.start()
    yield models, now
    loader.stop()


def test_no_request_loads_a_bundle_beside_a_loader(loaded: tuple[Models, State]) -> None:
    """The loader waits for its turn: a writer has it."""
    models, now = loaded
    with now.turn.write():
        now.in_service = now.in_service.activate("second")
        time.sleep(0.5)
        serving = models.serving(now, "ana")
        assert (serving.scorer.version, serving.wanted) == ("first", True)
    assert within(5, lambda: models.active.version == "second")


def test_a_loader_loads_what_nobody_asked_for_yet(loaded: tuple[Models, State]) -> None:
    models, now = loaded
    now.in_service = state("second", shadow="third", variants=("first", "prior")).in_service
    assert within(5, lambda: models.active.version == "second")
    assert models.held(now.in_service).scorers.keys() == {"first", "second", "third", "prior"}


def test_what_a_loader_can_not_load_is_told(loaded: tuple[Models, State]) -> None:
    models, now = loaded
    now.in_service = now.in_service.activate("nowhere")
    assert within(5, lambda: not models.serving(now, "ana").wanted)
    assert models.serving(now, "ana").scorer.version == "first"


def test_what_is_prepared_serves_at_once_beside_a_loader(loaded: tuple[Models, State]) -> None:
    models, now = loaded
    models.prepare("second")
    now.in_service = now.in_service.activate("second")
    assert models.serving(now, "ana").scorer.version == "second"
