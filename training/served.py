"""Served: the impressions log as columns, rows exactly as they were served.

The log is read twice: first all but the wide columns, to find which rows become examples, then the features
and probabilities of these rows alone.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ranker import features, heads
from ranker.errors import NotFound
from ranker.impression_files import SCHEMA, read_log
from ranker.state import NONE
from ranker.state.columns import Slots
from ranker.state.ids import Ids
from ranker.state.strings import Strings
from training.choices import Chosen, Names
from training.example_files import matrix_of
from training.examples import Examples, Impressions, Times

_PLAIN = ("surface", "time_ms", "place", "score", "propensity")
_WIDE = {"features": len(features.NAMES), "probabilities": len(heads.NAMES)}


class Served:
    """What an impressions log, a folder, says was served.

    `impressions` are in the order of time, answers and places; their features and probabilities have no
    columns. A row that the log holds twice is there once.
    """

    def __init__(self, folder: Path) -> None:
        self.viewer_ids, self.post_ids, self.request_ids = Ids(), Ids(), Ids()
        self.models, self.sources, self.variants = Ids(), Ids(), Ids()
        self._folder = folder
        columns = self._narrow()
        order = np.lexsort([columns[name] for name in ("place", "request", "time_ms")])
        _, first = np.unique(_key(columns["request"][order], columns["post"][order]), return_index=True)
        rows = order[np.sort(first)]
        self.counts = {"repeated": len(order) - len(rows)}
        self.impressions = _impressions({name: values[rows] for name, values in columns.items()})

    @property
    def names(self) -> Names:
        """What the numbers stand for."""
        return Names(self.viewer_ids.names, self.post_ids.names, self.request_ids.names)

    def examples(self, chosen: Chosen) -> Examples:
        """The chosen rows with their features and probabilities.

        Raises NotFound when rows went away since the log was read first.
        """
        impressions = self.impressions[chosen.rows]
        wide = self._wide(impressions)
        return Examples(**vars(impressions) | wide, labels=chosen.labels, weight=chosen.weight)

    def _narrow(self) -> dict[str, NDArray[Any]]:
        """All but the wide columns, in the order of the log."""
        parts = [self._numbered(SCHEMA.empty_table()), *map(self._numbered, read_log(self._folder))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _numbered(self, rows: pa.Table) -> dict[str, NDArray[Any]]:
        number_of_each(self.models, rows["model_version"])
        ids = {"viewer": self.viewer_ids, "post": self.post_ids, "request": self.request_ids}
        named = {name: number_of_each(known, rows[f"{name}_id"]) for name, known in ids.items()}
        return named | {
            "source": number_of_each(self.sources, rows["source"]).astype(np.int8),
            "variant": number_of_each(self.variants, _variants(rows)).astype(np.int16),
            **{name: rows[name].to_numpy() for name in _PLAIN},
        }

    def _wide(self, impressions: Impressions) -> dict[str, NDArray[np.float32]]:
        """The wide columns of some rows: found by answer and post, since the log may have grown."""
        key = _key(impressions.request, impressions.post)
        order = np.argsort(key)
        key = key[order]
        wide = {name: np.empty((len(key), width), np.float32) for name, width in _WIDE.items()}
        missing = np.ones(len(key), np.bool_)
        for rows in read_log(self._folder):
            asked = _key(
                self.request_ids.slots(rows["request_id"].to_pylist()),
                self.post_ids.slots(rows["post_id"].to_pylist()),
            )
            here, to = _found(key, asked)
            for name, width in _WIDE.items():
                wide[name][order[to]] = matrix_of(rows[name], width)[here]
            missing[order[to]] = False
        if missing.any():
            raise NotFound(f"{self._folder} lost a file while it was read: run the command again")
        return wide


def _found(keys: Times, asked: Times) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of the asked are among sorted keys, and where."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    here = np.flatnonzero(keys[at] == asked) if len(keys) else np.zeros(0, np.intp)
    return here, at[here]


def _key(request: Slots, post: Slots) -> Times:
    return (request.astype(np.int64) << 32) | post


def _variants(rows: pa.Table) -> pa.ChunkedArray:
    """Each row's experiment and variant as one name, such as "new_model/b"; null where none ran."""
    named = pc.binary_join_element_wise(rows["experiment"], rows["variant"], "/")
    return pc.if_else(pc.equal(named, "/"), None, named)


def number_of_each(ids: Ids, texts: pa.ChunkedArray) -> Slots:
    """The number of each string, which becomes known with this call; NONE for an empty one or a null."""
    encoded = texts.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    known = np.append(ids.slots_of(Strings.of(names)), np.int32(NONE))
    numbers: Slots = known[encoded.indices.fill_null(len(names)).to_numpy()]
    return numbers


def number_of(ids: Ids, name: str | None) -> int:
    """The number of a name, which becomes known with this call; NONE for an empty one."""
    return ids.add(name or "")


def _impressions(columns: dict[str, NDArray[Any]]) -> Impressions:
    """Columns in the order of time and answers as impressions without features."""
    starts = np.diff(columns["request"], prepend=NONE) != 0
    bare: dict[str, Any] = {name: np.zeros((len(starts), 0), np.float32) for name in _WIDE}
    return Impressions(**columns, **bare, group=np.cumsum(starts, dtype=np.int32) - np.int32(1))
