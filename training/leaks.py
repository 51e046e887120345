"""Leaks: features that know what had not happened yet. An evaluation of a model that has one flatters.

On examples:

- shuffled labels: labels are dealt anew within each list, a small model learns; on held-back lists it
  must be at chance. If not, the evaluation itself lets labels through.
- next answer: no feature may tell the labels of the viewer's next answer, place by place, better than those
  of the one before (time shift). Rows that are joined with another moment's features do.
- single features: none alone separates what happened (AUC above 0.95), neither over all examples nor within
  posts. A leave-one-out rate falls by the own label: within a post it tells all of them, upside down.
- foresight: a feature must not tell how much the post is yet to earn as if it had counted it (partial rank
  correlation above 0.8, given what the post has earned and how often it was and will be shown).

On a history that can be replayed, the strongest check: outcomes are drawn by dice in place of the real ones
*before* the replay; any feature that then tells them has been folded after them.

A false alarm is raised about once in 2,000 runs (3.5 standard errors; 5 where each feature is tried).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import lightgbm
import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray
from scipy.stats import rankdata

from ranker import features
from ranker.state import State
from training.bench import parts_by_time
from training.examples import Examples
from training.metrics import Figure, Floats, auc, auc_by_list, mean
from training.replay import Record, Replay

Numbers = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

_ALARM = 3.5
_ALARM_OF_MANY = 5.0
_TOO_GOOD = 0.95
_FORESEES = 0.8
_HELD_BACK = 0.3
_MOST_ROWS = 100_000
_LEAST_PAIRS = 100
_LEAST_LISTS = 20
_SETTINGS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 30,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
_TREES = 30
_DRAWN = (types_pb2.EVENT_KIND_CLICK, types_pb2.EVENT_KIND_LIKE)
_CHANCE = 0.2
_DELAY_MS = 60_000


@dataclass(frozen=True)
class Check:
    """What a check found."""

    name: str
    leak: bool
    sentence: str


def check(examples: Examples, tell: Callable[[str], None] = lambda _: None) -> list[Check]:
    """All checks that examples allow; the label is that of the head that happens most."""
    rows = examples[-_MOST_ROWS:]
    label = rows.labels[:, rows.labels.sum(axis=0).argmax()].astype(np.float64)
    found = []
    for one in (shuffled_labels, next_answer, single_features, foresight):
        tell(f"leak check: {one.__name__.replace('_', ' ')}")
        found.append(one(rows, label))
    return found


def shuffled_labels(examples: Examples, label: Floats) -> Check:
    """Labels dealt anew within each list can't be learned."""
    order = np.lexsort((np.random.default_rng(1).random(len(label)), examples.group))
    dealt = np.empty(len(label))
    dealt[np.argsort(examples.group, kind="stable")] = label[order]
    late, score = _learned(examples, dealt)
    return _at_chance("shuffled labels", _within(examples.group[late], dealt[late], score))


def next_answer(examples: Examples, label: Floats) -> Check:
    """No feature tells the viewer's next answer, place by place, better than the one before."""
    before, after = _neighbours(examples, -1), _neighbours(examples, 1)
    both = np.flatnonzero((before >= 0) & (after >= 0))
    if len(both) < _LEAST_PAIRS:
        return Check("next answer", False, "not checked: viewers have too few answers")
    told = {}
    for name, values in _columns(examples):
        aucs = (
            auc_by_list(examples.group[both], label[near[both]], values[both]) for near in (after, before)
        )
        told[name] = _errors(np.subtract(*aucs))
    what = "tells the labels of the viewer's next answer better than those of the one before"
    return _named("next answer", told, _ALARM_OF_MANY, what, "standard errors")


def single_features(examples: Examples, label: Floats) -> Check:
    """No feature alone separates what happened."""
    told = {}
    for name, values in _columns(examples):
        by_post = _within(examples.post, label, values)
        figures = [auc(label > 0, values), by_post.value if by_post.standard_error < 0.05 else 0.5]
        told[name] = max(abs(one - 0.5) + 0.5 if np.isfinite(one) else 0.5 for one in figures)
    return _named("single features", told, _TOO_GOOD, "tells what happened all by itself", "AUC")


def foresight(examples: Examples, label: Floats) -> Check:
    """No feature has counted what a post is yet to earn."""
    order = np.lexsort((np.arange(len(label)), examples.time_ms, examples.post))
    given, later, several = _life(examples.post[order], label[order])
    if several.sum() < _LEAST_PAIRS:
        return Check("foresight", False, "not checked: posts are shown too seldom to tell")
    rows = examples[order[several]]
    values = np.stack([values for _, values in _columns(rows)], axis=1)
    left = _without(rankdata(given, axis=0), rankdata(values, axis=0))
    to_come = _without(rankdata(given, axis=0), rankdata(later, axis=0))
    told = np.abs(_correlations(left, to_come)).max(axis=1)
    by_name = dict(zip(features.NAMES, told.tolist(), strict=True))
    what = "tells what the post is yet to earn"
    return _named("foresight", by_name, _FORESEES, what, "partial correlation")


def _life(post: Numbers, happened: Floats) -> tuple[Floats, Floats, Mask]:
    """Of rows by post and time: what is known of the post by then, what is to come, and which rows to judge.

    Known (n, 4): what it has earned, how often it was shown and will be, and its rate. To come (n, 2): what
    it earns after this row, and at what rate.
    """
    first = np.flatnonzero(np.diff(post, prepend=-1))
    size = np.diff(np.append(first, len(post)))
    begin, often = np.repeat(first, size), np.repeat(size, size)
    before = np.cumsum(happened) - happened
    earned = before - before[begin]
    to_earn = np.repeat(np.add.reduceat(happened, first), size) - earned - happened
    shown = np.arange(len(post)) - begin
    to_show = often - shown - 1
    several = to_show >= 3
    known = np.stack((earned, shown, to_show, earned / (shown + 5)), axis=1)
    return known[several], np.stack((to_earn, to_earn / (to_show + 5)), axis=1)[several], several


def drawn_outcomes(history: Iterable[Record], replay: Replay | None = None) -> Check:
    """A replay of dice: no feature may tell what they will show.

    `replay`: one with an empty state, of the dimension of the history's vectors; empty: vectors are left out.
    """
    replay = replay or Replay(State(1))
    replay.run(with_drawn_outcomes(history))
    examples = replay.examples()
    label = examples.labels.max(axis=1).astype(np.float64)
    late, score = _learned(examples, label)
    found = _within(examples.viewer[late], label[late], score)
    result = _at_chance("drawn outcomes", found)
    if not result.leak:
        return result
    told = {name: abs(auc(label > 0, values) - 0.5) for name, values in _columns(examples)}
    worst = max(told, key=lambda name: told[name])
    sentence = (
        f"{result.sentence} {worst} tells the most: it was folded after the outcome that it should not know."
    )
    return Check(result.name, True, sentence)


def with_drawn_outcomes(history: Iterable[Record], seed: int = 1) -> Iterator[Record]:
    """A history whose outcomes are dice: a click and a like, each after one impression in five.

    They follow within a minute. Vectors are left out, so that no dimension need be known.
    """
    rng, number, names = np.random.default_rng(seed), count(1), count()
    due: list[tuple[int, int, journal_pb2.Entry]] = []
    for _, entry in history:
        while due and due[0][0] <= entry.time_ms:
            yield f"{next(number)}-0", heapq.heappop(due)[2]
        if entry.WhichOneof("change") == "vectors":
            continue
        if entry.WhichOneof("change") == "events":
            entry, outcomes = _dealt(entry, rng, names)
            for one in outcomes:
                heapq.heappush(due, (one.time_ms, next(names), one))
        elif entry.WhichOneof("change") == "posts":
            entry = _without_vectors(entry)
        yield f"{next(number)}-0", entry
    for _, _, entry in sorted(due, key=lambda one: one[:2]):
        yield f"{next(number)}-0", entry


def _without_vectors(entry: journal_pb2.Entry) -> journal_pb2.Entry:
    bare = journal_pb2.Entry()
    bare.CopyFrom(entry)
    for post in bare.posts.posts:
        post.ClearField("vector")
    return bare


def _dealt(
    entry: journal_pb2.Entry, rng: np.random.Generator, names: Iterator[int]
) -> tuple[journal_pb2.Entry, list[journal_pb2.Entry]]:
    """An entry with its impressions, and events without a post; and the outcomes of dice."""
    events = entry.events
    columns = [field.name for field, _ in events.ListFields()]
    kept = [
        row
        for row, kind in enumerate(events.kinds)
        if kind == types_pb2.EVENT_KIND_IMPRESSION or not events.post_ids[row]
    ]
    left = {name: [getattr(events, name)[row] for row in kept] for name in columns}
    outcomes = []
    for row in kept:
        if events.kinds[row] != types_pb2.EVENT_KIND_IMPRESSION:
            continue
        for kind in _DRAWN:
            if rng.random() < _CHANCE:
                time_ms = entry.time_ms + 1 + int(rng.integers(_DELAY_MS))
                one = {name: [getattr(events, name)[row]] for name in columns}
                one |= {"event_ids": [f"dice-{next(names)}"], "kinds": [kind], "time_ms": [time_ms]}
                outcomes.append(journal_pb2.Entry(time_ms=time_ms, events=journal_pb2.Events(**one)))
    return journal_pb2.Entry(time_ms=entry.time_ms, events=journal_pb2.Events(**left)), outcomes


def _learned(examples: Examples, label: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Rows held back, the last in time, and what a small model that learned from the others says of them."""
    early, late = parts_by_time(examples, _HELD_BACK)
    data = lightgbm.Dataset(examples.features[early], label[early])
    score = lightgbm.train(_SETTINGS, data, _TREES).predict(examples.features[late])
    return late, np.asarray(score, np.float64)


def _within(lists: Numbers, label: Floats, score: Floats) -> Figure:
    """The AUC within lists, each weighted by its rows."""
    by_list = auc_by_list(lists, label, score)
    if np.isfinite(by_list).sum() < _LEAST_LISTS:  # of fewer no error can be told
        return Figure(np.nan, np.nan)
    return mean(by_list, np.unique(lists, return_counts=True)[1].astype(np.float64))


def _neighbours(examples: Examples, step: int) -> NDArray[np.intp]:
    """For each row, the row at the same place of the viewer's next list, or of an earlier one; -1: none."""
    order = np.lexsort((examples.place, examples.group))
    group = examples.group[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(np.append(first, len(group)))
    viewer = examples.viewer[order[first]]
    in_turn = np.lexsort((np.arange(len(first)), examples.time_ms[order[first]], viewer))
    near = np.full(len(first), -1)
    here, there = (in_turn[:-1], in_turn[1:]) if step > 0 else (in_turn[1:], in_turn[:-1])
    same = viewer[here] == viewer[there]
    near[here[same]] = there[same]
    list_of, at = np.repeat(np.arange(len(first)), size), np.arange(len(group)) - np.repeat(first, size)
    other = near[list_of]
    known = (other >= 0) & (at < size[other])
    found = np.full(len(group), -1)
    found[order[known]] = order[first[other[known]] + at[known]]
    return found


def _columns(examples: Examples) -> Iterator[tuple[str, Floats]]:
    """The features by name; what is not known is less than all."""
    for column, name in enumerate(features.NAMES):
        yield name, np.nan_to_num(examples.features[:, column].astype(np.float64), nan=-1e30)


def _errors(values: Floats) -> float:
    """How many standard errors a mean lies above 0."""
    if np.isfinite(values).sum() < _LEAST_LISTS:
        return 0.0
    figure = mean(values)
    return figure.value / figure.standard_error if figure.standard_error > 0 else 0.0


def _at_chance(name: str, figure: Figure) -> Check:
    value, error = figure
    if not np.isfinite(value) or not np.isfinite(error):
        return Check(name, False, "not checked: too few lists have both labels")
    leak = abs(value - 0.5) > _ALARM * error
    verdict = "labels come through where they can not be known." if leak else "at chance."
    return Check(name, bool(leak), f"AUC {value:.4f} ± {error:.4f}: {verdict}")


def _named(name: str, told: dict[str, float], limit: float, what: str, unit: str) -> Check:
    worst = max(told, key=lambda one: told[one])
    over = [one for one in told if told[one] > limit]
    if over:
        listed = ", ".join(f"{one} ({told[one]:.3f})" for one in over)
        return Check(name, True, f"{listed} {what} ({unit} above {limit}): it knows the future.")
    return Check(name, False, f"the most is {worst} with {unit} {told[worst]:.3f}, below {limit}.")


def _without(given: Floats, values: Floats) -> Floats:
    """What is left of columns that others, and their squares, do not explain."""
    spread = (given - given.mean(axis=0)) / np.maximum(given.std(axis=0), 1e-9)
    known = np.column_stack((np.ones(len(values)), spread, spread**2))
    return np.asarray(values - known @ np.linalg.lstsq(known, values, rcond=None)[0], np.float64)


def _correlations(one: Floats, other: Floats) -> Floats:
    """Of all pairs of columns whose means are 0, (columns, columns); 0 for what hardly varies."""
    spread = np.outer(one.std(axis=0), other.std(axis=0))
    known = spread > 1e-6 * len(one)
    return np.where(known, one.T @ other / len(one) / np.where(known, spread, 1), 0.0)
