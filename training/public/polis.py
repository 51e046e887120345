"""Polis: votes of a conversation, ranked by the first 70 % of every viewer's votes.

What other people did may be later than what is ranked: of a conversation's history, 54 % of the votes are
later than the first ranked vote of a viewer, on average.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray

from ranker.heads import NAMES
from ranker.query import Ask
from ranker.state import State
from training import Tell
from training.histories import dimension_of, of_rows
from training.metrics import Floats, auc
from training.public.comparison import SEEDS, Comparison, compared, models
from training.replay import Replay
from training.rows import Row

PROTOCOL = (
    "Each viewer's last 30 % of votes are ranked by the first 70 % of all viewers; "
    "other people's votes among these may be later than the ranked ones."
)

_LIKE = NAMES.index("like")
_HISTORY_VOTES = 0.7
_LEAST_VOTES = 10
_LARGE_CONVERSATION = 4_000


def polis(rows: Sequence[Row], seeds: tuple[int, ...] = SEEDS, tell: Tell = lambda _: None) -> Comparison:
    """Polis: the first 70 % of each viewer's votes are the history, the rest is ranked.

    The split is by viewer, not by time: others' history may be later than the votes that are ranked.

    AUC of agree against disagree and pass, a viewer with at least ten votes at a time, weighted by the votes
    ranked; the mean of the conversations with over 4,000 votes. All viewers' histories are folded before
    anything is ranked; features, model and agree rates know nothing but the histories. The baseline
    `without_disagree` is the same, but for a history in which who disagrees has only seen the post.
    """
    history, ballots = _ballots(rows)
    ranked, examples = _ranked(history, ballots, seeds, tell)
    tell("once more, without disagree")
    without, _ = _ranked([row for row in history if not _disagrees(row)], ballots, seeds, tell)
    by_baseline = _agree_rates(history, ballots) | {"without_disagree": without}
    weights = np.array([len(one.posts) for one in ballots], np.float64)
    strata = np.array([one.conversation for one in ballots])
    return compared(
        "polis",
        "auc_per_viewer",
        "viewers",
        PROTOCOL,
        ranked,
        by_baseline,
        examples,
        seeds,
        weights,
        strata,
    )


def _ranked(
    history: Sequence[Row], ballots: Sequence["_Ballot"], seeds: Sequence[int], tell: Tell
) -> tuple[Floats, int]:
    """AUC a viewer by models that learned from a history, and the impressions that they learned from."""
    tell("replaying")
    replay = Replay(State(dimension_of(history)))
    replay.run(of_rows(history))
    examples = replay.examples()
    tests = [replay.rows(Ask(one.viewer, one.time_ms, t.SURFACE_COMMUNITY), one.posts) for one in ballots]
    ends = np.cumsum([len(one) for one in tests])[:-1]
    scored = []
    for model in models(examples, seeds, tell):
        scores = np.split(model.probabilities(np.concatenate(tests))[:, _LIKE], ends)
        scored.append([auc(one.agrees, score) for one, score in zip(ballots, scores, strict=True)])
    ranked: Floats = np.mean(scored, axis=0)
    return ranked, len(examples)


def _disagrees(row: Row) -> bool:
    return isinstance(row, t.Event) and row.kind == t.EVENT_KIND_REQUEST_LESS


@dataclass(frozen=True)
class _Ballot:
    """The votes of one viewer that are ranked; `time_ms` is that of the first."""

    viewer: str
    conversation: str
    posts: list[str]
    agrees: NDArray[np.bool_]
    time_ms: int

    @classmethod
    def of(cls, votes: Sequence[t.Event], agreed: set[tuple[str, str]]) -> "_Ballot":
        """From a viewer's votes that are ranked."""
        viewer, posts = votes[0].viewer_id, [vote.post_id for vote in votes]
        agrees = np.array([(viewer, post) in agreed for post in posts])
        return cls(viewer, _conversation(viewer), posts, agrees, votes[0].time_ms)


def _ballots(rows: Sequence[Row]) -> tuple[list[Row], list[_Ballot]]:
    """The history, and what is ranked of each viewer with enough votes in a large conversation."""
    events = [row for row in rows if isinstance(row, t.Event)]
    agreed = {(row.viewer_id, row.post_id) for row in events if row.kind == t.EVENT_KIND_LIKE}
    votes: dict[str, list[t.Event]] = defaultdict(list)
    for row in events:
        if row.kind == t.EVENT_KIND_IMPRESSION:
            votes[row.viewer_id].append(row)
    late = {viewer: mine[int(len(mine) * _HISTORY_VOTES) :] for viewer, mine in votes.items()}
    held = {(viewer, vote.post_id) for viewer, last in late.items() for vote in last}
    size = Counter(_conversation(row.viewer_id) for mine in votes.values() for row in mine)
    ballots = [
        _Ballot.of(late[viewer], agreed)
        for viewer, mine in votes.items()
        if len(mine) >= _LEAST_VOTES and size[_conversation(viewer)] > _LARGE_CONVERSATION
    ]
    history = [row for row in rows if not (isinstance(row, t.Event) and (row.viewer_id, row.post_id) in held)]
    return history, ballots


def _conversation(viewer_id: str) -> str:
    return viewer_id.split("/")[0]


def _agree_rates(history: Sequence[Row], ballots: Sequence[_Ballot]) -> dict[str, Floats]:
    """AUC a viewer when posts are ranked by agrees / votes in the history, and at random."""
    agrees: dict[str, float] = defaultdict(float)
    votes: dict[str, float] = defaultdict(float)
    for row in history:
        if isinstance(row, t.Event):
            agrees[row.post_id] += row.kind == t.EVENT_KIND_LIKE
            votes[row.post_id] += row.kind == t.EVENT_KIND_IMPRESSION
    usual = sum(agrees.values()) / max(sum(votes.values()), 1)
    random = np.random.default_rng(0)
    by_rate, by_chance = [], []
    for one in ballots:
        rate = np.array([agrees[post] / votes[post] if votes[post] else usual for post in one.posts])
        by_rate.append(auc(one.agrees, rate))
        by_chance.append(auc(one.agrees, random.random(len(rate))))
    return {"random": np.array(by_chance), "item_agree_rate": np.array(by_rate)}
