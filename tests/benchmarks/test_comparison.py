"""Comparisons: what is chance is not told, what is not chance is."""

import numpy as np
import pytest

from benchmarks.comparison import Comparison, compare
from benchmarks.keys import meaning
from benchmarks.results import Measured, Results
from ranker.errors import InvalidArgument

HERE: dict[str, str | int] = {"cpu": "A", "cores": 2, "system": "Linux"}


def results(options: tuple[str, ...] = (), cpu: str = "A", **keys: list[float]) -> Results:
    runs = [dict(zip(keys, values, strict=True)) for values in zip(*keys.values(), strict=True)]
    return Results(HERE | {"cpu": cpu}, {"load": Measured("?", list(options), runs)})


def judged(before: Results, after: Results) -> Comparison:
    return compare(before, after, tolerance=0.05, confidence=0.99)


def test_a_figure_that_is_worse_beyond_chance_and_tolerance_is_a_regression() -> None:
    found = judged(results(p99_ms=[10, 10.1, 9.9]), results(p99_ms=[12, 12.1, 11.9]))
    assert [change.key for change in found.regressions] == ["p99_ms"]
    low, high = found.changes[0].interval or (0, 0)
    assert low < 1.2 < high


def test_the_direction_of_a_key_decides_what_is_worse() -> None:
    found = judged(
        results(requests_per_second=[10, 10.1, 9.9]), results(requests_per_second=[12, 12.1, 11.9])
    )
    assert [change.verdict for change in found.changes] == ["better"]


def test_a_difference_within_the_noise_is_not_distinguishable() -> None:
    found = judged(results(p99_ms=[10, 14, 8]), results(p99_ms=[12, 9, 15]))
    assert [change.verdict for change in found.changes] == ["not distinguishable"]


def test_a_figure_worse_within_the_tolerance_is_told_but_no_regression() -> None:
    found = judged(results(p99_ms=[10, 10.01, 9.99]), results(p99_ms=[10.3, 10.31, 10.29]))
    assert [change.verdict for change in found.changes] == ["worse"]
    assert not found.regressions


def test_of_one_run_nothing_is_told_apart() -> None:
    found = judged(results(p99_ms=[10]), results(p99_ms=[50]))
    assert [(change.verdict, change.interval) for change in found.changes] == [("not distinguishable", None)]


@pytest.mark.parametrize(("after", "verdict"), [(900, "better"), (901, "not distinguishable")])
def test_what_a_seed_gives_in_every_run_is_told_apart_without_an_interval(after: int, verdict: str) -> None:
    found = judged(results(bytes_per_post=[901] * 3), results(bytes_per_post=[after] * 3))
    assert [(change.verdict, change.interval) for change in found.changes] == [(verdict, None)]


def test_a_side_of_equal_runs_beside_one_that_varies_has_an_interval() -> None:
    change = judged(results(p99_ms=[10, 10, 10]), results(p99_ms=[9, 10, 11.2])).changes[0]
    assert change.interval is not None
    assert change.verdict == "not distinguishable"


def test_recall_may_lose_less_than_time() -> None:
    found = judged(results(recall_at_500=[0.95, 0.95]), results(recall_at_500=[0.93, 0.93]))
    assert [change.verdict for change in found.changes] == ["regression"]


def test_ten_times_nothing_is_nothing() -> None:
    before = results(max_relative_difference=[1e-16, 1e-16])
    found = judged(before, results(max_relative_difference=[1e-13, 1e-13]))
    assert found.changes[0].verdict == "not distinguishable"


def test_results_of_another_machine_are_refused_unless_asked_for() -> None:
    before, after = results(p99_ms=[1, 1]), results(p99_ms=[1, 1], cpu="B")
    with pytest.raises(InvalidArgument, match="--across-machines"):
        judged(before, after)
    found = compare(before, after, tolerance=0.05, confidence=0.99, across_machines=True)
    assert "the machines differ" in found.left_out[0]


def test_runs_with_other_options_are_left_out() -> None:
    found = judged(results(p99_ms=[1, 1]), results(("--posts", "9"), p99_ms=[1, 1]))
    assert found.changes == []
    assert "other options" in found.left_out[0]


def test_equal_results_are_seldom_told_apart() -> None:
    random = np.random.default_rng(1)
    made = (np.exp(random.normal(3, 0.1, (2, 5))).tolist() for _ in range(400))
    told = [judged(results(p50_ms=a), results(p50_ms=b)).changes[0].verdict for a, b in made]
    assert sum(verdict != "not distinguishable" for verdict in told) < 0.025 * 400


@pytest.mark.parametrize(
    ("key", "better"),
    [
        ("p50_ms", "lower"),
        ("events_per_second", "higher"),
        ("posts", "neither"),
        ("bytes_per_post", "lower"),
        ("min_cosine", "higher"),
        ("real_cosine_of_neighbour_1_of_1000", "neither"),
        ("cosine_of_neighbour_1", "neither"),
        ("cosines_ms", "lower"),
    ],
)
def test_a_key_says_which_way_is_better(key: str, better: str) -> None:
    assert meaning(key).better == better
