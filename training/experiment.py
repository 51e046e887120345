"""The read-out of an experiment: what each variant did to its viewers, and how sure one can be of it.

Viewers are the units. They were dealt to the variants, so they are independent of each other; the posts that
one viewer sees are not. A rate per post is a ratio of two sums over viewers, and its error is that of the
delta method (Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics", KDD 2018). Intervals are
Welch's; for what fewer than some twenty viewers of a variant did, they are rough.

Many figures are compared, so some differ by chance: p-values are also given as Holm corrects them for all
comparisons of a read-out ("A Simple Sequentially Rejective Multiple Test Procedure", 1979). And where viewers
do not divide as the shares say, something loses viewers of one variant and no difference can be believed
(Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from feedrank.journal.v1 import journal_pb2
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy import stats

from ranker.errors import InvalidArgument, NotFound
from ranker.experiments import Experiment
from ranker.fold import Fold
from ranker.heads import NAMES, VALUE, weights
from ranker.state import State
from training import histories
from training.examples import Choices, Examples, ExampleSet

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
MISMATCH = 0.001
"""Below this chance of the viewers' division, something is wrong with it."""

Verdict = Literal["not distinguishable", "higher alone", "lower alone", "higher", "lower"]


class Rate(BaseModel, frozen=True, extra="forbid"):
    """A rate with its 95 % interval. NaN for what fewer than two viewers can't tell."""

    value: float
    low: float
    high: float


class Difference(Rate):
    """A variant's rate minus the first variant's."""

    p: float
    """Chance of a difference this large, where there is none; NaN where nobody did it, or too few viewers."""
    p_holm: float
    """The same, for the largest of all the differences of the read-out."""
    verdict: Verdict
    """"alone": its own interval leaves 0 out, but among so many comparisons that may be chance."""


class Reading(BaseModel, frozen=True, extra="forbid"):
    """One variant. Rates are by metric: the heads, and the value."""

    variant: str
    share: float
    """Of the viewers, as it was set."""
    viewers: int
    answers: int
    posts: int
    per_post: dict[str, Rate]
    per_viewer: dict[str, Rate]
    per_post_difference: dict[str, Difference]
    """To the first variant; empty for that one."""
    per_viewer_difference: dict[str, Difference]


class Readout(BaseModel, frozen=True, extra="forbid"):
    """What an experiment found."""

    experiment: str
    readings: tuple[Reading, ...]
    comparisons: int
    """Differences that were tested, for Holm's correction."""
    in_several_variants: int
    """Viewers who were left out, because they had more than one variant."""
    sample_ratio_p: float
    """Chance that viewers divide at least as unevenly, if the shares hold: the chi-square test."""
    sample_ratio_mismatch: bool


@dataclass(frozen=True, eq=False)
class Units:
    """The viewers of a variant, a row each."""

    answers: NDArray[np.int64]
    posts: NDArray[np.int64]
    totals: Floats
    """(viewers, metrics): what they did on all their posts."""

    def __len__(self) -> int:
        return len(self.posts)


@dataclass(frozen=True, eq=False)
class Ratios:
    """Ratios of sums over `units` viewers, with their standard errors; a column each."""

    value: Floats
    error: Floats
    units: int

    @classmethod
    def of(cls, totals: Floats, sizes: NDArray[np.int64]) -> "Ratios":
        """Sums of the columns of `totals` by the sum of `sizes`: both have one row a viewer."""
        units = len(sizes)
        if units < 2:
            unknown = np.full(totals.shape[1], np.nan)
            return cls(unknown, unknown, units)
        value = totals.sum(axis=0) / sizes.sum()
        residual = (totals - value * sizes[:, None]) / sizes.mean()
        return cls(value, np.sqrt((residual**2).sum(axis=0) / (units - 1) / units), units)

    def rates(self) -> list[Rate]:
        """With their intervals."""
        margin = self.error * stats.t.ppf((1 + CONFIDENCE) / 2, max(self.units - 1, 1))
        columns = zip(self.value, margin, strict=True)
        return [Rate(value=value, low=value - by, high=value + by) for value, by in columns]


def of_data_folder(
    data: Path,
    experiment: str,
    journal_url: str = "",
    choices: Choices | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Readout:
    """What an experiment found, from a server's data folder.

    Raises NotFound where the journal tells of no such experiment.
    """
    tell("looking for the experiment in the journal")
    started = experiments_of(histories.entries_of(data, journal_url))
    if experiment not in started:
        there = ", ".join(started) or "none"
        raise NotFound(f"the journal of {data} tells of no experiment {experiment}: it tells of {there}")
    shares = {one.name: one.share for one in started[experiment].variants}
    examples = histories.example_set(data=data, journal_url=journal_url, choices=choices, tell=tell)
    return read_out(examples, experiment, shares, started[experiment].started_ms)


def experiments_of(history: Iterable[tuple[str, journal_pb2.Entry]]) -> dict[str, Experiment]:
    """The experiments that a journal tells of, by name; of those of one name, the last."""
    state = State(1)
    fold, found = Fold(state), {}
    for position, entry in history:
        if entry.WhichOneof("change") in ("started_experiment", "stopped_experiment"):
            fold.apply(position, entry)
            if runs := state.in_service.experiment:
                found[runs.name] = runs
    return found


def read_out(
    examples: ExampleSet, experiment: str, shares: Mapping[str, float], since_ms: int = 0
) -> Readout:
    """What an experiment found, from the examples of its answers.

    `shares`: each variant's share of the viewers, in any unit; the first variant is the one that others are
    compared with. `since_ms`: answers before it are of an earlier experiment of the same name.
    InvalidArgument where the examples are a sample, or hold other variants; NotFound where they hold none.
    """
    if examples.about.negatives < 1:
        raise InvalidArgument(
            "negatives", "a read-out counts viewers, and the examples are a sample: make them with all rows"
        )
    numbers = _numbers(examples, experiment, list(shares))
    rows = examples.examples
    rows = rows[np.isin(rows.variant, numbers) & (rows.time_ms >= since_ms)]
    if not len(rows):
        raise NotFound(
            f"no example is of the experiment {experiment}: labels are known when the heads' horizon has "
            "passed, which is a day for most heads"
        )
    rows, crossed = _of_one_variant(rows)
    heads = [name for name in NAMES if name in examples.about.heads]
    units = [_units(rows[rows.variant == number], heads) for number in numbers]
    p = _sample_ratio_p([len(one) for one in units], list(shares.values()))
    readings = _readings(dict(zip(shares, units, strict=True)), shares, [VALUE, *heads])
    return Readout(
        experiment=experiment,
        readings=tuple(readings),
        comparisons=sum(map(_comparisons, readings)),
        in_several_variants=crossed,
        sample_ratio_p=p,
        sample_ratio_mismatch=p < MISMATCH,
    )


def _comparisons(reading: Reading) -> int:
    """How many of a reading's differences were tested."""
    differences = (*reading.per_post_difference.values(), *reading.per_viewer_difference.values())
    return sum(not np.isnan(one.p) for one in differences)


def _numbers(examples: ExampleSet, experiment: str, variants: list[str]) -> list[int]:
    """The variants as the examples number them; -2 for one that nobody had."""
    names = list(examples.about.variants)
    ours = [name.removeprefix(f"{experiment}/") for name in names if name.startswith(f"{experiment}/")]
    if strange := sorted(set(ours) - set(variants)):
        raise InvalidArgument(
            "share",
            f"the experiment {experiment} has also the variants {', '.join(strange)}: give all shares",
        )
    known = [f"{experiment}/{variant}" for variant in variants]
    return [names.index(name) if name in names else -2 for name in known]


def _of_one_variant(rows: Examples) -> tuple[Examples, int]:
    """Without viewers who had several variants, and how many these are."""
    pairs = np.unique(np.stack([rows.viewer, rows.variant]), axis=1)
    viewers, variants = np.unique(pairs[0], return_counts=True)
    crossed = viewers[variants > 1]
    return rows[~np.isin(rows.viewer, crossed)], len(crossed)


def _units(rows: Examples, heads: list[str]) -> Units:
    viewers, unit = np.unique(rows.viewer, return_inverse=True)
    answers = np.unique(np.stack([unit, rows.group]), axis=1)[0]
    worth = weights()
    did = rows.labels[:, [NAMES.index(name) for name in heads]].astype(np.float64)
    did = np.column_stack([did @ [worth[name] for name in heads], did])
    totals = np.empty((len(viewers), did.shape[1]))
    for column, values in enumerate(did.T):
        totals[:, column] = np.bincount(unit, values, len(viewers))
    return Units(np.bincount(answers, minlength=len(viewers)), np.bincount(unit), totals)


def _sample_ratio_p(viewers: Sequence[int], shares: Sequence[float]) -> float:
    expected = np.array(shares) / sum(shares) * sum(viewers)
    return float(stats.chisquare(viewers, expected).pvalue)


def _readings(units: dict[str, Units], shares: Mapping[str, float], metrics: list[str]) -> list[Reading]:
    per_post = {name: Ratios.of(one.totals, one.posts) for name, one in units.items()}
    per_viewer = {name: Ratios.of(one.totals, np.ones_like(one.posts)) for name, one in units.items()}
    differences = _differences(per_post, per_viewer, metrics)
    return [
        Reading(
            variant=name,
            share=shares[name] / sum(shares.values()),
            viewers=len(one),
            answers=int(one.answers.sum()),
            posts=int(one.posts.sum()),
            per_post=dict(zip(metrics, per_post[name].rates(), strict=True)),
            per_viewer=dict(zip(metrics, per_viewer[name].rates(), strict=True)),
            per_post_difference=differences.get((name, "post"), {}),
            per_viewer_difference=differences.get((name, "viewer"), {}),
        )
        for name, one in units.items()
    ]


def _differences(
    per_post: dict[str, Ratios], per_viewer: dict[str, Ratios], metrics: list[str]
) -> dict[tuple[str, str], dict[str, Difference]]:
    """Each variant's differences to the first, per post and per viewer, corrected together."""
    first, *others = per_post
    found = {
        (name, unit): _difference(ratios[name], ratios[first])
        for name in others
        for unit, ratios in (("post", per_post), ("viewer", per_viewer))
    }
    corrected = holm(np.concatenate([p for _, _, p in found.values()])).reshape(len(found), -1)
    return {
        key: {
            metric: _judged(*figures)
            for metric, *figures in zip(metrics, value, margin, p, p_holm, strict=True)
        }
        for (key, (value, margin, p)), p_holm in zip(found.items(), corrected, strict=True)
    }


def _difference(one: Ratios, first: Ratios) -> tuple[Floats, Floats, Floats]:
    """The difference, half the width of its interval, and its p-value; Welch's test."""
    value = one.value - first.value
    parts = np.stack([one.error**2, first.error**2])
    units = np.array([[one.units - 1], [first.units - 1]])
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = parts.sum(axis=0) ** 2 / (parts**2 / units).sum(axis=0)
        error = np.sqrt(parts.sum(axis=0))
        p = 2 * stats.t.sf(np.abs(value) / error, degrees)
    margin = np.where(error > 0, error * stats.t.ppf((1 + CONFIDENCE) / 2, degrees), error)
    return value, margin, p


def _judged(value: float, margin: float, p: float, p_holm: float) -> Difference:
    verdict: Verdict = "not distinguishable"
    if abs(value) > margin:
        sure = p_holm < 1 - CONFIDENCE
        verdict = (
            ("higher" if sure else "higher alone") if value > 0 else ("lower" if sure else "lower alone")
        )
    return Difference(
        value=value, low=value - margin, high=value + margin, p=p, p_holm=p_holm, verdict=verdict
    )


def holm(p: Floats) -> Floats:
    """P-values as Holm corrects them: the chance of one false alarm among all stays below the level.

    NaN is no comparison, and stays.

    >>> holm(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
