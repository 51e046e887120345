"""Prometheus metrics."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ranker.models import Serving
from ranker.pipeline import Trace

_POSTS = (0, 10, 20, 50, 100, 200, 300, 400, 500, 600, 800, 1_000)
_REFUSAL_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.05, 0.1, 0.5)
_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """What the service tells of itself, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("feedrank_requests", "Calls.", ["method", "code"], registry=registry)
        self.request_seconds = Histogram(
            "feedrank_request_seconds", "Time of a call.", ["method"], buckets=_SECONDS, registry=registry
        )
        self.stage_seconds = _StageSeconds()
        registry.register(self.stage_seconds)
        self.candidates = _Sums("feedrank_candidates", "Posts that a source brought.", "source")
        self.removed = _Sums("feedrank_removed", "Posts that a filter took out.", "filter")
        for one in (self.candidates, self.removed):
            registry.register(one)
        self.scored = Histogram(
            "feedrank_scored_posts", "Posts scored for an answer.", buckets=_POSTS, registry=registry
        )
        self.refusal_seconds = Histogram(
            "feedrank_refusal_seconds",
            "From a call's coming to its refusal.",
            buckets=_REFUSAL_SECONDS,
            registry=registry,
        )
        self.degraded = Counter(
            "feedrank_degraded", "What answers lacked.", ["stage", "reason"], registry=registry
        )
        self.variants = Counter(
            "feedrank_variant_answers",
            "Answers of the running experiment.",
            ["experiment", "variant"],
            registry=registry,
        )
        self._experiment = ""
        # What a name counts to is looked up once: that takes as long as counting.
        self._request = cache(self.requests.labels)
        self._request_seconds = cache(self.request_seconds.labels)
        self.rows = Counter("feedrank_rows", "Rows of write calls.", ["kind", "outcome"], registry=registry)

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(f"feedrank_{name}", meaning, registry=self.registry).set_function(read)

    def watch_label(self, name: str, meaning: str, label: str, read: Callable[[], str]) -> None:
        """A gauge that is 1 under a label that is read when somebody asks."""
        self.registry.register(_Label(f"feedrank_{name}", meaning, label, read))

    def called(self, method: str, code: str, seconds: float) -> None:
        """Count a call."""
        self._request(method, code).inc()
        self._request_seconds(method).observe(seconds)

    def refused(self, method: str) -> None:
        """Count a call that was not answered for lack of time."""
        self._request(method, "RESOURCE_EXHAUSTED").inc()

    def observe(self, trace: Trace) -> None:
        """Count what happened on the way of one answer."""
        self.stage_seconds.observe(trace.seconds)
        self.candidates.add(trace.found)
        self.removed.add(trace.removed)
        self.scored.observe(trace.scored)
        for stage, reason in trace.degraded:
            self.degraded.labels(stage, reason).inc()

    def count(self, serving: Serving) -> None:
        """Count an answer of an experiment. Another one's counts go, so that there are never many labels."""
        if not serving.experiment:
            return
        if serving.experiment != self._experiment:
            self._experiment = serving.experiment
            self.variants.clear()
        self.variants.labels(serving.experiment, serving.variant).inc()


class _Sums(Collector):
    """A counter by name, which takes all names of an answer at once: the library's takes as long for each."""

    def __init__(self, name: str, meaning: str, label: str) -> None:
        self._lock = threading.Lock()
        self._family = partial(CounterMetricFamily, name, meaning, labels=[label])
        self._sums: dict[str, int] = {}

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to the sum of each name."""
        with self._lock:
            for name, count in counts.items():
                self._sums[name] = self._sums.get(name, 0) + count

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The sums of now."""
        family = self._family()
        with self._lock:
            for name, total in self._sums.items():
                family.add_metric([name], total)
        yield family


class _StageSeconds(Collector):
    """A histogram by stage, which takes all stages of an answer at once, as `_Sums` does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, seconds: Mapping[str, float]) -> None:
        """Count what each stage took."""
        with self._lock:
            for stage, spent in seconds.items():
                if stage not in self._counts:
                    self._counts[stage], self._sums[stage] = [0] * (len(_SECONDS) + 1), 0.0
                self._counts[stage][bisect_left(_SECONDS, spent)] += 1
                self._sums[stage] += spent

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The histogram of now."""
        family = HistogramMetricFamily("feedrank_stage_seconds", "Time of a stage.", labels=["stage"])
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        with self._lock:
            for stage, counts in self._counts.items():
                family.add_metric(
                    [stage], list(zip(bounds, accumulate(counts), strict=True)), self._sums[stage]
                )
        yield family


@dataclass(frozen=True)
class _Label(Collector):
    name: str
    meaning: str
    label: str
    read: Callable[[], str]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge, under the label's value of now."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=[self.label])
        family.add_metric([self.read()], 1)
        yield family
