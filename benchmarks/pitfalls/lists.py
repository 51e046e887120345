"""RankLens as columns: which film stood in which list, and was it clicked."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from feedrank.v1 import types_pb2 as t
from numpy.typing import NDArray

from training.importers import ranklens
from training.metrics import Figure, Floats, Ranked, mean

Numbers = NDArray[np.intp]

TESTED = 0.2


@dataclass(frozen=True, eq=False)
class Lists:
    """Rows of lists in time: columns of length n."""

    list: Numbers
    """Numbers that never fall."""
    film: Numbers
    clicked: Floats
    """0 or 1."""

    @property
    def films(self) -> int:
        """How many there are."""
        return int(self.film.max()) + 1

    @cached_property
    def test(self) -> NDArray[np.bool_]:
        """The rows of the last fifth of the lists."""
        return self.list >= int((self.list[-1] + 1) * (1 - TESTED))

    def before(self, values: Floats) -> Floats:
        """The sum of a film's values in earlier lists, row by row."""
        order = np.argsort(self.film, kind="stable")
        running = np.cumsum(values[order]) - values[order]
        first = np.flatnonzero(np.diff(self.film[order], prepend=-1))
        size = np.diff(np.append(first, len(order)))
        found = np.empty(len(order))
        found[order] = running - np.repeat(running[first], size)
        return found

    def ndcg(self, scores: Floats) -> Figure:
        """NDCG@10 over the test's lists, ties by chance; a list without a click is left out."""
        of = self.test
        return mean(Ranked.of(self.list[of], scores[of], self.clicked[of], seed=0).ndcg())


@cache
def read(data: Path) -> Lists:
    """From the folder of the data sets."""
    lists: dict[str, int] = {}
    films: dict[str, int] = {}
    shown: list[tuple[int, int]] = []
    clicks: set[tuple[int, int]] = set()
    for row in ranklens.read(data / "ranklens"):
        if not isinstance(row, t.Event):
            continue
        pair = lists.setdefault(row.request_id, len(lists)), films.setdefault(row.post_id, len(films))
        shown.append(pair) if row.kind == t.EVENT_KIND_IMPRESSION else clicks.add(pair)
    number, film = np.array(shown, np.intp).T
    return Lists(number, film, np.array([float(pair in clicks) for pair in shown]))
