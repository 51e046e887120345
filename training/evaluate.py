"""Evaluation on public sets: the model and the simple baselines on what neither has learned from.

On RankLens the last lists in time are ranked, and all is learned from what came before: the features by
replay, the model from the features of earlier impressions. On Polis the first 70 % of every viewer's votes
are learned from and the rest is ranked, so what other people did may be later than what is ranked: of a
conversation's history, 54 % of the votes are later than the first ranked vote of a viewer, on average.

What the test is averaged over (rankings, viewers) is taken as independent; the gain over a baseline is that
of the units' differences, so its error is smaller than those of the two figures.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray

from embeddings.encoder import load_encoder
from ranker.heads import NAMES
from ranker.query import Ask
from ranker.state import State
from training import importers
from training.examples import Examples
from training.histories import dimension_of, of_rows, with_vectors
from training.metrics import Figure, Floats, auc, mean, ndcg
from training.replay import Replay
from training.rows import Row
from training.train import Knobs, Trained, fit

SEEDS = (1, 2, 3)
"""The model is trained once a seed; its figure is the mean over them, unit by unit."""

PROTOCOLS = {
    "ranklens": "The last 20 % of the lists in time are ranked, each by what came before it.",
    "polis": (
        "Each viewer's last 30 % of votes are ranked by the first 70 % of all viewers; "
        "other people's votes among these may be later than the ranked ones."
    ),
}
"""What is known and what is ranked, by evaluation."""

_CLICK, _LIKE = NAMES.index("click"), NAMES.index("like")
_TEST_RANKINGS = 0.2
_HISTORY_VOTES = 0.7
_LEAST_VOTES = 10
_LARGE_CONVERSATION = 4_000


@dataclass(frozen=True)
class Comparison:
    """The model beside the baselines."""

    data: str
    metric: str
    """Such as "ndcg_at_10"."""
    unit: str
    """What the figures are means over."""
    protocol: str
    """What was known and what was ranked, in a sentence or two."""
    units: int
    model: Figure
    baselines: dict[str, Figure]
    gains: dict[str, Figure]
    """The model less each baseline."""
    parts: dict[str, Figure]
    """The model on each part of the data, where it has parts."""
    examples: int
    """Impressions that the model was trained on."""
    seeds: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """For machines: the metric by its name."""

        def named(figure: Figure) -> dict[str, float]:
            return {self.metric: figure.value, "standard_error": figure.standard_error}

        rest = {
            name: asdict(self)[name] for name in ("data", "unit", "units", "protocol", "examples", "seeds")
        }
        groups = {
            "baselines": {name: named(figure) for name, figure in self.baselines.items()},
            "gain_over": {name: named(figure) for name, figure in self.gains.items()},
            "parts": {name: named(figure) for name, figure in self.parts.items()},
        }
        return {**rest, **named(self.model), **groups}


Tell = Callable[[str], None]


def evaluate(kind: str, path: Path, seeds: Sequence[int] = SEEDS, tell: Tell = lambda _: None) -> Comparison:
    """Evaluate on a data set of a kind in EVALUATIONS; `tell` hears what is done next."""
    tell("reading and embedding")
    rows = with_vectors(importers.IMPORTERS[kind].read(path), load_encoder())
    return EVALUATIONS[kind](rows, tuple(seeds), tell)


def ranklens(rows: Sequence[Row], seeds: tuple[int, ...] = SEEDS, tell: Tell = lambda _: None) -> Comparison:
    """RankLens: the last 20 % of the rankings in time are the test; those without a click are skipped.

    NDCG@10 of the whole list of 24; a film without a record comes last. Model and click rates alike know
    what happened up to each ranking.
    """
    tell("replaying")
    replay = Replay(State(dimension_of(rows)))
    replay.run(of_rows(rows))
    examples, lists = replay.examples(), _lists(rows)
    cut = int(len(lists) * (1 - _TEST_RANKINGS))
    earlier = replay.request_ids.slots([one.request for one in lists[:cut]])
    learned = examples[np.isin(examples.request, earlier)]
    test = [one for one in lists[cut:] if one.clicked.any()]
    places = _places(replay, examples, test)
    scored = []
    for model in _models(learned, seeds, tell):
        scores = np.append(model.probabilities(examples.features)[:, _CLICK], -1.0)
        scored.append([ndcg(one.clicked, scores[rows]) for one, rows in zip(test, places, strict=True)])
    ranked = np.mean(scored, axis=0)
    baselines = {name: np.array([ndcg(one.clicked, one.scores[name]) for one in test]) for name in _BASELINES}
    return _compared("ranklens", "ndcg_at_10", "rankings", ranked, baselines, len(learned), seeds)


_BASELINES = ("random", "shown_order", "item_click_rate", "item_click_rate_to_mean")


@dataclass(frozen=True)
class _List:
    """A list of films that was shown: which were clicked (float 0 or 1), and each baseline's scores."""

    request: str
    posts: list[str]
    clicked: Floats
    scores: dict[str, Floats]


def _lists(rows: Sequence[Row]) -> list[_List]:
    """The rankings in time, with the baselines as they stood just before each."""
    shown: dict[str, list[str]] = defaultdict(list)
    marked: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if isinstance(row, t.Event) and row.kind == t.EVENT_KIND_IMPRESSION:
            shown[row.request_id].append(row.post_id)
        elif isinstance(row, t.Event):
            marked[row.request_id].add(row.post_id)
    random = np.random.default_rng(0)
    rates = _ClickRates()
    lists = []
    for request, posts in shown.items():
        clicked = np.array([float(post in marked[request]) for post in posts])
        by_chance, in_order = random.random(len(posts)), -np.arange(len(posts), dtype=np.float64)
        scores = dict(zip(_BASELINES, (by_chance, in_order, *rates.read(posts)), strict=True))
        lists.append(_List(request, posts, clicked, scores))
        rates.update(posts, clicked)
    return lists


class _ClickRates:
    """Clicks and views of each film so far."""

    def __init__(self) -> None:
        self.clicks: dict[str, float] = defaultdict(float)
        self.views: dict[str, float] = defaultdict(float)
        self.all_clicks = self.all_views = 0.0

    def read(self, posts: list[str]) -> tuple[Floats, Floats]:
        """(clicks + 1) / (views + 2), and the rate drawn to the mean of all by the weight of ten views."""
        clicks, views = (np.array([of[post] for post in posts]) for of in (self.clicks, self.views))
        usual = (self.all_clicks + 1) / (self.all_views + 5)
        return (clicks + 1) / (views + 2), (clicks + 10 * usual) / (views + 10)

    def update(self, posts: list[str], clicked: Floats) -> None:
        """Enter a list."""
        for post, click in zip(posts, clicked.tolist(), strict=True):
            self.clicks[post] += click
            self.views[post] += 1
        self.all_clicks += float(clicked.sum())
        self.all_views += len(posts)


def _places(replay: Replay, examples: Examples, lists: Sequence[_List]) -> list[list[int]]:
    """Where the examples of lists are; -1 for a film without a record."""
    pairs = zip(examples.request.tolist(), examples.post.tolist(), strict=True)
    at = {pair: row for row, pair in enumerate(pairs)}
    find = replay.post_ids.slot
    return [
        [at.get((request, find(post)), -1) for post in one.posts]
        for one in lists
        for request in [replay.request_ids.slot(one.request)]
    ]


def polis(rows: Sequence[Row], seeds: tuple[int, ...] = SEEDS, tell: Tell = lambda _: None) -> Comparison:
    """Polis: the first 70 % of each viewer's votes are the history, the rest is ranked.

    The split is by viewer, not by time: others' history may be later than the votes that are ranked.

    AUC of agree against disagree and pass, a viewer with at least ten votes at a time, weighted by the votes
    ranked; the mean of the conversations with over 4,000 votes. All viewers' histories are folded before
    anything is ranked; features, model and agree rates know nothing but the histories.
    """
    tell("replaying")
    history, ballots = _ballots(rows)
    replay = Replay(State(dimension_of(rows)))
    replay.run(of_rows(history))
    examples = replay.examples()
    tests = [replay.rows(Ask(one.viewer, one.time_ms, t.SURFACE_COMMUNITY), one.posts) for one in ballots]
    ends = np.cumsum([len(one) for one in tests])[:-1]
    scored = []
    for model in _models(examples, seeds, tell):
        scores = np.split(model.probabilities(np.concatenate(tests))[:, _LIKE], ends)
        scored.append([auc(one.agrees, score) for one, score in zip(ballots, scores, strict=True)])
    by_baseline = _agree_rates(history, ballots)
    weights = np.array([len(one.posts) for one in ballots], np.float64)
    strata = np.array([one.conversation for one in ballots])
    return _compared(
        "polis",
        "auc_per_viewer",
        "viewers",
        np.mean(scored, axis=0),
        by_baseline,
        len(examples),
        seeds,
        weights,
        strata,
    )


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


EVALUATIONS: dict[str, Callable[[Sequence[Row], tuple[int, ...], Tell], Comparison]] = {
    "ranklens": ranklens,
    "polis": polis,
}
"""The evaluations, by the importer of their data."""


def _models(examples: Examples, seeds: Sequence[int], tell: Tell) -> list[Trained]:
    models = []
    for seed in seeds:
        tell(f"training with seed {seed}")
        models.append(fit(examples, Knobs(seed=seed)))
    return models


def _compared(
    data: str,
    metric: str,
    unit: str,
    model: Floats,
    baselines: dict[str, Floats],
    examples: int,
    seeds: tuple[int, ...],
    weights: Floats | None = None,
    strata: NDArray[np.str_] | None = None,
) -> Comparison:
    parts = {} if strata is None else {str(name): strata == name for name in np.unique(strata)}
    return Comparison(
        data=data,
        metric=metric,
        unit=unit,
        protocol=PROTOCOLS[data],
        units=int((~np.isnan(model)).sum()),
        model=mean(model, weights, strata),
        baselines={name: mean(values, weights, strata) for name, values in baselines.items()},
        gains={name: mean(model - values, weights, strata) for name, values in baselines.items()},
        parts={
            name: mean(model[rows], None if weights is None else weights[rows])
            for name, rows in parts.items()
        },
        examples=examples,
        seeds=seeds,
    )
