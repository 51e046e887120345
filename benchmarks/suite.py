"""The benchmarks that `feedrank bench` knows, in the order in which they run."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    headlines: Mapping[str, str] = field(default_factory=dict)
    """The keys to look at first, and what they are in words."""

    @property
    def question(self) -> str:
        """The first line of the file."""
        source = Path(__file__).with_name(f"{self.name}.py").read_text()
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


SUITE = (
    Benchmark(
        "scoring",
        2,
        quick=("--repeats", "5", "--trees", "20", "--bundle-trees", "30"),
        headlines={
            "speedup_over_lightgbm_random": "512 rows x 200 trees x 31 leaves against LightGBM's predict",
            "speedup_over_lightgbm_real": "the same on real feature rows with a real bundle",
            "max_relative_difference": "largest relative difference of the scores",
        },
    ),
    Benchmark(
        "retrieval",
        8,
        ("--posts", "1000000"),
        ("--posts", "12000", "--turnovers", "1"),
        {
            "one_query_p50_ms": "vector search of 1,000,000 posts, 500 nearest, one thread",
            "recall_at_500": "its recall",
            "four_interests_p50_ms": "four interests x 120 in one search",
            "four_interests_recall_at_120": "its recall",
            "after_turnovers_recall_at_500": "recall after three turnovers of all posts",
            "filtered_p50_ms": "500 nearest of the tenth that a filter keeps",
            "filtered_recall": "its recall",
            "bytes_per_post": "vectors and codes of a post",
            "insert_us": "insert of a post",
        },
    ),
    Benchmark(
        "features",
        4,
        _MILLION,
        (*_FEW, "--asking", "10", "--rounds", "1"),
        {"features_p50_ms": "feature rows of 500 candidates, 1,000,000 posts"},
    ),
    Benchmark(
        "sources",
        4,
        _MILLION,
        (*_FEW, "--asking", "20", "--rounds", "1"),
        {
            "sources_p50_ms": "all sources but the vector search",
            "filters_and_selection_p50_ms": "filters and selection",
        },
    ),
    Benchmark(
        "fold",
        3,
        ("--posts", "100000", "--viewers", "10000"),
        ("--posts", "2000", "--viewers", "200", "--batches", "2"),
        {
            "events_per_second_acknowledged": "events acknowledged and folded, writes alone",
            "posts_per_second": "posts folded, vector given",
        },
    ),
    Benchmark(
        "memory",
        3,
        _MILLION,
        _FEW,
        {
            "resident_mb": "memory with 1,000,000 posts, 100,000 viewers, the index",
            "accounted_share": "share of it that the table of structures accounts for",
        },
    ),
    Benchmark(
        "embedding",
        3,
        ("--threads", "2"),
        ("--posts", "60", "--rounds", "1"),
        {
            "posts_per_second": "posts embedded, two threads",
            "min_cosine": "least cosine to sentence-transformers in float32",
        },
    ),
    Benchmark(
        "startup",
        3,
        _MILLION,
        (*_FEW, "--repeats", "1"),
        {"warm_median_s": "start to SERVING, 1,000,000 posts"},
    ),
    Benchmark(
        "timeline",
        4,
        (*_MILLION, "--bundle"),
        (*_FEW, "--seconds", "1", "--warm-up-s", "0.2"),
        {
            "random_p50_ms": "GetTimeline over gRPC, 1,000,000 posts, 12 heads x 100 trees, p50",
            "random_p99_ms": "p99",
        },
    ),
    Benchmark(
        "load",
        8,
        (*_MILLION, "--workers", "2", "--channels", "16", "--first", "60"),
        (*_FEW, "--step-s", "1", "--seconds", "2", "--most", "20", "--events", "1000", "--trees", "5"),
        {
            "requests_per_second": "timelines a second with p99 under 100 ms, writes beside, two workers",
            "p50_ms": "p50 at 70 % of it, from when a call was due",
            "p99_ms": "p99 at 70 % of it",
            "events_per_second": "events beside 50 timelines a second",
            "writing_p99_ms": "p99 of those timelines",
        },
    ),
    Benchmark(
        "scale",
        6,
        ("--posts", "1000", "--posts", "10000", "--posts", "100000", "--posts", "1000000"),
        (
            "--posts",
            "300",
            "--posts",
            "600",
            "--candidates",
            "100",
            "--candidates",
            "500",
            "--pages",
            "3",
            "--trees",
            "5",
        ),
        {
            "posts_1000000_candidates_500_total_p50_ms": "stages of a timeline, 500 candidates",
            "posts_1000000_candidates_2000_total_p50_ms": "stages of a timeline, 2,000 candidates",
        },
    ),
    Benchmark(
        "training",
        5,
        quick=("--examples", "5000"),
        headlines={
            "seconds": "training 10 heads on 1,000,000 examples x 60 features",
            "peak_gib": "its memory",
        },
    ),
    Benchmark("examples", 2, quick=("--rows", "60000", "--posts", "500")),
    Benchmark("coverage", 10, quick=("--runs", "10", "--viewers", "100")),
)


def chosen(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """The benchmarks with these names, in the suite's order; all without names. Raises NotFound."""
    known = {one.name for one in SUITE}
    if unknown := [name for name in names if name not in known]:
        raise NotFound(f"there is no benchmark {unknown[0]!r}: `feedrank bench list` names them")
    return tuple(one for one in SUITE if not names or one.name in names)
