"""Examples: impressions with what followed, as columns.

A label is 1 when the viewer did what the head predicts, on that post, within the head's horizon after the
impression, and did not take it back within the horizon. An event that names its answer (request_id) labels
the impressions of that answer only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.events import MIN_DWELL_MS
from ranker.heads import HEADS, Head

Integers = NDArray[np.int32]
Times = NDArray[np.int64]
Labels = NDArray[np.uint8]

NO_REQUEST = -1
"""The number of no answer."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Impressions:
    """Posts that were on a screen: columns of length n, in the order of the history.

    Viewers, posts and answers are numbers that mean nothing elsewhere; `group` numbers what was shown
    together, and never falls.
    """

    features: NDArray[np.float32]
    """(n, features), as they were at the impression; NaN where not known."""
    viewer: Integers
    post: Integers
    request: Integers
    group: Integers
    time_ms: Times

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, eq=False)
class Examples(Impressions):
    """Impressions with their labels, uint8 (n, heads) in the order of ranker.heads."""

    labels: Labels

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Examples":
        """Some of them."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What viewers did with posts: columns of length m, numbered as the impressions are."""

    viewer: Integers
    post: Integers
    request: Integers
    kind: NDArray[np.int8]
    time_ms: Times
    dwell_ms: Times
    undo: NDArray[np.bool_]


def labelled(impressions: Impressions, outcomes: Outcomes, heads: Sequence[Head] = HEADS) -> Examples:
    """The examples that impressions and outcomes make. The longest horizon should have passed for all."""
    labels = np.zeros((len(impressions), len(heads)), np.uint8)
    done = _done(outcomes)
    shown, deed = _pairs(impressions, outcomes, np.flatnonzero(done.counts))
    since = outcomes.time_ms[deed] - impressions.time_ms[shown]
    until = done.undone_ms[deed] - impressions.time_ms[shown]
    for column, head in enumerate(heads):
        of_head = np.isin(outcomes.kind[deed], head.numbers)
        follows = of_head & (since >= 0) & (since <= head.horizon_ms) & (until > head.horizon_ms)
        labels[shown[follows], column] = 1
    columns = {field.name: getattr(impressions, field.name) for field in fields(impressions)}
    return Examples(**columns, labels=labels)


@dataclass(frozen=True)
class _Done:
    counts: NDArray[np.bool_]
    """What happened, and was no undoing or short stay."""
    undone_ms: Times
    """When it was taken back."""


def _done(outcomes: Outcomes) -> _Done:
    short = (outcomes.kind == types_pb2.EVENT_KIND_DWELL) & (outcomes.dwell_ms < MIN_DWELL_MS)
    undone_ms = np.full(len(outcomes.time_ms), _NEVER)
    last: dict[tuple[int, int, int], int] = {}
    touched = np.flatnonzero(_same_as_undone(outcomes))
    for i in touched[np.argsort(outcomes.time_ms[touched], kind="stable")].tolist():
        what = int(outcomes.viewer[i]), int(outcomes.post[i]), int(outcomes.kind[i])
        if not outcomes.undo[i]:
            last[what] = i
        elif what in last:
            undone_ms[last.pop(what)] = outcomes.time_ms[i]
    return _Done(~outcomes.undo & ~short, undone_ms)


def _same_as_undone(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Which outcomes are of a viewer and post with something undone; few are."""
    key = _key(outcomes.viewer, outcomes.post)
    return np.isin(key, key[outcomes.undo])


def _pairs(
    impressions: Impressions, outcomes: Outcomes, deeds: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of impressions, and rows of outcomes, that go together: same viewer and post, and same answer."""
    key = _key(outcomes.viewer[deeds], outcomes.post[deeds])
    order = np.argsort(key, kind="stable")
    wanted = _key(impressions.viewer, impressions.post)
    first = np.searchsorted(key[order], wanted, "left")
    count = np.searchsorted(key[order], wanted, "right") - first
    shown = np.repeat(np.arange(len(wanted)), count)
    within = np.arange(len(shown)) - np.repeat(np.cumsum(count) - count, count)
    deed = deeds[order[np.repeat(first, count) + within]]
    asked, answered = impressions.request[shown], outcomes.request[deed]
    same = (asked == answered) | (asked == NO_REQUEST) | (answered == NO_REQUEST)
    return shown[same], deed[same]


def _key(viewer: Integers, post: Integers) -> Times:
    return (viewer.astype(np.int64) << 32) | post.astype(np.int64)
