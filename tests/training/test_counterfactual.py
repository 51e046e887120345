"""Estimates beside known truth, and intervals that say what the log can't tell."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.coverage import WORLDS, coverage
from training.counterfactual import ESTIMATORS, Logged, crossed, estimate, own_value

RANDOM = np.random.default_rng(4)


def coin(propensity: float, decisions: int = 20_000, seed: int = 1) -> Logged:
    """A log that takes the target's action with some propensity, and earns 1 by it each second time."""
    random = np.random.default_rng(seed)
    taken = random.random(decisions) < propensity
    reward = np.where(taken, random.random(decisions) < 0.5, 0).astype(np.float64)
    chance = np.where(taken, propensity, 1 - propensity)
    nothing = np.zeros(decisions)
    return Logged(reward, chance, taken * 1.0, nothing, nothing, np.arange(decisions), (0, 1))


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_hold_the_truth_as_often_as_they_say(world: str) -> None:
    found = coverage(world, runs=100, viewers=400, seed=5)
    assert all(0.86 <= one["coverage"] <= 1 for one in found.values())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_are_centred_on_the_truth(name: str) -> None:
    world = WORLDS["close"]
    rngs = np.random.default_rng(8).spawn(60)
    errors = [estimate(world.logged(rng, 300)).estimates[name].value - world.truth for rng in rngs]
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors))


def test_shrunken_weights_have_a_smaller_error_where_weights_are_heavy() -> None:
    found = coverage("far", runs=100, viewers=300, seed=6)
    assert found["dros"]["rmse"] < found["ips"]["rmse"]


@pytest.mark.parametrize("seed", range(5))
def test_a_propensity_of_one_in_a_million_gives_no_tight_interval(seed: int) -> None:
    found = estimate(coin(1e-6, seed=seed))
    assert all((one.low, one.high) == (0, 1) for one in found.estimates.values())
    assert found.overlap.warnings[0].startswith("POOR OVERLAP")


def test_one_lucky_draw_of_a_rare_choice_gives_no_tight_interval_either() -> None:
    log = coin(1e-6)
    reward, target, propensity = log.reward.copy(), log.target.copy(), log.propensity.copy()
    reward[0], target[0], propensity[0] = 1, 1, 1e-6
    found = estimate(replace(log, reward=reward, target=target, propensity=propensity))
    assert all(one.high - one.low == 1 for one in found.estimates.values())


def test_the_part_of_a_target_that_was_never_seen_enters_with_least_and_greatest_reward() -> None:
    decisions, half = 10_000, np.full(10_000, 0.5)
    reward = (RANDOM.random(decisions) < 0.5) * 1.0
    nothing = np.zeros(decisions)
    log = Logged(
        reward, half, half * 0.8, nothing, nothing, np.arange(decisions), (0, 1), np.full(decisions, 0.2)
    )
    found = estimate(log)
    assert found.estimates["ips"].high - found.estimates["ips"].low > 0.2
    assert "20.0% of what the target does" in found.overlap.warnings[0]


def test_the_unseen_part_is_told_by_the_weights_where_the_log_does_not_say() -> None:
    decisions, half = 10_000, np.full(10_000, 0.5)
    nothing = np.zeros(decisions)
    log = Logged(half, half, half * 0.8, nothing, nothing, np.arange(decisions), (0, 1))
    assert estimate(log).overlap.unseen == pytest.approx(0.2)


def test_even_overlap_is_not_warned_of_and_counts_every_decision() -> None:
    log = coin(0.5)
    found = estimate(replace(log, propensity=np.ones(len(log)), target=np.ones(len(log))))
    assert found.overlap.effective_sample_size == pytest.approx(len(log))
    assert found.overlap.warnings == ()


def test_a_log_without_a_click_does_not_claim_that_nobody_clicks() -> None:
    found = own_value(np.zeros(1_000), np.arange(1_000), (0, 1))
    assert (found.value, found.low) == (0, 0)
    assert 2.5e-3 < found.high < 12e-3


def test_rows_of_one_viewer_do_not_count_as_independent() -> None:
    reward = np.repeat(RANDOM.random(200) < 0.5, 50) * 1.0
    alone = own_value(reward, np.arange(10_000), (0, 1))
    clustered = own_value(reward, np.repeat(np.arange(200), 50), (0, 1))
    assert clustered.standard_error == pytest.approx(alone.standard_error * np.sqrt(50), rel=0.05)


def test_a_crossed_model_never_learns_from_the_rows_that_it_answers_for() -> None:
    cluster = np.repeat(np.arange(40), 3)

    def learned(others: NDArray[np.bool_], these: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
        assert not set(cluster[others]) & set(cluster[these])
        return np.full(these.sum(), 1.0), np.full(these.sum(), 2.0)

    done, of_target = crossed(cluster, learned)  # type: ignore[arg-type]
    assert (done == 1).all()
    assert (of_target == 2).all()


def test_propensities_that_can_not_hold_are_said_to_be_wrong() -> None:
    log = coin(0.5)
    found = estimate(replace(log, propensity=log.propensity / 20))
    assert found.overlap.warnings[0].startswith("WRONG PROPENSITIES")
    assert all((one.low, one.high) == (0, 1) for one in found.estimates.values())
