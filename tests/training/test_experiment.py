"""The read-out on simulated logs whose truth is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from feedrank import ExperimentVariant
from scipy import stats

from ranker import entries
from ranker.errors import InvalidArgument, NotFound
from ranker.heads import NAMES, weights
from tests.ranker.network import NOW
from training.examples import About, Examples, ExampleSet, Posts, not_logged
from training.experiment import Ratios, Readout, experiments_of, holm, read_out

HALVES = {"control": 0.5, "new": 0.5}
LIKE, REPLY = NAMES.index("like"), NAMES.index("reply")


def log(
    seed: int,
    viewers: int = 400,
    likes: float = 1.0,
    kept: Sequence[float] = (1.0, 1.0),
    variants: Sequence[int] | None = None,
    **about: Any,
) -> ExampleSet:
    """Viewers of a control and a new variant, each with answers of five posts and a taste for likes.

    `likes`: what the new variant multiplies the chance of a like by. `kept`: the share of each variant's
    viewers that the log has. `variants`: each viewer's; else drawn.
    """
    rng = np.random.default_rng(seed)
    variant = rng.integers(0, 2, viewers) if variants is None else np.array(variants)
    variant = variant[rng.random(len(variant)) < np.array(kept)[variant]]
    answers = rng.geometric(0.3, len(variant))
    viewer = np.repeat(np.arange(len(variant)), 5 * answers)
    chance = (rng.beta(2, 20, len(variant)) * np.where(variant, likes, 1))[viewer]
    labels = np.zeros((len(viewer), len(NAMES)), np.uint8)
    labels[:, LIKE] = rng.random(len(viewer)) < chance
    labels[:, REPLY] = rng.random(len(viewer)) < chance / 4
    return example_set(viewer, np.repeat(np.arange(answers.sum()), 5), labels, variant[viewer], **about)


def example_set(
    viewer: Any,
    answer: Any,
    labels: Any,
    variant: Any,
    names: Sequence[str] = ("e/control", "e/new"),
    **about: Any,
) -> ExampleSet:
    rows = len(viewer)
    columns: dict[str, Any] = {
        "features": np.zeros((rows, 0), np.float32),
        "viewer": np.asarray(viewer, np.int32),
        "post": np.zeros(rows, np.int32),
        "request": np.asarray(answer, np.int32),
        "group": np.asarray(answer, np.int32),
        "time_ms": np.arange(rows),
        "place": np.zeros(rows, np.int32),
        "surface": np.ones(rows, np.int8),
        **not_logged(rows),
        "variant": np.asarray(variant, np.int16),
        "labels": np.asarray(labels, np.uint8),
        "weight": np.ones(rows, np.float32),
    }
    posts = Posts(
        ids=np.array(["p"], object),
        author=np.zeros(1, np.int32),
        language=np.zeros(1, np.int32),
        created_ms=np.zeros(1, np.int64),
        vector=np.zeros((1, 4), np.float16),
        languages=("en",),
    )
    return ExampleSet(Examples(**columns), posts, About(made_by="a test", variants=tuple(names), **about))


def found(examples: ExampleSet) -> Readout:
    return read_out(examples, "e", HALVES)


@pytest.fixture(scope="module")
def same() -> list[Readout]:
    """So many experiments whose variants are the same."""
    return [found(log(seed, viewers=300)) for seed in range(250)]


@pytest.mark.parametrize("unit", ["per_post_difference", "per_viewer_difference"])
@pytest.mark.parametrize("metric", ["value", "like"])
def test_variants_that_are_the_same_differ_in_one_experiment_of_twenty(
    same: list[Readout], unit: str, metric: str
) -> None:
    alarms = sum(getattr(one.readings[1], unit)[metric].p < 0.05 for one in same)
    assert stats.binomtest(alarms, len(same), 0.05).pvalue > 0.001


def test_a_verdict_among_all_comparisons_is_false_in_at_most_one_experiment_of_twenty(
    same: list[Readout],
) -> None:
    told = [
        {
            one.verdict
            for one in (
                *r.readings[1].per_post_difference.values(),
                *r.readings[1].per_viewer_difference.values(),
            )
        }
        for r in same
    ]
    alarms = sum(bool(verdicts & {"higher", "lower"}) for verdicts in told)
    assert stats.binomtest(alarms, len(same), 0.05, alternative="greater").pvalue > 0.001


def test_viewers_that_divide_as_they_should_are_no_mismatch(same: list[Readout]) -> None:
    assert sum(one.sample_ratio_mismatch for one in same) <= 3
    assert stats.kstest([one.sample_ratio_p for one in same], "uniform").statistic < 0.13


def test_rows_as_units_would_alarm_too_often() -> None:
    """Posts of one viewer go together: an interval over posts is too short, one over viewers is not."""
    short = wide = 0
    for seed in range(100):
        rows = log(seed, viewers=300).examples
        like = rows.labels[:, LIKE].astype(float)
        a, b = like[rows.variant == 0], like[rows.variant == 1]
        short += stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05
        wide += found(log(seed, viewers=300)).readings[1].per_post_difference["like"].p < 0.05
    assert short > 2 * wide


def test_a_planted_effect_is_found_with_its_size() -> None:
    reading = found(log(5, viewers=20_000, likes=1.3)).readings[1]
    like = reading.per_post_difference["like"]
    assert like.verdict == "higher"
    truth = 0.3 * 2 / 22
    assert like.low < truth < like.high
    assert reading.per_viewer_difference["value"].verdict == "higher"
    assert reading.per_post_difference["share"].verdict == "not distinguishable"


def test_a_planted_loss_is_lower() -> None:
    assert (
        found(log(6, viewers=20_000, likes=0.7)).readings[1].per_viewer_difference["value"].verdict == "lower"
    )


def test_intervals_cover_the_planted_effect_in_nineteen_of_twenty_experiments() -> None:
    truth, covered = 0.3 * 2 / 22, 0
    for seed in range(150):
        like = found(log(seed, viewers=600, likes=1.3)).readings[1].per_post_difference["like"]
        covered += like.low <= truth <= like.high
    assert stats.binomtest(covered, 150, 0.95).pvalue > 0.001


def test_viewers_that_one_variant_loses_are_a_mismatch() -> None:
    readout = found(log(7, viewers=20_000, kept=(1.0, 0.9)))
    assert readout.sample_ratio_mismatch
    assert readout.sample_ratio_p < 1e-6


def test_unequal_shares_are_no_mismatch_when_they_were_meant() -> None:
    drawn = np.random.default_rng(8).random(20_000) < 0.1
    readout = read_out(log(8, variants=drawn.astype(int).tolist()), "e", {"control": 90, "new": 10})
    assert not readout.sample_ratio_mismatch
    assert [one.share for one in readout.readings] == [0.9, 0.1]


def test_a_small_log_is_read_out_as_one_counts_by_hand() -> None:
    labels = np.zeros((5, len(NAMES)))
    labels[[0, 1, 4], LIKE] = 1
    labels[4, REPLY] = 1
    readout = found(example_set([0, 0, 1, 2, 3], [0, 1, 2, 3, 4], labels, [0, 0, 0, 1, 1]))
    control, new = readout.readings
    assert (control.viewers, control.answers, control.posts) == (2, 3, 3)
    assert (new.viewers, new.answers, new.posts) == (2, 2, 2)
    assert (control.per_post["like"].value, control.per_viewer["like"].value) == (2 / 3, 1)
    assert new.per_post["value"].value == (weights()["like"] + weights()["reply"]) / 2
    assert new.per_post_difference["like"].value == 1 / 2 - 2 / 3
    assert not control.per_post_difference


def test_a_rate_of_equally_many_posts_has_the_error_of_a_mean() -> None:
    totals = np.array([[0.0], [1.0], [2.0], [5.0]])
    ratios = Ratios.of(totals, np.full(4, 10))
    assert ratios.error[0] == pytest.approx(stats.sem(totals[:, 0] / 10))


def test_a_variant_of_one_viewer_has_unknown_rates() -> None:
    readout = found(example_set([0, 1, 1, 2], range(4), np.zeros((4, len(NAMES))), [0, 1, 1, 1]))
    assert np.isnan(readout.readings[0].per_post["like"].value)
    assert readout.readings[1].per_post_difference["like"].verdict == "not distinguishable"
    assert '"value":null' in readout.model_dump_json()


def test_viewers_with_two_variants_are_left_out_and_counted() -> None:
    readout = found(example_set([0, 1, 2, 3, 3], range(5), np.zeros((5, len(NAMES))), [0, 1, 0, 0, 1]))
    assert readout.in_several_variants == 1
    assert [one.viewers for one in readout.readings] == [2, 1]


def test_answers_before_the_start_and_of_other_experiments_do_not_count() -> None:
    labels = np.zeros((6, len(NAMES)))
    names = ("e/control", "e/new", "other/new")
    examples = example_set([0, 1, 2, 3, 4, 5], range(6), labels, [0, 1, 0, 1, 2, -1], names)
    readout = read_out(examples, "e", HALVES, since_ms=2)
    assert [one.viewers for one in readout.readings] == [1, 1]


@pytest.mark.parametrize(
    ("examples", "experiment", "error", "sentence"),
    [
        (log(1, negatives=0.5), "e", InvalidArgument, "make them with all rows"),
        (log(1), "another", NotFound, "no example is of the experiment another"),
        (
            example_set([0], [0], [[0] * len(NAMES)], [0], ("e/third",)),
            "e",
            InvalidArgument,
            "also the variants third",
        ),
    ],
)
def test_examples_that_tell_nothing_are_refused(
    examples: ExampleSet, experiment: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        read_out(examples, experiment, HALVES)


def test_holm_corrects_as_his_paper_does() -> None:
    assert holm(np.array([0.04, 0.01, 0.03, 0.005])).tolist() == pytest.approx([0.06, 0.03, 0.06, 0.02])


def test_the_journal_tells_of_experiments_also_when_they_have_ended() -> None:
    halves = [ExperimentVariant(name=n, model_version="prior", share_basis_points=5_000) for n in ("a", "b")]
    told = experiments_of(
        [
            ("1-0", entries.of_experiment("first", halves, NOW)),
            ("2-0", entries.of_experiment("ignored", halves, NOW)),
            ("3-0", entries.of_experiments_end("first", NOW)),
            ("4-0", entries.of_experiment("second", halves, NOW + 5)),
        ]
    )
    assert {name: one.started_ms for name, one in told.items()} == {"first": NOW, "second": NOW + 5}
