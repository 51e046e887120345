from dataclasses import replace

import numpy as np
import pytest

from ranker.heads import DAY_MS, NAMES
from training.drift import DriftSettings, Reading, between_days, out_of_line, watch
from training.examples import About, Examples, ExampleSet, Posts

CLICK = NAMES.index("click")
BEGIN_MS = 1_800_000_000_000


def served(
    days: int, seed: int = 1, viewers: int = 50, rows: int = 20, wrong_from: int | None = None
) -> ExampleSet:
    """Impressions of some days. Viewers differ, and act as predicted; from a day on, without regard to it."""
    rng = np.random.default_rng(seed)
    n = days * viewers * rows
    day = np.repeat(np.arange(days), viewers * rows)
    viewer = np.tile(np.repeat(np.arange(viewers, dtype=np.int32), rows), days)
    chance = 1 / (1 + np.exp(1.5 - 0.7 * rng.standard_normal(viewers)[viewer] - rng.standard_normal(n)))
    last = np.flatnonzero(day >= (days if wrong_from is None else wrong_from))
    true = chance.copy()
    true[last] = chance[rng.permutation(last)]
    labels = np.zeros((n, len(NAMES)), np.uint8)
    labels[:, CLICK] = rng.random(n) < true
    probabilities = np.full((n, len(NAMES)), np.nan, np.float32)
    probabilities[:, CLICK] = chance
    number = np.arange(n, dtype=np.int32)
    time_ms = BEGIN_MS + day * DAY_MS + np.tile(np.arange(viewers * rows) * 10_000, days)
    examples = Examples(
        features=np.zeros((n, 0), np.float32), viewer=viewer, post=np.zeros(n, np.int32), request=number,
        group=number, time_ms=time_ms, place=number * 0,
        surface=np.zeros(n, np.int8), propensity=np.ones(n), score=np.zeros(n), probabilities=probabilities,
        source=np.zeros(n, np.int8), variant=np.full(n, -1, np.int16), labels=labels,
        weight=np.ones(n, np.float32),
    )  # fmt: skip
    posts = Posts(
        ids=np.array(["p"], np.object_), author=np.zeros(1, np.int32), language=np.zeros(1, np.int32),
        created_ms=np.zeros(1, np.int64), vector=np.zeros((1, 1), np.float16), languages=("en",),
    )  # fmt: skip
    return ExampleSet(examples, posts, About(made_by="a test", heads=("click",)))


def test_a_change_on_the_last_day_is_noticed() -> None:
    assert watch(served(6, wrong_from=5)).noticed


def test_days_as_predicted_are_in_line() -> None:
    report = watch(served(8))
    assert not report.noticed
    assert min(day.p for day in report.days[3:]) > 0.001


def test_false_alarms_are_as_rare_as_stated() -> None:
    """One in ten asked for, 400 networks without drift: 40 alarms expected, four deviations are 24."""
    settings = DriftSettings(false_alarms=0.1, least_rows=50, least_positives=5)
    alarms = sum(watch(served(6, seed, viewers=20, rows=5), settings).noticed for seed in range(400))
    assert 16 <= alarms <= 64


def test_predictions_that_are_as_wrong_as_ever_are_no_drift() -> None:
    found = served(6)
    bold = np.clip(2 * found.examples.probabilities, 0.01, 0.99)
    assert not watch(replace(found, examples=replace(found.examples, probabilities=bold))).noticed


def test_the_slope_is_one_where_predictions_hold_and_not_positive_where_they_tell_nothing() -> None:
    days = watch(served(6, viewers=200, wrong_from=5)).days
    assert days[0].heads["click"].slope == pytest.approx(1, abs=4 * days[0].heads["click"].slope_error)
    assert days[5].heads["click"].slope < 4 * days[5].heads["click"].slope_error


def test_a_day_out_of_line_is_no_reference_for_the_next() -> None:
    days = watch(served(8, wrong_from=6)).days
    assert days[-2].p < 0.005
    assert days[-1].p < 0.005


def test_with_few_days_nothing_is_judged() -> None:
    report = watch(served(3, wrong_from=2))
    assert not report.noticed
    assert np.isnan(report.days[-1].p)


def test_heads_that_the_rows_are_not_labelled_for_are_passed_over() -> None:
    found = served(6)
    everything = replace(found, examples=replace(found.examples, probabilities=np.full_like(
        found.examples.probabilities, 0.2)))  # fmt: skip
    assert set(watch(everything).days[-1].heads) == {"click"}


def test_what_a_log_without_probabilities_says_is_nothing() -> None:
    found = served(4)
    unknown = np.full_like(found.examples.probabilities, np.nan)
    assert watch(replace(found, examples=replace(found.examples, probabilities=unknown))).days == []


def test_days_that_differ_by_no_more_than_their_errors_have_no_spread_between_them() -> None:
    assert between_days(np.array([0.01, -0.01, 0.0]), np.full(3, 0.01)) == 0
    assert between_days(np.array([1.0, -1.0, 0.0]), np.full(3, 0.01)) == pytest.approx(0.99)


def test_a_day_as_the_mean_of_its_references_is_right_in_line() -> None:
    days = [Reading(value, 0.1, 50) for value in (0.8, 1.0, 1.2)]
    assert out_of_line(days[1], days)[0] == pytest.approx(0)


def test_a_day_on_which_people_do_less_is_noticed_though_the_right_posts_are_thought_best() -> None:
    found = served(6, viewers=100)
    rng = np.random.default_rng(3)
    last = found.examples.time_ms >= BEGIN_MS + 5 * DAY_MS
    labels = found.examples.labels * ~(last & (rng.random(len(last)) < 0.4))[:, None]
    report = watch(replace(found, examples=replace(found.examples, labels=labels)))
    assert report.noticed
    assert report.days[-1].t["level"] < -5 < report.days[-1].t["slope"]


def test_a_fall_is_noticed_where_a_viewers_posts_are_all_predicted_alike() -> None:
    found = served(6)
    same = np.full_like(found.examples.probabilities, 0.25)
    labels = found.examples.labels.copy()
    labels[found.examples.time_ms >= BEGIN_MS + 5 * DAY_MS] = 0
    report = watch(replace(found, examples=replace(found.examples, probabilities=same, labels=labels)))
    assert report.noticed
    assert report.document()["days"][-1]["heads"]["click"]["slope"] is None
