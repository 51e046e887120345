"""Who gets which variant, and what is in service after what."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ranker.experiments import BUCKETS, REMEMBERED, Experiment, InService, Variant, bucket_of

VIEWERS = [f"viewer-{i}" for i in range(100_000)]


def experiment(name: str = "first", *shares: int) -> Experiment:
    variants = [
        Variant(name=f"v{i}", model_version="prior", share=share)
        for i, share in enumerate(shares or (5_000,) * 2)
    ]
    return Experiment(name=name, variants=tuple(variants), started_ms=0)


@given(st.text(min_size=1, max_size=40))
def test_a_viewer_has_the_same_variant_each_time(viewer: str) -> None:
    assert experiment().variant_of(viewer) is not None
    assert experiment().variant_of(viewer) == experiment().variant_of(viewer)


def test_shares_hold_for_many_viewers() -> None:
    shares = (1_000, 2_500, 6_500)
    dealt = experiment("shares", *shares)
    counts = Counter(dealt.variant_of(viewer).name for viewer in VIEWERS)
    expected = [len(VIEWERS) * share / BUCKETS for share in shares]
    assert stats.chisquare([counts[f"v{i}"] for i in range(3)], expected).pvalue > 0.001


def test_another_experiment_shuffles_independently() -> None:
    one, other = experiment("first"), experiment("second")
    pairs = Counter((one.variant_of(viewer).name, other.variant_of(viewer).name) for viewer in VIEWERS)
    table = [[pairs[a, b] for b in ("v0", "v1")] for a in ("v0", "v1")]
    assert stats.chi2_contingency(table).pvalue > 0.001
    assert min(pairs.values()) > 0.24 * len(VIEWERS)


def test_buckets_are_even() -> None:
    counts = Counter(bucket_of("salt", viewer) for viewer in VIEWERS)
    observed = [counts[bucket] for bucket in range(BUCKETS)]
    assert stats.chisquare(observed).pvalue > 0.001


def test_a_bucket_belongs_to_the_variant_of_its_cumulative_share() -> None:
    dealt = experiment("edges", 1, 9_998, 1)
    for viewer in VIEWERS[:30_000]:
        bucket = bucket_of("edges", viewer)
        expected = "v0" if bucket < 1 else "v1" if bucket < 9_999 else "v2"
        assert dealt.variant_of(viewer).name == expected


@pytest.mark.parametrize("shares", [(5_000, 4_999), (5_000, 5_001)])
def test_shares_that_leave_viewers_out_are_an_error(shares: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not add up to 10000"):
        experiment("bad", *shares)


def activated(*versions: str) -> InService:
    in_service = InService()
    for version in versions:
        in_service = in_service.activate(version)
    return in_service


def rolled_back(in_service: InService) -> InService:
    assert in_service.before is not None
    return in_service.roll_back(in_service.before)


def test_a_rollback_puts_the_one_before_back_and_the_next_goes_further() -> None:
    first = rolled_back(activated("a", "b", "c"))
    second = rolled_back(first)
    assert (first.active, second.active, rolled_back(second).active) == ("b", "a", "prior")


def test_before_the_first_model_there_is_nothing_to_go_back_to() -> None:
    assert InService().before is None
    assert rolled_back(activated("a")).before is None


def test_a_model_that_came_again_is_gone_back_to_twice() -> None:
    first = rolled_back(activated("a", "b", "a"))
    assert (first.active, rolled_back(first).active) == ("b", "a")


def test_two_rollbacks_that_were_asked_for_at_once_are_one() -> None:
    asked = activated("a", "b", "c")
    assert asked.roll_back("b").roll_back("b") == asked.roll_back("b")


def test_what_is_active_is_not_activated_twice() -> None:
    assert activated("a", "b", "b").before == "a"


def test_so_many_activations_are_remembered() -> None:
    in_service = activated(*(f"m{i}" for i in range(40)))
    for back in range(1, REMEMBERED):
        in_service = rolled_back(in_service)
        assert in_service.active == f"m{39 - back}"
    assert in_service.before is None


def test_an_experiment_that_runs_goes_on_when_another_starts() -> None:
    runs = InService().start(experiment("first"))
    assert runs.start(experiment("second")) is runs
    assert runs.stop("second") is runs
    assert runs.stop("first").experiment is None


def test_the_models_in_use_are_the_active_the_shadow_and_the_variants() -> None:
    in_service = activated("a", "b").with_shadow("s").start(experiment())
    assert in_service.versions == {"b", "s", "prior"}


def test_a_changed_share_moves_only_the_viewers_between() -> None:
    one, other = experiment("x", 3_000, 7_000), experiment("x", 7_000, 3_000)
    moved = [v for v in VIEWERS if one.variant_of(v).name != other.variant_of(v).name]
    assert math.isclose(len(moved) / len(VIEWERS), 0.4, abs_tol=0.01)
