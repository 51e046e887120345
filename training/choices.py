"""Which impressions become examples: those that were seen, whose horizon has passed, of people; and of the
many that nothing followed, a sample.

Each row that is left out is counted at the first reason that takes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.heads import DAY_MS, NAMES, longest_ms
from ranker.seen import People
from ranker.state.recent_ids import hash_of
from training.consent import PURPOSES, Refusals
from training.examples import NO_REQUEST, Choices, Impressions, Integers, Labels, Outcomes, labelled, together
from training.exclusions import Behaviour

Flags = NDArray[np.bool_]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Names:
    """What the numbers of impressions and outcomes stand for."""

    viewers: Sequence[str]
    posts: Sequence[str]
    requests: Sequence[str]


class Chosen(NamedTuple):
    """Rows of the impressions that become examples, with their labels and weights."""

    rows: NDArray[np.intp]
    labels: NDArray[np.uint8]
    weight: NDArray[np.float32]
    counts: dict[str, int]
    """Rows and viewers, by what became of them."""


def choose(
    impressions: Impressions,
    outcomes: Outcomes,
    seen: Flags,
    names: Names,
    choices: Choices,
    refusals: Refusals,
) -> Chosen:
    """The rows that become examples.

    `seen`: bool (n,), which rows were on a screen as far as anything but the outcomes tells. An outcome tells
    it too, but not where nothing else was told of the answer: of clients that tell nothing, only the rows
    that something followed would stay. The features and probabilities of the impressions are not looked at.
    """
    tally = _Tally(len(impressions))
    labels = _allowed(tally, impressions, outcomes, choices, refusals)
    nothing = ~np.asarray(labels.any(axis=1))
    told = np.isin(impressions.group, impressions.group[seen])
    tally.take("not_seen", ~seen & (nothing | ~told))
    if choices.until_ms is not None:
        tally.take("horizon_not_passed", impressions.time_ms + _known_after_ms(choices) > choices.until_ms)
    for rule, viewers in choices.exclude.masks(_behaviour(impressions, outcomes, names)).items():
        tally.counts[f"viewers_excluded_by_{rule}"] = int(viewers.sum())
        tally.take(f"excluded_by_{rule}", np.append(viewers, False)[impressions.viewer])
    tally.take("not_sampled", nothing & (drawn(impressions, names, choices.seed) >= choices.negatives))
    rows = np.flatnonzero(tally.left)
    weight = np.where(nothing[rows], 1 / choices.negatives, 1).astype(np.float32)
    return Chosen(rows, labels[rows], weight, tally.counts | {"examples": len(rows)})


def _allowed(
    tally: "_Tally", impressions: Impressions, outcomes: Outcomes, choices: Choices, refusals: Refusals
) -> Labels:
    """The labels, of the heads that are asked for. What refuses a use is taken from the tally.

    A row goes too whose label is not the same without the events that refuse: nobody knows it then.
    """
    labels = _labels(impressions, outcomes, choices)
    for purpose in ("training", "export") if choices.leaves else ("training",):
        bit = PURPOSES[purpose]
        tally.take(f"viewer_refuses_{purpose}", refusals.viewer[impressions.viewer] & bit != 0)
        tally.take(f"author_refuses_{purpose}", refusals.author[impressions.post] & bit != 0)
        tally.take(f"post_refuses_{purpose}", refusals.post[impressions.post] & bit != 0)
        refused = refusals.row & bit != 0
        if (of_events := outcomes.refuses & bit != 0).any():
            outcomes = outcomes[~of_events]
            without = _labels(impressions, outcomes, choices)
            refused |= (without != labels).any(axis=1)
            labels = without
        tally.take(f"event_refuses_{purpose}", refused)
    return labels


def _labels(impressions: Impressions, outcomes: Outcomes, choices: Choices) -> Labels:
    labels = labelled(impressions, outcomes).labels
    labels[:, [name not in choices.heads for name in NAMES]] = 0
    return labels


def people_in(
    examples: Impressions,
    viewer_names: Sequence[str],
    author_of: Integers,
    author_names: Sequence[str],
    key: bytes | None,
) -> People | None:
    """Whose rows these are, under a key; None without one. `author_of`: by post number, -1 where unknown."""
    if key is None:
        return None
    viewers, authors = np.unique(examples.viewer), np.unique(author_of[np.unique(examples.post)])
    return People.of(
        [viewer_names[one] for one in viewers.tolist() if one >= 0],
        [author_names[one] for one in authors.tolist() if one >= 0],
        key,
    )


def drawn(impressions: Impressions, names: Names, seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each row, from its answer, its post and the seed alone: float64 (n,).

    The order of the rows and what else is in the data do not matter. A row without an answer has its viewer
    and time in place of it.
    """
    answers = np.append(_hashes(names.requests), np.uint64(0))[impressions.request]
    alone = impressions.request == NO_REQUEST
    moment = _mixed(impressions.time_ms[alone].astype(np.uint64))
    answers[alone] = np.append(_hashes(names.viewers), np.uint64(0))[impressions.viewer[alone]] ^ moment
    posts = _hashes(names.posts)[impressions.post]
    mixed = _mixed(_mixed(answers ^ _mixed(np.array([seed % 2**64], np.uint64))) ^ posts)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def on_screen(impressions: Impressions, sights: Outcomes) -> Flags:
    """Rows that an event says were on a screen: in that answer, or, where it names none, within a day."""
    row, event = together(impressions, sights, np.arange(len(sights.time_ms)))
    since = sights.time_ms[event] - impressions.time_ms[row]
    fits = (sights.request[event] != NO_REQUEST) | ((since >= 0) & (since <= DAY_MS))
    mask = np.zeros(len(impressions), np.bool_)
    mask[row[fits]] = True
    return mask


class _Tally:
    """The rows that are left, and why the others are not."""

    def __init__(self, rows: int) -> None:
        self.left = np.ones(rows, np.bool_)
        self.counts = {"impressions": rows}

    def take(self, reason: str, taken: Flags) -> None:
        self.counts[reason] = int((self.left & taken).sum())
        self.left &= ~taken


def _known_after_ms(choices: Choices) -> int:
    """How long after an impression all its labels are known."""
    return longest_ms(choices.heads) + int(choices.wait_s * 1000)


def _behaviour(impressions: Impressions, outcomes: Outcomes, names: Names) -> Behaviour:
    """What viewers with an id did: the others, number -1, are nobody whom a rule could take."""
    answers, first = np.unique(impressions.request, return_index=True)
    first = first[(answers != NO_REQUEST) & (impressions.viewer[first] >= 0)]
    outcomes = outcomes[outcomes.viewer >= 0]
    return Behaviour(
        viewers=names.viewers,
        viewer=outcomes.viewer,
        kind=outcomes.kind,
        time_ms=outcomes.time_ms,
        asker=impressions.viewer[first],
        asked_ms=impressions.time_ms[first],
    )


def _hashes(names: Sequence[str]) -> Hashes:
    return np.fromiter(map(hash_of, names), np.uint64, len(names))


def _mixed(values: Hashes) -> Hashes:
    """Each value well scrambled: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
