"""The benchmarks that `feedrank bench` knows, in the order in which they run."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranker.errors import NotFound

DATA = "{data}"
"""In options: a folder that the benchmarks of a run share, so that a network is prepared once."""

_MILLION = ("--posts", "1000000", "--viewers", "100000", "--data", f"{DATA}/million")
_FEW = ("--posts", "2000", "--viewers", "200", "--data", f"{DATA}/few")


@dataclass(frozen=True)
class Benchmark:
    """One question: the module `benchmarks.<name>`, which prints one JSON object with `--json`."""

    name: str
    minutes: float
    """About, for one run on two cores."""
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    """Options instead, to see in seconds that it runs."""
    headlines: tuple[str, ...] = ()
    """The keys to look at first."""

    @property
    def question(self) -> str:
        """The first line of the file."""
        source = Path(__file__).with_name(f"{self.name}.py").read_text()
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


SUITE = (
    Benchmark(
        "scoring",
        2,
        quick=("--repeats", "5"),
        headlines=("speedup_over_lightgbm_random", "speedup_over_lightgbm_real", "max_relative_difference"),
    ),
    Benchmark(
        "retrieval",
        8,
        ("--posts", "1000000"),
        ("--posts", "3000", "--turnovers", "0"),
        (
            "one_query_p50_ms",
            "recall_at_500",
            "four_interests_p50_ms",
            "four_interests_recall_at_120",
            "bytes_per_post",
        ),
    ),
    Benchmark(
        "features",
        4,
        _MILLION,
        (*_FEW, "--asking", "10", "--rounds", "1"),
        ("features_p50_ms", "features_min_ms", "speedup_over_numpy_dots"),
    ),
    Benchmark(
        "sources", 4, _MILLION, (*_FEW, "--asking", "20", "--rounds", "1"), ("sources_p50_ms", "page_p50_ms")
    ),
    Benchmark(
        "fold",
        3,
        ("--posts", "100000", "--viewers", "10000"),
        ("--posts", "2000", "--viewers", "200", "--batches", "2"),
    ),
    Benchmark(
        "memory", 3, _MILLION, _FEW, ("resident_mb", "accounted_share", "bytes_per_post", "bytes_per_viewer")
    ),
    Benchmark("embedding", 3, ("--threads", "2"), ("--posts", "60", "--rounds", "1"), ("posts_per_second",)),
    Benchmark("startup", 3, _MILLION, (*_FEW, "--repeats", "1"), ("warm_median_s",)),
    Benchmark(
        "timeline",
        4,
        (*_MILLION, "--bundle"),
        (*_FEW, "--seconds", "1", "--warm-up-s", "0.2"),
        ("random_p50_ms", "random_p99_ms"),
    ),
    Benchmark(
        "load",
        8,
        _MILLION,
        (*_FEW, "--step-s", "1", "--seconds", "2", "--most", "20", "--events", "1000"),
        ("requests_per_second", "p50_ms", "p99_ms", "events_per_second", "writing_p99_ms"),
    ),
    Benchmark(
        "scale",
        6,
        ("--posts", "1000", "--posts", "10000", "--posts", "100000", "--posts", "1000000"),
        ("--posts", "300", "--posts", "600", "--candidates", "100", "--candidates", "500", "--pages", "3"),
        ("posts_1000000_candidates_500_total_p50_ms", "posts_1000000_candidates_2000_total_p50_ms"),
    ),
    Benchmark("training", 5, quick=("--examples", "20000"), headlines=("seconds", "peak_gib", "mean_auc")),
    Benchmark("examples", 2, quick=("--rows", "60000", "--posts", "500")),
    Benchmark("coverage", 10, quick=("--runs", "10", "--viewers", "100")),
)


def chosen(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """The benchmarks with these names, in the suite's order; all without names. Raises NotFound."""
    known = {one.name for one in SUITE}
    if unknown := [name for name in names if name not in known]:
        raise NotFound(f"there is no benchmark {unknown[0]!r}: `feedrank bench list` names them")
    return tuple(one for one in SUITE if not names or one.name in names)
