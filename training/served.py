"""Served: the impressions log as columns, rows exactly as they were served.

The log is read twice: first all but the wide columns, to find which rows become examples, then the features
and probabilities of these rows alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ranker import features, heads
from ranker.errors import NotFound
from ranker.state import NONE
from ranker.state.columns import Ids, Slots
from training.choices import Chosen, Names
from training.examples import Examples, Impressions

_BATCH_ROWS = 65_536
_IDS = ("viewer_id", "post_id", "request_id", "source", "model_version", "experiment", "variant")
_NUMBERS = {
    "surface": np.int8,
    "time_ms": np.int64,
    "place": np.int32,
    "score": np.float64,
    "propensity": np.float64,
}
_WIDE = {"features": len(features.NAMES), "probabilities": len(heads.NAMES)}


class Served:
    """What an impressions log, a folder, says was served.

    `impressions` are in the order of time, answers and places; their features and probabilities have no
    columns. A row that the log holds twice is there once; files that were written with other features or
    heads are passed over. `counts` says how many rows that were.
    """

    def __init__(self, folder: Path) -> None:
        self.viewer_ids, self.post_ids, self.request_ids = Ids(), Ids(), Ids()
        self.models, self.sources, self.variants = Ids(), Ids(), Ids()
        paths = sorted(folder.glob("*.parquet"))
        self._files = [path for path in paths if _is_ours(path)]
        others = sum(pq.read_metadata(path).num_rows for path in paths if path not in self._files)
        columns = self._narrow()
        order = np.lexsort([columns[name] for name in ("place", "request", "time_ms")])
        self._rows = order[_first_of_each(columns["request"][order], columns["post"][order])]
        self.counts = {"of_other_features": others, "repeated": len(order) - len(self._rows)}
        self.impressions = _impressions({name: values[self._rows] for name, values in columns.items()})

    @property
    def names(self) -> Names:
        """What the numbers stand for."""
        return Names(self.viewer_ids.names, self.post_ids.names, self.request_ids.names)

    def examples(self, chosen: Chosen) -> Examples:
        """The chosen rows with their features and probabilities."""
        impressions = self.impressions[chosen.rows]
        return Examples(
            **vars(impressions) | self._wide(self._rows[chosen.rows]),
            labels=chosen.labels,
            weight=chosen.weight,
        )

    def _narrow(self) -> dict[str, NDArray[Any]]:
        """All but the wide columns, in the order of the files."""
        ids = {
            "viewer": (self.viewer_ids, "viewer_id"),
            "post": (self.post_ids, "post_id"),
            "request": (self.request_ids, "request_id"),
            "source": (self.sources, "source"),
        }
        parts = [{name: np.zeros(0, np.int32) for name in (*ids, "variant")}]
        parts[0] |= {name: np.zeros(0, dtype) for name, dtype in _NUMBERS.items()}
        for batch in self._batches((*_IDS, *_NUMBERS)):
            part = {name: _numbers(known, _texts(batch, column)) for name, (known, column) in ids.items()}
            part["variant"] = _numbers(self.variants, _variants(batch))
            _numbers(self.models, _texts(batch, "model_version"))
            parts.append(part | {name: batch[name].to_numpy() for name in _NUMBERS})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _wide(self, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float32]]:
        """The wide columns of some rows, in the order of `rows`."""
        place = np.full(max(rows.max(initial=-1) + 1, 1), -1)
        place[rows] = np.arange(len(rows))
        wide = {name: np.empty((len(rows), width), np.float32) for name, width in _WIDE.items()}
        start = 0
        for batch in self._batches(tuple(_WIDE)):
            to = place[start : start + batch.num_rows]
            start += batch.num_rows
            wanted = np.flatnonzero(to >= 0)
            for name, width in _WIDE.items():
                wide[name][to[wanted]] = batch[name].flatten().to_numpy().reshape(-1, width)[wanted]
        return wide

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path in self._files:
            try:
                file = pq.ParquetFile(path)
            except OSError as error:
                raise NotFound(f"{path} went away while it was read: run the command again") from error
            present = [name for name in columns if name in file.schema_arrow.names]
            yield from file.iter_batches(_BATCH_ROWS, columns=present)


def _is_ours(path: Path) -> bool:
    """Whether a file has the features and heads of this feedrank."""
    said = pq.read_schema(path).metadata or {}
    ours = {b"features": features.NAMES, b"heads": heads.NAMES}
    return all(said.get(key) == ",".join(names).encode() for key, names in ours.items())


def _texts(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column of strings; nulls where the file does not have it."""
    return batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string())


def _variants(batch: pa.RecordBatch) -> pa.Array:
    """Each row's experiment and variant as one name, such as "new_model/b"; null where none ran."""
    named = pc.binary_join_element_wise(_texts(batch, "experiment"), _texts(batch, "variant"), "/")
    return pc.if_else(pc.equal(named, "/"), None, named)


def _numbers(ids: Ids, texts: pa.Array) -> Slots:
    """The number of each string, which becomes known with this call; NONE for an empty one or a null."""
    encoded = texts.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    known = np.array([number_of(ids, name) for name in names] + [NONE], np.int32)
    numbers: Slots = known[encoded.indices.fill_null(len(names)).to_numpy()]
    return numbers


def number_of(ids: Ids, name: str | None) -> int:
    """The number of a name, which becomes known with this call; NONE for an empty one."""
    if not name:
        return NONE
    number = ids.slot(name)
    return ids.add(name) if number == NONE else number


def _first_of_each(request: Slots, post: Slots) -> NDArray[np.intp]:
    """The rows that show a post in an answer for the first time, ascending."""
    _, first = np.unique((request.astype(np.int64) << 32) | post, return_index=True)
    return np.sort(first)


def _impressions(columns: dict[str, NDArray[Any]]) -> Impressions:
    """Columns in the order of time and answers as impressions without features."""
    starts = np.diff(columns["request"], prepend=NONE) != 0
    bare: dict[str, Any] = {name: np.zeros((len(starts), 0), np.float32) for name in _WIDE}
    narrow = columns | {
        "source": columns["source"].astype(np.int8),
        "variant": columns["variant"].astype(np.int16),
    }
    return Impressions(**narrow, **bare, group=np.cumsum(starts, dtype=np.int32) - np.int32(1))
