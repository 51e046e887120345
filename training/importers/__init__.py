"""Importers: public data sets as rows, one file a kind of data set.

An importer is a function from a path to rows in the order they happened. To add one, write its file and
its line in IMPORTERS.
"""

import csv
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ranker.errors import InvalidArgument, NotFound
from training.importers import jsonl, polis, ranklens, reddit
from training.rows import Row

# What files raise that are damaged, packed badly, or of another form.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    csv.Error,
    zlib.error,
)


@dataclass(frozen=True)
class Importer:
    """A kind of data set: a sentence on it, whether a path holds one, and its rows in time order."""

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Iterator[Row]]


IMPORTERS: dict[str, Importer] = {
    "ranklens": Importer(
        "RankLens: people marked the films they like in lists of 24.", ranklens.recognises, ranklens.read
    ),
    "polis": Importer(
        "Polis conversations: people agreed or disagreed with each other's short posts.",
        polis.recognises,
        polis.read,
    ),
    "reddit": Importer(
        "Top posts of subreddits, without viewers; the authors are invented.", reddit.recognises, reddit.read
    ),
    "jsonl": Importer("Your own data as JSON lines; see docs/import.md.", jsonl.recognises, jsonl.read),
}


def detect(path: Path) -> str:
    """The kind of the data set at a path, as in IMPORTERS.

    Raises NotFound where there is nothing, and InvalidArgument where no importer knows what is there.
    """
    if not path.exists():
        raise NotFound(f"{path} does not exist; name a folder or a file that does")
    for kind, importer in IMPORTERS.items():
        if _recognises(importer, path):
            return kind
    known = ", ".join(IMPORTERS)
    raise InvalidArgument("path", f"{path} is no data set of a known kind ({known}); see docs/import.md")


def read(path: Path) -> Iterator[Row]:
    """The rows of the data set at a path, whatever its kind, lazily; raises what `detect` raises, at once.

    A file that is damaged, or lacks what its kind has, is an InvalidArgument when its rows are taken.
    """
    return _rows(detect(path), path)


def _recognises(importer: Importer, path: Path) -> bool:
    try:
        return importer.recognises(path)
    except _UNREADABLE:
        return False


def _rows(kind: str, path: Path) -> Iterator[Row]:
    count = 0
    try:
        for row in IMPORTERS[kind].read(path):
            yield row
            count += 1
    except InvalidArgument:
        raise
    except _UNREADABLE as error:
        what = str(error)[:200] or type(error).__name__
        raise InvalidArgument(
            "path",
            f"{path} is damaged, or not of the kind {kind}, after {count} rows ({what}): fetch it again",
        ) from error
