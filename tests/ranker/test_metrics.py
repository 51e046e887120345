from ranker.metrics import Metrics
from ranker.models import Serving
from ranker.pipeline import Trace
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


def test_what_filters_took_out_adds_up_by_name_and_nothing_is_a_sum_too() -> None:
    metrics = Metrics()
    for removed in ({"seen": 3, "hidden": 0}, {"seen": 2}):
        metrics.observe(Trace(removed=removed))
    told = {
        name: metrics.registry.get_sample_value("feedrank_removed_total", {"filter": name})
        for name in ("seen", "hidden", "served")
    }
    assert told == {"seen": 5, "hidden": 0, "served": None}


def test_what_a_stage_took_counts_up_to_its_bounds() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.003):
        metrics.observe(Trace(seconds={"heads": seconds}))
    told = {
        le: metrics.registry.get_sample_value("feedrank_stage_seconds_bucket", {"stage": "heads", "le": le})
        for le in ("0.0005", "0.001", "0.002", "0.004", "+Inf")
    }
    assert told == {"0.0005": 0, "0.001": 1, "0.002": 1, "0.004": 2, "+Inf": 2}
    assert metrics.registry.get_sample_value("feedrank_stage_seconds_sum", {"stage": "heads"}) == 0.004
