from ranker.metrics import Metrics
from ranker.models import Serving
from ranker.prior import Prior


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """The answers of each experiment and variant."""
    (family,) = metrics.variants.collect()
    rows = [one for one in family.samples if one.name.endswith("_total")]
    return {(one.labels["experiment"], one.labels["variant"]): one.value for one in rows}


def test_answers_are_counted_by_variant() -> None:
    metrics = Metrics()
    for variant in ("a", "b", "a"):
        metrics.count(Serving(Prior(), "first", variant))
    assert counted(metrics) == {("first", "a"): 2, ("first", "b"): 1}


def test_an_answer_of_no_experiment_is_counted_for_none() -> None:
    metrics = Metrics()
    metrics.count(Serving(Prior()))
    assert counted(metrics) == {}


def test_only_the_last_experiment_has_labels() -> None:
    metrics = Metrics()
    for experiment in ("first", "second", "third"):
        metrics.count(Serving(Prior(), experiment, "a"))
    assert counted(metrics) == {("third", "a"): 1}
