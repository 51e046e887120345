"""An evaluation ranks what was shown, says how sure it is, and what it can't tell."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ranker import features
from ranker.errors import InvalidArgument
from ranker.heads import NAMES, Prediction, predicted
from training import baselines
from training.bench import parts_by_time
from training.evaluate import Knobs, evaluate, trained_before
from training.evaluation import FEW, SAME, Evaluation
from training.examples import About, Examples, ExampleSet, Posts, not_logged
from training.metrics import Ranked, mean

CLICK = NAMES.index("click")
KNOBS = Knobs(draws=200, least_rows=300)


class Reads:
    """A model that says what one feature says."""

    def __init__(self, name: str) -> None:
        self.column = features.NAMES.index(name)

    def predict(self, rows: NDArray[np.float32]) -> Prediction:
        chances = np.zeros((len(rows), len(NAMES)))
        chances[:, CLICK] = rows[:, self.column]
        return predicted(chances)


@cache
def shown(lists: int = 1_500, size: int = 8, seed: int = 1) -> ExampleSet:
    """Lists of posts; the feature `agreement` is the chance of a click, the click rate is it with noise."""
    random, rows = np.random.default_rng(seed), lists * size
    columns = random.random((rows, len(features.NAMES))).astype(np.float32)
    chance = random.beta(1, 4, rows)
    columns[:, features.NAMES.index("agreement")] = chance
    columns[:, features.NAMES.index("post_click_rate")] = chance + random.normal(0, 0.2, rows)
    labels = np.zeros((rows, len(NAMES)), np.uint8)
    labels[:, CLICK] = random.random(rows) < chance
    group = np.repeat(np.arange(lists, dtype=np.int32), size)
    examples = Examples(
        **not_logged(rows),
        features=columns,
        viewer=(group % 150).astype(np.int32),
        post=random.integers(0, 300, rows, np.int32),
        request=group,
        group=group,
        time_ms=10**12 + group.astype(np.int64) * 1_000,
        place=np.tile(np.arange(size, dtype=np.int32), lists),
        surface=np.ones(rows, np.int8),
        labels=labels,
        weight=np.ones(rows, np.float32),
    )
    vectors = random.normal(size=(300, 4)).astype(np.float16)
    return ExampleSet(examples, posts(vectors), About(made_by="dice"))


def posts(vector: NDArray[np.float16]) -> Posts:
    number = np.arange(300, dtype=np.int32)
    return Posts(
        ids=number.astype(str).astype(object),
        author=number % 40,
        language=number % 2,
        created_ms=10**12 - number.astype(np.int64) * 10**6,
        vector=vector,
        languages=("de", "en"),
    )


@cache
def judged() -> Evaluation:
    return evaluate(shown(), Reads("agreement"), KNOBS)


def test_the_test_is_the_last_fifth_in_time() -> None:
    assert judged().sizes["examples"] == pytest.approx(len(shown().examples) * KNOBS.tested, abs=8)
    assert judged().sizes["examples"] + judged().sizes["examples_before"] == len(shown().examples)


def test_the_auc_is_that_of_scikit_learn_on_the_test() -> None:
    late = shown().examples[parts_by_time(shown().examples, KNOBS.tested)[1]]
    score = Reads("agreement").predict(late.features).probabilities[:, CLICK]
    expected = roc_auc_score(late.labels[:, CLICK], score)
    assert judged().targets["click"].figures["model"]["auc"].value == pytest.approx(expected)


def test_a_model_that_knows_the_chances_is_calibrated_and_beats_every_baseline() -> None:
    click = judged().targets["click"]
    assert click.figures["model"]["calibration_error"].value < 0.05
    assert click.figures["model"]["normalised_entropy"].value < 1
    assert {one["auc"].verdict for one in click.gains.values()} == {"better"}


def test_a_few_viewers_can_not_say_which_is_better() -> None:
    rows = replace(shown().examples, viewer=shown().examples.group % 3)
    found = evaluate(replace(shown(), examples=rows), Reads("agreement"), KNOBS)
    assert {one.verdict for one in found.targets["click"].gains["random"].values()} == {FEW}


def test_two_orders_of_chance_are_not_distinguishable() -> None:
    click = evaluate(shown(), Reads("hour"), KNOBS).targets["click"]
    gain = click.gains["random"]["auc_per_viewer"]
    assert gain.verdict == SAME
    assert gain.low < 0 < gain.high


def test_the_errors_of_lists_of_viewers_with_one_list_are_those_of_a_mean() -> None:
    data = shown(750, 8, 7)
    late = data.examples[parts_by_time(data.examples, KNOBS.tested)[1]]
    score = Reads("agreement").predict(late.features).probabilities[:, CLICK]
    by_list = Ranked.of(late.group, score, late.labels[:, CLICK].astype(float)).ndcg()
    figure = evaluate(data, Reads("agreement"), KNOBS).targets["click"].figures["model"]["ndcg_at_10"]
    assert figure.value == pytest.approx(mean(by_list).value)
    assert figure.standard_error == pytest.approx(mean(by_list).standard_error, rel=0.2)


def test_a_model_that_learned_from_the_test_is_called_out() -> None:
    note = evaluate(shown(), Reads("hour"), KNOBS, learned_until_ms=10**13).notes[0]
    assert note.startswith("THE MODEL MAY HAVE LEARNED FROM THE TEST: 100%")


def test_a_model_learns_only_what_was_known_when_the_test_began() -> None:
    rows = shown().examples
    days = replace(shown(), examples=replace(rows, time_ms=rows.time_ms[0] + rows.group * 10 * 60_000))
    begin_ms = days.examples.time_ms[parts_by_time(days.examples, KNOBS.tested)[1]].min()
    assert trained_before(days, KNOBS)[1] <= begin_ms
    assert trained_before(shown(), KNOBS)[1] > shown().examples.time_ms.max()


def test_what_can_not_be_told_is_said_and_not_zero() -> None:
    blind = replace(shown(), posts=posts(np.full((300, 4), np.nan, np.float16)))
    found = evaluate(blind, Reads("agreement"), KNOBS)
    assert found.not_computed["similarity"] == "no post has a vector"
    assert "not logged" in found.not_computed["current_model"]
    assert found.not_computed["report"] == "0 positives in the test"
    assert "similarity" not in found.beyond["model"]


def test_cohorts_are_named_and_the_empty_ones_too() -> None:
    assert {"language de", "language en", "new viewers", "small authors"} <= judged().cohorts.keys()
    old = replace(shown(), posts=replace(shown().posts, created_ms=np.full(300, 10**11)))
    assert evaluate(old, Reads("hour"), KNOBS).not_computed["new posts"] == "0 examples in the test"


def test_the_document_says_who_chose_what_was_shown() -> None:
    document = judged().document()
    assert "as_shown and current_model are not neutral" in document["notes"][0]
    assert document["targets"]["value"]["gain_over"]["popular"]["verdict"]["auc"] in {"better", SAME}


def test_every_column_of_the_baselines_is_a_feature() -> None:
    for baseline in baselines.BASELINES[:-2]:
        assert len(baseline.score(shown(), "click")) == len(shown().examples)
    with pytest.raises(InvalidArgument, match="there is no feature charm"):
        baselines.column(shown().examples, "charm")
